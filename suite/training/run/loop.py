"""Batches and the steps on them: the same loop for features and images, for every loss; the last epoch counts.

``run_epochs`` is the loop. ``train`` is what it does with features: P x K batches, AdamW (Loshchilov & Hutter, "Decoupled
Weight Decay Regularization", ICLR 2019) with weight decay on the model only, one learning rate for the model and one for the
loss's own parameters, both on a cosine schedule to zero: the share at step t of T (from 0) is (1 + cos(pi t / T)) / 2
(Loshchilov & Hutter, "SGDR", ICLR 2017, Eq. 5, one cycle).
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd import backward
from torch.optim.adamw import adamw

from suite.errors import SuiteError
from suite.losses.build import offered_to, scalar

if TYPE_CHECKING:
    from suite.settings.params import Recipe

Indices = NDArray[np.int64]
Fetch = Callable[[Indices], Tensor]
"""Gives the model's input for row indices."""


class Batch(NamedTuple):
    """A batch of B images.

    Attributes:
        inputs: of the model.
        labels: (B,) given labels.
        rows: (B,) their rows in the training set.
    """

    inputs: Tensor
    labels: Tensor
    rows: Tensor


class TrainingFailure(Exception):  # noqa: N818 - a result, not an error
    """Training stopped because the loss or the model became NaN or infinite. This is a result, not an error."""


class Optimizer(Protocol):
    """What moves the parameters."""

    def step(self) -> None:
        """Move all parameters by their gradients, then forget the gradients."""


def train(
    model: nn.Module,
    loss: nn.Module,
    fetch: Fetch,
    labels: Tensor,
    sampler: "Sampler",
    recipe: "Recipe",
    after_epoch: Callable[[int, float], None] | None = None,
) -> None:
    """Train ``model`` and ``loss`` in place.

    Args:
        model: maps what ``fetch`` gives to unit-norm embeddings (B, D).
        loss: maps embeddings and labels (B,) to a scalar; it may ask for more, see ``offered_to``.
        fetch: gives inputs for row indices.
        labels: (N,) given labels.
        sampler: draws the batches.
        recipe: epochs, learning rates, weight decay.
        after_epoch: called with the number of finished epochs and the mean loss of the last one.

    Raises:
        TrainingFailure: the loss became NaN or infinite.
        SuiteError: the loss gave something other than a scalar.
    """
    optimizer = CosineAdamW(model, loss, recipe, recipe.epochs * sampler.batches_per_epoch)

    def batches(_: int) -> Iterable[Batch]:
        return (Batch(fetch(rows), labels[rows], torch.from_numpy(rows)) for rows in sampler.epoch())

    offered = offered_to(loss)

    def objective(batch: Batch, epoch: int) -> Tensor:
        value: Tensor = loss(model(batch.inputs), batch.labels, **offered(batch.rows, epoch))
        return value

    model.train()
    loss.train()
    run_epochs(range(1, recipe.epochs + 1), batches, objective, optimizer, after_epoch)
    model.eval()


def run_epochs(
    epochs: Iterable[int],
    batches: Callable[[int], Iterable[Batch]],
    objective: Callable[[Batch, int], Tensor],
    optimizer: Optimizer,
    after_epoch: Callable[[int, float], None] | None = None,
) -> None:
    """Take a step for each batch of each epoch.

    Args:
        epochs: their numbers; the first one of all is 1.
        batches: gives the batches of an epoch, at least one.
        objective: the loss of a batch in an epoch of this number.
        optimizer: moves the parameters.
        after_epoch: called with the number of the epoch that has ended and the mean of its losses.

    Raises:
        TrainingFailure: the loss became NaN or infinite; no step is taken then.
        SuiteError: the loss gave something other than a scalar.
    """
    for epoch in epochs:
        total, steps = 0.0, 0
        for batch in batches(epoch):
            value = objective(batch, epoch)
            total += _finite(value, epoch)
            backward(value)
            optimizer.step()
            steps += 1
        if after_epoch is not None:
            after_epoch(epoch, total / steps)


class CosineAdamW:
    """AdamW whose learning rates fall from their full value at the first step to almost zero at the last.

    Args:
        model: learns at ``recipe.learning_rate`` with ``recipe.weight_decay``.
        loss: its parameters are proxies: they learn at ``recipe.proxy_learning_rate`` without weight decay.
        recipe: of the run.
        total_steps: T, at least 1.
    """

    def __init__(self, model: nn.Module, loss: nn.Module, recipe: "Recipe", total_steps: int) -> None:
        self._groups = [
            _Group(list(model.parameters()), recipe.learning_rate, recipe.weight_decay),
            _Group(list(loss.parameters()), recipe.proxy_learning_rate, 0.0),
        ]
        self._taken, self._total = 0, total_steps

    def step(self) -> None:
        """Move all parameters by their gradients, then forget the gradients."""
        share = 0.5 * (1 + math.cos(math.pi * self._taken / self._total))
        for group in self._groups:
            group.step(share)
        self._taken += 1


class _Group:
    """Parameters of one learning rate, moved by torch's function: its class takes a second to start in each process."""

    def __init__(self, parameters: list[nn.Parameter], learning_rate: float, weight_decay: float) -> None:
        self._parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self._rate, self._decay = learning_rate, weight_decay
        self._means = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._squares = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._steps = [torch.zeros(()) for _ in self._parameters]

    @torch.no_grad()
    def step(self, share: float) -> None:
        """One step at a share of the learning rate, with torch's other defaults."""
        parts = zip(self._parameters, self._means, self._squares, self._steps, strict=True)
        moved = [(*part, gradient) for part in parts if (gradient := part[0].grad) is not None]
        if not moved:
            return
        parameters, means, squares, steps, gradients = map(list, zip(*moved, strict=True))
        adamw(
            *(parameters, gradients, means, squares, [], steps),
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=share * self._rate,
            weight_decay=self._decay,
            eps=1e-8,
            maximize=False,
        )
        for parameter in parameters:
            parameter.grad = None


def _finite(value: Tensor, epoch: int) -> float:
    number = scalar(value, "training: the loss").item()
    if not math.isfinite(number):
        raise TrainingFailure(f"the loss became {number} in epoch {epoch}")
    return number


class Sampler(Protocol):
    """Draws batches."""

    batches_per_epoch: int

    def epoch(self) -> Iterator[Indices]:
        """Batches of one epoch, each (B,) rows."""
        ...


class UniformSampler:
    """Batches of images drawn without replacement, whatever their labels: a wrong label changes no batch.

    Args:
        count: N, number of images.
        batch_size: B.
        batches_per_epoch: number of batches of an epoch; a new round of all images begins when one is through.
        rng: source of randomness.

    Raises:
        SuiteError: a batch is larger than the data.
    """

    def __init__(self, count: int, batch_size: int, batches_per_epoch: int, rng: np.random.Generator) -> None:
        if batch_size > count:
            raise SuiteError(f"recipe: batches of {batch_size} images from {count}; allowed: smaller batches")
        self._count, self._size, self._rng = count, batch_size, rng
        self._queue: Indices = np.empty(0, np.int64)
        self.batches_per_epoch = batches_per_epoch

    def epoch(self) -> Iterator[Indices]:
        """Batches of one epoch, each (B,)."""
        for _ in range(self.batches_per_epoch):
            if len(self._queue) < self._size:
                self._queue = self._rng.permutation(self._count)
            batch, self._queue = self._queue[: self._size], self._queue[self._size :]
            yield batch


class PKSampler:
    """P x K batches: P classes, K images of each, drawn by the labels that training is given.

    Classes come from a shuffled queue that holds each class once a round; a class's images come from its own shuffled queue.
    So every class and every image of a class is used about equally often. A class with fewer than K images (label noise
    makes such classes) repeats images within a batch. A class that noise has emptied is not drawn.

    Args:
        labels: (N,) given labels.
        classes_per_batch: P.
        samples_per_class: K.
        rng: source of randomness; the same generator state gives the same batches.
        images: number of images that make an epoch; N by default.

    Raises:
        SuiteError: fewer than P classes have an image.
    """

    def __init__(
        self,
        labels: Indices,
        classes_per_batch: int,
        samples_per_class: int,
        rng: np.random.Generator,
        images: int | None = None,
    ) -> None:
        order = np.argsort(labels, kind="stable")
        present, starts = np.unique(labels[order], return_index=True)
        if len(present) < classes_per_batch:
            raise SuiteError(
                f"recipe.classes_per_batch = {classes_per_batch}: only {len(present)} classes have images; "
                f"allowed: 2 to {len(present)}"
            )
        self._members = np.split(order, starts[1:])
        self._samples_per_class = samples_per_class
        self._classes_per_batch = classes_per_batch
        self._rng = rng
        self._class_queue: list[int] = []
        self._all_classes: Indices = np.arange(len(self._members))
        self._member_queues: list[list[int]] = [[] for _ in self._members]
        self.batches_per_epoch = max(1, (images or len(labels)) // (classes_per_batch * samples_per_class))

    def epoch(self) -> Iterator[Indices]:
        """Batches of one epoch: as many as the images fill; each (P * K,), images of a class side by side."""
        for _ in range(self.batches_per_epoch):
            rows = [row for label in self._draw_classes() for row in self._draw_images(label)]
            yield np.array(rows, dtype=np.int64)

    def _draw_classes(self) -> list[int]:
        drawn, self._class_queue = self._draw(self._class_queue, self._all_classes, self._classes_per_batch)
        return drawn

    def _draw_images(self, label: int) -> list[int]:
        queue, members = self._member_queues[label], self._members[label]
        drawn, self._member_queues[label] = self._draw(queue, members, self._samples_per_class)
        return drawn

    def _draw(self, queue: list[int], items: Indices, wanted: int) -> tuple[list[int], list[int]]:
        """Take ``wanted`` from a queue; gives what was drawn and the rest of the queue.

        If the queue runs out, a new round of ``items`` follows; items that this draw already has go to the end of it.
        Queues are lists: they are short, and slicing arrays of a few items costs more than the draw.
        """
        while len(queue) < wanted:
            held = set(queue)
            fresh = self._rng.permutation(items).tolist()
            queue = queue + [item for item in fresh if item not in held] + [item for item in fresh if item in held]
        return queue[:wanted], queue[wanted:]
