"""P x K batches: P classes, K images of each, drawn by the labels that training is given.

Classes come from a shuffled queue that holds each class once a round; a class's images come from its own shuffled queue.
So every class and every image of a class is used about equally often. A class with fewer than K images (label noise
makes such classes) repeats images within a batch. A class that noise has emptied is not drawn.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from suite.errors import SuiteError

Indices = NDArray[np.int64]


class PKSampler:
    """Draws batches of P * K row indices.

    Args:
        labels: (N,) given labels.
        classes_per_batch: P.
        samples_per_class: K.
        rng: source of randomness; the same generator state gives the same batches.

    Raises:
        SuiteError: fewer than P classes have an image.
    """

    def __init__(
        self, labels: Indices, classes_per_batch: int, samples_per_class: int, rng: np.random.Generator
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
        self.batches_per_epoch = max(1, len(labels) // (classes_per_batch * samples_per_class))

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

        Where the queue runs out a new round of ``items`` follows, with those behind that this draw already holds.
        Queues are lists: they are short, and slicing arrays of a few items costs more than the draw.
        """
        while len(queue) < wanted:
            held = set(queue)
            fresh = self._rng.permutation(items).tolist()
            queue = queue + [item for item in fresh if item not in held] + [item for item in fresh if item in held]
        return queue[:wanted], queue[wanted:]
