"""One run: a head trained with one loss under one noise level and seed, then judged on the test classes.

What is paired over losses comes from streams named by data set and seed alone: the initial head, the noise and the batches.
The loss's own initialisation has a stream of its own.
"""

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from suite.config.plan import CellPlan
from suite.config.settings import Recipe
from suite.datasets.noise import corrupt
from suite.evaluation.retrieval import retrieval_metrics
from suite.features.store import Features
from suite.hashing import sha256_value
from suite.losses.registry import LossEntry, build_loss, load_target
from suite.progress import Report
from suite.randomness import stream, torch_seed
from suite.training.head import Head
from suite.training.loop import TrainingFailure, train
from suite.training.sampler import PKSampler

COLLAPSED = 1e-6
"""Embeddings whose total variance is below this lie on one point: the model has collapsed."""
VERSIONED = ("torch", "numpy", "faiss-cpu", "pytorch-metric-learning")


@dataclass(frozen=True, slots=True)
class Run:
    """One (noise, seed) of a cell."""

    plan: CellPlan
    noise_kind: str
    noise_level: float
    seed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run leaves behind.

    Attributes:
        record: one row for the leaderboard: configuration, hashes, status, metrics.
        curve: mean training loss of each epoch.
        seconds: wall-clock time, kept apart from the record, which must not depend on it.
    """

    record: dict[str, Any]
    curve: list[float]
    seconds: float


def run_seed(run: Run, features: Features, report: Report) -> Outcome:
    """Train and evaluate one seed; a NaN or a collapse becomes a record with status ``failed``."""
    started = time.perf_counter()
    training_features, true_labels = features.training()
    corruption = corrupt(true_labels, run.plan.dataset, run.noise_kind, run.noise_level, run.seed)
    curve: list[float] = []

    def after_epoch(epoch: int, value: float) -> None:
        curve.append(value)
        report(run.seed, epoch)

    metrics: dict[str, float] = {}
    failure = None
    entry = load_target(run.plan.loss, run.plan.target)
    try:
        num_classes = int(true_labels.max()) + 1
        head, _ = fit(run.plan, entry, training_features, corruption.labels, run.seed, num_classes, after_epoch)
        metrics = evaluate(head, *features.test())
    except TrainingFailure as error:
        failure = str(error)
    record = {
        "dataset": run.plan.dataset,
        "loss": run.plan.loss,
        "noise_kind": run.noise_kind,
        "noise_level": run.noise_level,
        "seed": run.seed,
        "status": "failed" if failure else "ok",
        "failure": failure,
        "metrics": metrics,
        "noise_realised": corruption.realised,
        "noise_sha256": corruption.sha256,
        "data_sha256": features.data_sha256,
        "config_sha256": sha256_value([run.plan.as_dict(), run.noise_kind, run.noise_level, run.seed]),
        "source_sha256": run.plan.source_sha256,
        "target": run.plan.target,
        "tuned": run.plan.tuned,
        "hyperparameters": run.plan.hyperparameters,
        "recipe": run.plan.recipe.model_dump(),
        "versions": versions(),
    }
    return Outcome(record, curve, time.perf_counter() - started)


def versions() -> dict[str, str]:
    """Versions of Python and the libraries that a result depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in VERSIONED}


def fit(
    plan: CellPlan,
    entry: LossEntry,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    seed: int,
    num_classes: int,
    after_epoch: Callable[[int, float], None] | None = None,
) -> tuple[nn.Module, nn.Module]:
    """Train a head on features (N, F) with given labels (N,); gives head and loss.

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
    train(head, loss, inputs.__getitem__, torch.from_numpy(labels), sampler, recipe, after_epoch)
    return head, loss


def evaluate(head: nn.Module, features: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
    """Retrieval metrics of a head on features (N, F) of classes that it was not trained on.

    Raises:
        TrainingFailure: the embeddings are not finite or lie on one point.
    """
    with torch.inference_mode():
        embeddings = head(torch.from_numpy(features)).numpy()
    if not np.isfinite(embeddings).all():
        raise TrainingFailure("the embeddings are not finite")
    if embeddings.var(axis=0).sum() < COLLAPSED:
        raise TrainingFailure("the embeddings collapsed to one point")
    return retrieval_metrics(embeddings, labels)
