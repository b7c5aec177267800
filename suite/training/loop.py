"""The training loop: the same for features and images, for every loss; the last epoch counts.

``run_epochs`` is the loop. ``train`` is what it does with features: AdamW with decoupled weight decay on the model only, one
learning rate for the model and one for the loss's own parameters, both on a cosine schedule to zero. What published recipes
do with images is in ``suite.training.whole_network``.
"""

import math
from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd import backward

from suite.settings.params import Recipe
from suite.losses.probe import scalar
from suite.training.optimizer import CosineAdamW, ParameterGroup
from suite.training.sampler import PKSampler

Fetch = Callable[[NDArray[np.int64]], Tensor]
"""Gives the model's input for row indices."""
Batch = tuple[Tensor, Tensor]
"""Inputs of the model, and their given labels (B,)."""


class Optimizer(Protocol):
    """What moves the parameters."""

    def step(self) -> None:
        """Move all parameters by their gradients, then forget the gradients."""


class TrainingFailure(Exception):  # noqa: N818 - a result, not an error
    """Training cannot go on: the loss or the model left the finite numbers. A result, not a mistake of the user."""


def train(
    model: nn.Module,
    loss: nn.Module,
    fetch: Fetch,
    labels: Tensor,
    sampler: PKSampler,
    recipe: Recipe,
    after_epoch: Callable[[int, float], None] | None = None,
) -> None:
    """Train ``model`` and ``loss`` in place.

    Args:
        model: maps what ``fetch`` gives to unit-norm embeddings (B, D).
        loss: maps embeddings and labels (B,) to a scalar.
        fetch: gives inputs for row indices.
        labels: (N,) given labels.
        sampler: draws the batches.
        recipe: epochs, learning rates, weight decay.
        after_epoch: called with the number of finished epochs and the mean loss of the last one.

    Raises:
        TrainingFailure: the loss became NaN or infinite.
        SuiteError: the loss gave something other than a scalar.
    """
    optimizer = make_optimizer(model, loss, recipe, recipe.epochs * sampler.batches_per_epoch)

    def batches(_: int) -> Iterable[Batch]:
        return ((fetch(rows), labels[rows]) for rows in sampler.epoch())

    def objective(inputs: Tensor, given: Tensor) -> Tensor:
        value: Tensor = loss(model(inputs), given)
        return value

    model.train()
    loss.train()
    run_epochs(range(1, recipe.epochs + 1), batches, objective, optimizer, after_epoch)
    model.eval()


def run_epochs(
    epochs: Iterable[int],
    batches: Callable[[int], Iterable[Batch]],
    objective: Callable[[Tensor, Tensor], Tensor],
    optimizer: Optimizer,
    after_epoch: Callable[[int, float], None] | None = None,
) -> None:
    """Take a step for each batch of each epoch.

    Args:
        epochs: their numbers; the first one of all is 1.
        batches: gives the batches of an epoch, at least one.
        objective: the loss of a batch.
        optimizer: moves the parameters.
        after_epoch: called with the number of the epoch that has ended and the mean of its losses.

    Raises:
        TrainingFailure: the loss became NaN or infinite; no step is taken then.
        SuiteError: the loss gave something other than a scalar.
    """
    for epoch in epochs:
        total, steps = 0.0, 0
        for inputs, labels in batches(epoch):
            value = objective(inputs, labels)
            total += _finite(value, epoch)
            backward(value)
            optimizer.step()
            steps += 1
        if after_epoch is not None:
            after_epoch(epoch, total / steps)


def make_optimizer(model: nn.Module, loss: nn.Module, recipe: Recipe, total_steps: int) -> CosineAdamW:
    """AdamW over the model and, at their own learning rate and without weight decay, the loss's parameters."""
    head = ParameterGroup(list(model.parameters()), recipe.learning_rate, recipe.weight_decay)
    proxies = ParameterGroup(list(loss.parameters()), recipe.proxy_learning_rate, weight_decay=0.0)
    return CosineAdamW([head, proxies] if proxies.parameters else [head], total_steps)


def _finite(value: Tensor, epoch: int) -> float:
    number = scalar(value, "training: the loss").item()
    if not math.isfinite(number):
        raise TrainingFailure(f"the loss became {number} in epoch {epoch}")
    return number
