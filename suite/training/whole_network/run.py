"""One run: a network fine-tuned with one loss under one noise level and seed, then judged on the test classes."""

import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suite.data.archives.dataset import CachedImages
from suite.training.whole_network.planner import FinetunePlan
from suite.data.noise import corrupt
from suite.errors import SuiteError
from suite.evaluation.retrieval import Retrieval, retrieve
from suite.training.whole_network.checkpoint import Checkpoint
from suite.training.whole_network.embed import embed_images, without_head
from suite.training.whole_network.engine import Engine
from suite.training.whole_network.fit import finetune
from suite.losses.registry import load_target
from suite.training.loop import TrainingFailure
from suite.training.outcome import Outcome, Run, versions
from suite.training.run import check_embeddings, record_of
from suite.training.whole_network.networks import EmbeddingNetwork
from suite.training.whole_network.transforms import test_transform

VERSIONED = ("timm", "torchvision", "pillow", "lightning-fabric")
"""Libraries that a fine-tuned network depends on besides those of all runs."""
RECALL_AT = (1, 2, 4, 8)
"""What every record has; a recipe may add to it."""


def finetune_one(
    run: Run[FinetunePlan],
    engine: Engine,
    folder: Path,
    checkpoint: Checkpoint,
    on_epoch: Callable[[int], None],
) -> Outcome:
    """Train and evaluate; a NaN or a collapse becomes a record with status ``failed``.

    The record has ``frozen`` too: metrics of the pretrained network without head, before training. All processes of the
    engine call this; the outcome of the first one counts.

    Args:
        run: what to run.
        engine: what trains.
        folder: holds the image cache.
        checkpoint: where the state after each epoch is kept.
        on_epoch: called with the number of finished epochs.

    Raises:
        SuiteError: the recipe does not fit the data or the machine, or the GPU's memory does not do.
    """
    started = time.perf_counter()
    plan = run.plan
    training = CachedImages(plan.dataset, "training", folder=folder)
    corruption = corrupt(training.labels, plan.dataset, plan.noise_kind, run.noise_level, run.seed)
    curve: list[float] = []

    def after_epoch(epoch: int, value: float) -> None:
        curve.append(value)
        on_epoch(epoch)

    test = CachedImages(plan.dataset, "test", folder=folder)
    frozen: dict[str, float] = {}

    def embed(network: Callable[[Tensor], Tensor]) -> NDArray[np.float32]:
        transform, size = test_transform(plan.recipe.images), plan.recipe.batches.size
        return embed_images(engine, network, test, np.arange(len(test)), transform, size)

    def judge(embeddings: NDArray[np.float32]) -> Retrieval | None:
        """Retrieval on the test classes, in the first process."""
        if engine.rank > 0:
            return None
        return retrieve(embeddings, test.labels, sorted({*RECALL_AT, *plan.recipe.evaluation.recall_at}))

    def at_start(network: EmbeddingNetwork) -> None:
        before = judge(embed(without_head(network)))
        frozen.update(before.metrics if before else {})

    found: Retrieval | None = None
    failure = None
    try:
        network = finetune(
            engine,
            plan.recipe,
            load_target(plan.loss, plan.target),
            training,
            corruption.labels,
            training.num_training_classes,
            (plan.dataset, run.seed),
            checkpoint,
            after_epoch,
            at_start,
        )
        embeddings = embed(network)
        check_embeddings(embeddings)
        found = judge(embeddings)
    except TrainingFailure as error:
        failure = str(error)
    except torch.cuda.OutOfMemoryError as error:
        raise SuiteError(
            f"out of GPU memory: lower batches.size = {plan.recipe.batches.size} in recipe {plan.recipe_name}, "
            f"or share it among more GPUs (--devices): {str(error).splitlines()[0]}"
        ) from error
    record = record_of(run, corruption, training.data_sha256, found, failure)
    record |= {"backbone": plan.backbone, "recipe_name": plan.recipe_name, "precision": plan.precision}
    record |= {"frozen": frozen, "versions": finetuning_versions()}
    return Outcome(record, curve, time.perf_counter() - started)


def finetuning_versions() -> dict[str, str]:
    """Versions of Python and the libraries that a result depends on."""
    return versions() | {name: version(name) for name in VERSIONED}
