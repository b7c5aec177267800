"""The sources of an evaluation: embeddings of a batch, and proxies given by free vectors."""

from typing import NamedTuple

import torch
from torch import Tensor

from pfml._kernel.neighbours import NeighbourList
from pfml.proxies import SHORTEST


class Layout(NamedTuple):
    """What is known of points besides where they are.

    Attributes:
        labels: (B,) int64, classes of the embeddings.
        classes: (P,) int64, of the proxies: 0 to C - 1, each M times in a row.
        per_class: M.
        neighbours: finds near pairs of proxies and remembers them between calls.
    """

    labels: Tensor
    classes: Tensor
    per_class: int
    neighbours: NeighbourList


class Sources(NamedTuple):
    """What the parts of an evaluation read.

    Attributes:
        embeddings: (B, D).
        labels: (B,) int64.
        squares: (B,) squared norms of the embeddings.
        free: (P, D) free vectors of the proxies, class by class.
        norms: (P,) their squared norms.
        scale: (P,) one over their norms: proxy j is ``scale[j] * free[j]``.
        classes: (P,) int64 classes of the proxies.
        per_class: M.
        cosines: (C, M, M) inner products of the proxies of each class; None if M < 2.
    """

    embeddings: Tensor
    labels: Tensor
    squares: Tensor
    free: Tensor
    norms: Tensor
    scale: Tensor
    classes: Tensor
    per_class: int
    cosines: Tensor | None

    @classmethod
    def of(cls, embeddings: Tensor, free: Tensor, layout: Layout) -> "Sources":
        """The sources of a batch and of proxies, with their norms computed."""
        labels, classes, per_class, _ = layout
        cosines, norms = None, torch.linalg.vector_norm(free, dim=1).square_() if per_class < 2 else None
        if norms is None:
            by_class = free.view(-1, per_class, free.shape[1])
            cosines = by_class @ by_class.transpose(1, 2)
            norms = cosines.diagonal(dim1=1, dim2=2).flatten()
        scale = norms.clamp(min=SHORTEST**2).rsqrt_()
        if cosines is not None:
            of_class = scale.view(-1, per_class)
            cosines = (cosines * of_class[:, :, None]).mul_(of_class[:, None, :])
        squares = torch.linalg.vector_norm(embeddings, dim=1).square_()
        return cls(embeddings, labels, squares, free, norms, scale, classes, per_class, cosines)

    def by_class(self) -> Tensor:
        """The free vectors as (C, M, D)."""
        return self.free.view(-1, self.per_class, self.free.shape[1])

    def proxies(self, rows: Tensor | slice) -> Tensor:
        """Some of the proxies, (K, D)."""
        return self.free[rows] * self.scale[rows, None]
