"""One run: a network trained from images with one loss under one noise level and seed, then judged on the test classes."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suite.data.archives.cache import open_cache
from suite.data.archives.dataset import CachedImages
from suite.data.noise import Corruption, Labels, corrupt
from suite.data.noise_lists import LISTED_KINDS, NoiseList, planned_list
from suite.errors import SuiteError
from suite.evaluation.retrieval import MEASURED, Retrieval, retrieve
from suite.training.run.frozen import Outcome, check_embeddings
from suite.training.run.loop import TrainingFailure
from suite.training.whole_network.checkpoint import Checkpoint
from suite.training.whole_network.embed import embed_images, without_head
from suite.training.whole_network.engine import Engine
from suite.training.whole_network.fit import finetune
from suite.training.whole_network.networks import EmbeddingNetwork
from suite.training.whole_network.transforms import test_transform

if TYPE_CHECKING:
    from suite.settings.benchmarks import WholeNetworkPlan
    from suite.settings.plans import Run

_ON_RECORD = {"source", "source_sha256", "kept_true", "undecided", "swappable"}
"""What a record says of a list."""


def run_network(
    run: "Run[WholeNetworkPlan]",
    engine: Engine,
    folder: Path,
    checkpoint: Checkpoint,
    on_epoch: Callable[[int], None],
) -> Outcome:
    """Train and evaluate; a NaN or a collapse becomes a failure.

    ``before_training`` goes on record too: metrics of the pretrained network without head. All processes of the
    engine call this; the outcome of the first one counts.

    Args:
        run: what to run.
        engine: what trains.
        folder: holds the image cache.
        checkpoint: where the state after each epoch is kept.
        on_epoch: called with the number of finished epochs.

    Raises:
        SuiteError: the recipe does not fit the data or the machine, or GPU memory runs out.
    """
    plan = run.plan
    training = CachedImages(plan.dataset, "training", folder=folder)
    corruption, noise_list = _corrupted(run, training.labels, folder)
    curve: list[float] = []

    def after_epoch(epoch: int, value: float) -> None:
        curve.append(value)
        on_epoch(epoch)

    test = CachedImages(plan.dataset, "test", folder=folder)
    metrics = list(dict.fromkeys((*MEASURED, *(f"recall_at_{k}" for k in plan.recipe.evaluation.recall_at))))
    before_training: dict[str, float] = {}

    def embed(network: Callable[[Tensor], Tensor]) -> NDArray[np.float32]:
        transform, size = test_transform(plan.recipe.images), plan.recipe.batches.size
        return embed_images(engine, network, test, np.arange(len(test)), transform, size)

    def judge(embeddings: NDArray[np.float32]) -> Retrieval | None:
        """Retrieval on the test classes, in the first process."""
        if engine.rank > 0:
            return None
        return retrieve(embeddings, test.labels, metrics)

    def at_start(network: EmbeddingNetwork) -> None:
        before = judge(embed(without_head(network)))
        before_training.update(before.metrics if before else {})

    found: Retrieval | None = None
    failure = None
    try:
        network = finetune(
            engine,
            plan.recipe,
            plan.target,
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
    more = {"recipe_name": plan.recipe_name, "precision": plan.precision, "before_training": before_training}
    if noise_list is not None:
        more["noise_list"] = noise_list.model_dump(include=_ON_RECORD)
    return Outcome(
        data_sha256=training.data_sha256,
        noise_sha256=corruption.sha256,
        noise_realised=corruption.realised,
        curve=curve,
        found=found,
        failure=failure,
        more=more,
    )


def _corrupted(run: "Run[WholeNetworkPlan]", labels: Labels, folder: Path) -> tuple[Corruption, NoiseList | None]:
    """The labels that training sees, drawn for the run's seed, or those of a list, which are the same for all seeds."""
    plan, level = run.plan, run.noise_level
    if plan.noise_kind not in LISTED_KINDS:
        return corrupt(labels, plan.dataset, plan.noise_kind, level, run.seed), None
    if not level:
        return corrupt(labels, plan.dataset, "symmetric", level, run.seed), None
    images = open_cache(plan.dataset, folder).images_sha256
    found = planned_list(plan.dataset, plan.noise_kind, level, plan.listed(level), images, folder)
    return found.corruption(labels), found
