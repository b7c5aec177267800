"""One run: a head trained with one loss under one noise level and seed, then judged on the test classes.

What is paired over losses comes from streams named by data set and seed alone: the initial head, the noise and the batches.
The loss's own initialisation has a stream of its own.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import nn

from suite.settings.plans import CellPlan, Plan
from suite.settings.params import Recipe
from suite.data.noise import Corruption, corrupt
from suite.evaluation.retrieval import Retrieval, retrieve
from suite.data.features import Features
from suite.files import replacing
from suite.losses.registry import LossEntry, build_loss, load_target
from suite.randomness import stream, torch_seed
from suite.training.head import Head
from suite.training.loop import TrainingFailure, train
from suite.training.outcome import Outcome, Run, config_sha256, versions
from suite.training.sampler import PKSampler

COLLAPSED = 1e-6
"""Embeddings whose total variance is below this lie on one point: the model has collapsed."""


def run_one(run: Run[CellPlan], features: Features, on_epoch: Callable[[int], None]) -> Outcome:
    """Train and evaluate; a NaN or a collapse becomes a record with status ``failed``.

    Args:
        run: what to run.
        features: of its data set.
        on_epoch: called with the number of finished epochs.
    """
    started = time.perf_counter()
    plan = run.plan
    training_features, true_labels = features.training()
    corruption = corrupt(true_labels, plan.dataset, plan.noise_kind, run.noise_level, run.seed)
    curve: list[float] = []
    at_validation_epoch: Retrieval | None = None

    def after_epoch(epoch: int, value: float, head: nn.Module) -> None:
        nonlocal at_validation_epoch
        curve.append(value)
        if epoch == plan.validation_epoch and epoch < plan.recipe.epochs:
            at_validation_epoch = evaluate(head, *features.test())
        on_epoch(epoch)

    found: Retrieval | None = None
    failure = None
    head: nn.Module | None = None
    try:
        num_classes = int(true_labels.max()) + 1
        entry = load_target(plan.loss, plan.target)
        head, _ = fit(plan, entry, training_features, corruption.labels, run.seed, num_classes, after_epoch)
        found = evaluate(head, *features.test())
    except TrainingFailure as error:
        failure = str(error)
    if run.embeddings is not None:
        save_embeddings(run.embeddings, head if found else None, features)
    epoch = _validation_epoch(plan, found, at_validation_epoch)
    record = record_of(run, corruption, features.data_sha256, found, failure, epoch)
    return Outcome(record, curve, time.perf_counter() - started)


def record_of(
    run: Run[Plan[Any]],
    corruption: Corruption,
    data_sha256: str,
    found: Retrieval | None,
    failure: str | None,
    validation_epoch: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The record of a run, whatever it trained.

    Args:
        run: what was run.
        corruption: of its training labels.
        data_sha256: digest of its data.
        found: retrieval on the test classes, None for a failed run.
        failure: why it failed, None for a finished run.
        validation_epoch: number and metrics of the epoch that was best on validation classes.
    """
    plan = run.plan
    return {
        "track": plan.track,
        "dataset": plan.dataset,
        "loss": plan.loss,
        "noise_kind": plan.noise_kind,
        "noise_level": run.noise_level,
        "seed": run.seed,
        "status": "failed" if failure else "ok",
        "failure": failure,
        "metrics": found.metrics if found else {},
        "validation_epoch": validation_epoch,
        "class_hits": found.class_hits if found else [],
        "class_queries": found.class_queries if found else [],
        "noise_realised": corruption.realised,
        "noise_sha256": corruption.sha256,
        "data_sha256": data_sha256,
        "config_sha256": config_sha256(run),
        "source_sha256": plan.source_sha256,
        "target": plan.target,
        "origin": plan.origin,
        "hyperparameters": plan.hyperparameters,
        "recipe": plan.recipe.model_dump(mode="json"),
        "versions": versions(),
    }


def _validation_epoch(plan: CellPlan, last: Retrieval | None, then: Retrieval | None) -> dict[str, Any] | None:
    """Metrics at the epoch that was best on validation classes; that epoch may be the last one."""
    if plan.validation_epoch is None or last is None:
        return None
    return {"epoch": plan.validation_epoch, "metrics": (then or last).metrics}


def fit(
    plan: CellPlan,
    entry: LossEntry,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    seed: int,
    num_classes: int,
    after_epoch: Callable[[int, float, nn.Module], None] | None = None,
) -> tuple[nn.Module, nn.Module]:
    """Train a head on features (N, F) with given labels (N,); gives head and loss.

    ``after_epoch`` is called with the number of finished epochs, the mean loss of the last one, and the head.

    Raises:
        TrainingFailure: the loss left the finite numbers.
    """
    recipe: Recipe = plan.recipe
    inputs = torch.from_numpy(features)
    generator = torch.Generator().manual_seed(torch_seed("head", plan.dataset, seed))
    head = Head(inputs, recipe.embedding_dim, recipe.hidden_dim, generator)
    torch.manual_seed(torch_seed("loss", plan.dataset, seed))
    loss = build_loss(entry, plan.hyperparameters, num_classes, recipe.embedding_dim)
    sampler = PKSampler(
        labels, recipe.classes_per_batch, recipe.samples_per_class, stream("batches", plan.dataset, seed)
    )

    def report(epoch: int, value: float) -> None:
        if after_epoch is not None:
            after_epoch(epoch, value, head)

    fetch = head.standardised(inputs).__getitem__
    train(head.layers, loss, fetch, torch.from_numpy(labels), sampler, recipe, report)
    head.eval()
    return head, loss


def evaluate(head: nn.Module, features: NDArray[np.float32], labels: NDArray[np.int64]) -> Retrieval:
    """Retrieval by a head on features (N, F) of classes that it was not trained on.

    Raises:
        TrainingFailure: the embeddings are not finite or lie on one point.
    """
    return retrieve(checked_embeddings(head, features), labels)


def checked_embeddings(head: nn.Module, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embeddings (N, D) of features (N, F) by a head that has not failed.

    Raises:
        TrainingFailure: the embeddings are not finite or lie on one point.
    """
    embeddings = embed(head, features)
    check_embeddings(embeddings)
    return embeddings


def check_embeddings(embeddings: NDArray[np.float32]) -> None:
    """Check that embeddings (N, D) are those of a model that has not failed.

    Raises:
        TrainingFailure: they are not finite or lie on one point.
    """
    if not np.isfinite(embeddings).all():
        raise TrainingFailure("the embeddings are not finite")
    if embeddings.var(axis=0).sum() < COLLAPSED:
        raise TrainingFailure("the embeddings collapsed to one point")


def embed(head: nn.Module, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embeddings (N, D) of features (N, F)."""
    with torch.inference_mode():
        embeddings: NDArray[np.float32] = head(torch.from_numpy(features)).numpy()
    return embeddings


def save_embeddings(path: Path, head: nn.Module | None, features: Features) -> None:
    """Keep embeddings of the test classes as float16, their labels and rows in the feature file; none without a head."""
    vectors, labels = features.test()
    rows = np.flatnonzero(features.labels >= features.num_training_classes)
    embeddings = np.empty((0, 0), np.float32) if head is None else embed(head, vectors)
    kept = slice(len(embeddings))
    with replacing(path) as temporary:
        save_file({"embeddings": embeddings.astype(np.float16), "labels": labels[kept], "rows": rows[kept]}, temporary)
