"""Which images make the batches of an epoch, and the loader that decodes and augments them.

Rows and augmentation belong to (data set, seed, epoch, place in the batch) alone: not to the loss, nor to the number of
worker processes or devices. Nothing is carried from one epoch to the next, so a run can begin at any epoch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
import torch.utils.data
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from suite.errors import SuiteError
from suite.randomness import stream
from suite.settings.paper_recipes import RecipeSettings
from suite.training.run.loop import PKSampler
from suite.training.whole_network.transforms import Transform

Indices = NDArray[np.int64]


class Images(Protocol):
    """Images by their row, RGB."""

    def image(self, row: int) -> Image.Image:
        """The image of a row."""


@dataclass(frozen=True, slots=True)
class RowBatch:
    """A batch before its images are read.

    Attributes:
        rows: (B,) rows of the training images.
        seeds: (B,) what seeds the augmentation of each.
    """

    rows: Indices
    seeds: Indices


class BatchPlan:
    """The batches of each epoch of a run.

    Args:
        labels: (N,) given labels of the training images.
        settings: sampler, size and schedule.
        dataset: with ``seed``, names the random streams.
        seed: of the run.

    Attributes:
        batches_per_epoch: of a whole epoch.
        epochs: number of epochs; the last one is cut short where the schedule counts iterations.

    Raises:
        SuiteError: there are too few images or classes for a batch.
    """

    def __init__(self, labels: Indices, settings: RecipeSettings, dataset: str, seed: int) -> None:
        self._labels, self._settings = labels, settings.batches
        self._words = (dataset, seed)
        size, classes = self._settings.size, len(np.unique(labels))
        if size > len(labels):
            raise SuiteError(f"batches.size = {size}: {dataset} has {len(labels)} training images; allowed: fewer")
        if self._settings.samples_per_class and size // self._settings.samples_per_class > classes:
            most = classes * self._settings.samples_per_class
            raise SuiteError(
                f"batches.size = {size} of {self._settings.samples_per_class} images a class: only {classes} classes of "
                f"{dataset} have images; allowed: up to {most}"
            )
        whole, rest = divmod(len(labels), size)
        self._keeps_rest = bool(rest) and not self._settings.drop_last and self._settings.sampler == "random"
        self.batches_per_epoch = whole + self._keeps_rest
        by_epochs = settings.schedule.unit == "epochs"
        self._steps = settings.schedule.length * (self.batches_per_epoch if by_epochs else 1)
        self.epochs = -(-self._steps // self.batches_per_epoch)

    def epoch(self, number: int) -> list[RowBatch]:
        """The batches of an epoch, from 1."""
        rng = stream("batches", *self._words, number)
        before = (number - 1) * self.batches_per_epoch
        batches = list(self._rows(rng))[: self._steps - before]
        seeds = stream("augmentation", *self._words, number)
        return [RowBatch(rows, seeds.integers(2**63, size=len(rows))) for rows in batches]

    def _rows(self, rng: np.random.Generator) -> Iterator[Indices]:
        size, each = self._settings.size, self._settings.samples_per_class
        if each is not None:
            yield from PKSampler(self._labels, size // each, each, rng).epoch()
            return
        order = rng.permutation(len(self._labels))
        for start in range(0, self.batches_per_epoch * size, size):
            yield order[start : start + size]


def share_of(batch: RowBatch, rank: int, world: int) -> RowBatch:
    """The part of a batch that one of ``world`` processes embeds: contiguous, all of one size.

    If the batch cannot be divided evenly, its first images are repeated at the end, and their embeddings are dropped.
    """
    each = -(-len(batch.rows) // world)
    places = np.arange(rank * each, (rank + 1) * each) % len(batch.rows)
    return RowBatch(batch.rows[places], batch.seeds[places])


class TrainingLoader:
    """Reads and augments the batches of one epoch after the other.

    Args:
        images: the training images.
        transform: applied to each; its randomness is torch's global generator.
        workers: processes that read ahead, 0 for none.
        pin: whether tensors lie in pinned memory, from which a GPU copies faster.
    """

    def __init__(self, images: Images, transform: Transform, *, workers: int, pin: bool) -> None:
        self._batches: list[RowBatch] = []
        self._loader: torch.utils.data.DataLoader[Tensor] = torch.utils.data.DataLoader(
            _Augmented(images, transform),
            batch_sampler=_Listed(self._batches),
            num_workers=workers,
            pin_memory=pin,
            persistent_workers=workers > 0,
            generator=torch.Generator(),  # else the loader draws from the global one
        )

    def __call__(self, batches: list[RowBatch]) -> Iterator[Tensor]:
        """Images (B, 3, H, W) of these batches."""
        self._batches[:] = batches
        return iter(self._loader)


class _Listed(torch.utils.data.Sampler[list[tuple[int, int]]]):
    """Gives a list of batches, each as keys (row, seed); the list is filled anew for each epoch."""

    def __init__(self, batches: list[RowBatch]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for batch in self._batches:
            yield list(zip(batch.rows.tolist(), batch.seeds.tolist(), strict=True))

    def __len__(self) -> int:
        return len(self._batches)


class _Augmented(torch.utils.data.Dataset[Tensor]):
    """Transformed images by (row, seed): the same pixels in whichever process they are made."""

    def __init__(self, images: Images, transform: Transform) -> None:
        self._images, self._transform = images, transform

    def __getitem__(self, key: tuple[int, int]) -> Tensor:
        row, seed = key
        image = self._images.image(row)
        before = torch.get_rng_state()
        torch.default_generator.manual_seed(seed)
        try:
            return self._transform(image)
        finally:
            torch.set_rng_state(before)


class PlainImages(torch.utils.data.Dataset[Tensor]):
    """Transformed images by row, without randomness; ``len`` of them.

    Args:
        images: the images.
        rows: which of them.
        transform: applied to each.
    """

    def __init__(self, images: Images, rows: Indices, transform: Transform) -> None:
        self._images, self._rows, self._transform = images, rows, transform

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> Any:
        return self._transform(self._images.image(int(self._rows[place])))
