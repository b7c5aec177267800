"""The points of an evaluation: embeddings of a batch, and proxies given by free vectors."""

from typing import NamedTuple

import torch
from torch import Tensor

from pfml.neighbours import NeighbourList

# Length below which a free vector has no direction: its proxy is shorter than 1, and 0 at the origin.
SHORTEST = 1e-12


class Batch(NamedTuple):
    """Embeddings (B, D) and their classes (B,) int64."""

    embeddings: Tensor
    classes: Tensor


class Proxies(NamedTuple):
    """Free vectors (C * M, D), class by class, of the type of the embeddings; the proxies are their directions.

    ``neighbours`` finds near pairs among them and remembers them between calls; None compares all pairs.
    """

    free: Tensor
    classes: Tensor
    per_class: int
    neighbours: NeighbourList | None = None


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
        grams: (C, M, M) cosines of the proxies of each class; None if M < 2.
    """

    embeddings: Tensor
    labels: Tensor
    squares: Tensor
    free: Tensor
    norms: Tensor
    scale: Tensor
    classes: Tensor
    per_class: int
    grams: Tensor | None

    @classmethod
    def of(cls, batch: Batch, proxies: Proxies) -> "Sources":
        """The sources of a batch and proxies, with their norms computed."""
        free, per_class = proxies.free, proxies.per_class
        if per_class > 1:
            grams = class_grams(free, per_class)
            norms = grams.diagonal(dim1=1, dim2=2).flatten()
        else:
            grams, norms = None, torch.linalg.vector_norm(free, dim=1).square_()
        scale = norms.clamp(min=SHORTEST**2).rsqrt_()
        if grams is not None:
            by_class = scale.view(-1, per_class)
            grams = (grams * by_class[:, :, None]).mul_(by_class[:, None, :])
        squares = torch.linalg.vector_norm(batch.embeddings, dim=1).square_()
        return cls(batch.embeddings, batch.classes, squares, free, norms, scale, proxies.classes, per_class, grams)

    def by_class(self) -> Tensor:
        """The free vectors as (C, M, D)."""
        return self.free.view(-1, self.per_class, self.free.shape[1])

    def unit(self) -> Tensor:
        """The proxies, (P, D)."""
        return self.free * self.scale[:, None]


def class_grams(points: Tensor, per_class: int) -> Tensor:
    """Inner products (C, M, M) within each run of M points (C * M, D).

    Products of matrices with 8 or 16 rows are up to three times faster than with 7 or 15. There each class is read
    together with the first rows of the next one, without a copy, and what these give is left out.
    """
    groups = points.reshape(-1, per_class, points.shape[1])
    rows = -(-per_class // 8) * 8
    count, dim = len(groups), points.shape[1]
    if not 0 < rows - per_class <= 2 or per_class < 7 or count < 2:
        return groups @ groups.transpose(1, 2)
    grams = groups.new_empty(count, rows, rows)
    windows = groups.as_strided((count - 1, rows, dim), (per_class * dim, dim, 1), groups.storage_offset())
    torch.bmm(windows, windows.transpose(1, 2), out=grams[:-1])
    grams = grams[:, :per_class, :per_class]
    grams[-1] = groups[-1] @ groups[-1].T
    return grams
