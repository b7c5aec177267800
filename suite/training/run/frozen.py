"""One run on frozen features: an embedding layer trained with one loss under one noise level and seed, then judged.

The initial layer, the noise and the batches depend only on data set and seed, so they are the same for every loss. The loss
draws its own initial values from another stream.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from suite.data.features import Features
from suite.data.noise import corrupt
from suite.evaluation.retrieval import Retrieval, retrieve
from suite.losses.build import build_loss
from suite.randomness import stream, torch_seed
from suite.training.run.loop import PKSampler, Sampler, TrainingFailure, UniformSampler, train

if TYPE_CHECKING:
    from suite.settings.plans import FrozenPlan, Run

COLLAPSED = 1e-6
"""Embeddings whose total variance is below this lie on one point: the model has collapsed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run measured.

    Attributes:
        data_sha256: digest of its data.
        noise_sha256: digest of the labels that it trained on.
        noise_realised: share of them that are wrong.
        curve: mean training loss of each epoch.
        found: retrieval on the test classes, None for a failed run or where it is not what was measured.
        failure: why it failed, None for a finished run.
        validation_epoch: number and metrics of the epoch that was best on validation classes.
        embeddings: of the test classes where they are kept: arrays ``embeddings``, ``labels`` and ``rows``.
        more: further fields of the record.
    """

    data_sha256: str
    noise_sha256: str
    noise_realised: float
    curve: list[float]
    found: Retrieval | None = None
    failure: str | None = None
    validation_epoch: dict[str, Any] | None = None
    embeddings: dict[str, NDArray[np.generic]] | None = None
    more: dict[str, Any] | None = None


class Head(nn.Module):
    """Linear layer, or an MLP with one hidden layer, on standardised features; rows of the output have unit norm.

    Features are centred and divided by one scale, both measured on the training features, so that learning rates mean
    the same for every data set. One scale for all dimensions keeps their proportions, as the backbone gave them.

    Args:
        features: (N, F) training features.
        embedding_dim: D.
        hidden_dim: width of the hidden layer, 0 for none.
        generator: draws the initial weights; the same generator state gives the same head for every loss.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, features: Tensor, embedding_dim: int, hidden_dim: int, generator: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("mean", features.mean(dim=0))
        self.register_buffer("scale", features.std(dim=0).square().mean().sqrt().clamp_min(1e-6))
        widths = [features.shape[1], *([hidden_dim] if hidden_dim else []), embedding_dim]
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(widths):
            if layers:
                layers.append(nn.ReLU())
            layers.append(_linear(fan_in, fan_out, generator))
        self.layers = nn.Sequential(*layers, _UnitRows())

    def standardised(self, features: Tensor) -> Tensor:
        """Features (B, F) as ``layers`` takes them: training standardises once, not in every batch."""
        return (features - self.mean) / self.scale

    def forward(self, features: Tensor) -> Tensor:
        """Embeddings (B, D) of unit norm for features (B, F)."""
        embeddings: Tensor = self.layers(self.standardised(features))
        return embeddings


class _UnitRows(nn.Module):
    """Rows divided by their norm."""

    def forward(self, rows: Tensor) -> Tensor:
        return functional.normalize(rows, dim=1)


def _linear(fan_in: int, fan_out: int, generator: torch.Generator) -> nn.Linear:
    layer = nn.Linear(fan_in, fan_out)
    with torch.no_grad():
        layer.weight.normal_(0.0, fan_in**-0.5, generator=generator)
        layer.bias.zero_()
    return layer


def run_frozen(run: "Run[FrozenPlan]", features: Features) -> Outcome:
    """Train and evaluate a run. A NaN or a collapse is an outcome, not an error.

    Args:
        run: the run.
        features: of its data set.

    Raises:
        SuiteError: the loss cannot be built, or gives something other than a scalar.
    """
    use_one_thread()
    plan, features = run.plan, features.under_split(run.plan.split)
    training_features, true_labels = features.training()
    corruption = corrupt(true_labels, plan.dataset, plan.noise_kind, run.noise_level, run.seed, training_features)
    curve: list[float] = []
    then: Retrieval | None = None

    def after_epoch(epoch: int, value: float, head: nn.Module) -> None:
        nonlocal then
        curve.append(value)
        if epoch == plan.validation_epoch and epoch < plan.recipe.epochs:
            then = evaluate(head, *features.test())

    found: Retrieval | None = None
    failure = None
    head: nn.Module | None = None
    try:
        num_classes = int(true_labels.max()) + 1
        head, _ = fit(plan, training_features, corruption.labels, run.seed, num_classes, after_epoch)
        found = evaluate(head, *features.test())
    except TrainingFailure as error:
        failure = str(error)
    validation_epoch = None
    if plan.validation_epoch is not None and found is not None:
        validation_epoch = {"epoch": plan.validation_epoch, "metrics": (then or found).metrics}
    return Outcome(
        data_sha256=features.data_sha256,
        noise_sha256=corruption.sha256,
        noise_realised=corruption.realised,
        curve=curve,
        found=found,
        failure=failure,
        validation_epoch=validation_epoch,
        embeddings=_kept(head if found else None, features) if run.keeps_embeddings else None,
    )


def use_one_thread() -> None:
    """One thread for torch and faiss: a sum that is split over threads rounds differently."""
    torch.set_num_threads(1)
    sys.modules["faiss"].omp_set_num_threads(1)


def fit(
    plan: "FrozenPlan",
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    seed: int | str,
    num_classes: int,
    after_epoch: Callable[[int, float, nn.Module], None] | None = None,
    images: int | None = None,
) -> tuple[nn.Module, nn.Module]:
    """Train a head on features (N, F) with given labels (N,).

    Args:
        plan: hyper-parameters and recipe.
        features: (N, F) training features.
        labels: (N,) given labels, from 0 to num_classes - 1.
        seed: of the run, or the name of a fold of a search.
        num_classes: number of classes, including classes that label noise left without images.
        after_epoch: called with the number of finished epochs, the mean loss of the last one, and the head.
        images: number of images that make an epoch; N by default.

    Returns:
        The head in evaluation mode, and the loss.

    Raises:
        TrainingFailure: the loss left the finite numbers.
        SuiteError: the loss cannot be built, or gives something other than a scalar.
    """
    recipe = plan.recipe
    inputs = torch.from_numpy(features)
    generator = torch.Generator().manual_seed(torch_seed("head", plan.dataset, seed))
    head = Head(inputs, recipe.embedding_dim, recipe.hidden_dim, generator)
    torch.manual_seed(torch_seed("loss", plan.dataset, seed))
    setting = f"params.yaml: losses.{plan.loss}"
    loss = build_loss(plan.target, plan.hyperparameters, num_classes, recipe.embedding_dim, setting)
    sampler: Sampler = PKSampler(
        labels, recipe.classes_per_batch, recipe.samples_per_class, stream("batches", plan.dataset, seed), images
    )
    if recipe.sampler == "uniform":
        size = recipe.classes_per_batch * recipe.samples_per_class
        sampler = UniformSampler(len(labels), size, sampler.batches_per_epoch, stream("batches", plan.dataset, seed))

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
    embeddings = embed(head, features)
    check_embeddings(embeddings)
    return retrieve(embeddings, labels)


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


def _kept(head: nn.Module | None, features: Features) -> dict[str, NDArray[np.generic]]:
    """Embeddings of the test classes as float16, their labels and rows in the feature file; none without a head."""
    vectors, labels = features.test()
    rows = np.flatnonzero(features.labels >= features.num_training_classes)
    embeddings = np.empty((0, 0), np.float32) if head is None else embed(head, vectors)
    kept = slice(len(embeddings))
    return {"embeddings": embeddings.astype(np.float16), "labels": labels[kept], "rows": rows[kept]}
