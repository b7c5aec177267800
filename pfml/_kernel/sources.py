"""The sources of an evaluation: embeddings of a batch, and proxies given by free vectors."""

from typing import NamedTuple

import torch
from torch import Tensor

from pfml._kernel.neighbours import NeighbourList
from pfml.proxies import SHORTEST


class Layout(NamedTuple):
    """What is known of points besides where they are."""

    labels: Tensor  # (B,) int64, classes of the embeddings
    classes: Tensor  # (P,) int64, of the proxies: 0 to C - 1, each M times in a row
    per_class: int  # M
    neighbours: NeighbourList  # finds near pairs of proxies and remembers them between calls


class Sources(NamedTuple):
    """What the parts of an evaluation read."""

    embeddings: Tensor  # (B, D)
    labels: Tensor  # (B,) int64
    squares: Tensor  # (B,) squared norms of the embeddings
    free: Tensor  # (P, D) free vectors of the proxies, class by class
    norms: Tensor  # (P,) their squared norms
    scale: Tensor  # (P,) one over their norms: proxy j is scale[j] * free[j]
    classes: Tensor  # (P,) int64 classes of the proxies
    per_class: int  # M
    cosines: Tensor | None  # (C, M, M) inner products of the proxies of each class; None if M < 2

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
