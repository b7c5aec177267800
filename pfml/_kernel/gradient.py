"""The gradient of an evaluation, kept in the parts it falls into until the backward pass asks for it.

With G_i = 4 sum_j f'(|x_i - x_j|^2) (x_i - x_j), the gradient with respect to an embedding is G_i. A proxy p = s w is the
direction of a free vector w, s = 1 / |w|, so the gradient with respect to w is

    s (G - (G . p) p)

and what G has along p itself may be left out from the start. All proxies of a class, their norms and the projection
together are then one product of a small matrix with the free vectors.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from pfml._kernel.sources import Sources

# Coordinates of pairs at once: they should stay in the processor's cache.
_COORDINATES = 2**18


class WeightedPairs(NamedTuple):
    """Pairs that add w (x_i - p_j) to G_i and its opposite to G_j; i counts embeddings or proxies, j proxies; all (K,)."""

    of_batch: bool
    i: Tensor
    j: Tensor
    weights: Tensor


class Gradient:
    """Collects the gradient of one evaluation."""

    def __init__(self, sources: Sources) -> None:
        self.of_embeddings = torch.zeros_like(sources.embeddings)  # (B, D), their G
        # (P,) G . p of what was added to the proxies here, as it was added.
        self.along = torch.zeros_like(sources.scale)
        self.within: Tensor | None = None  # (C, M, M) weights w_ij of terms -w_ij p_j within classes
        # Classes (U,), also repeated, and terms (U, M, D) on their proxies.
        self.own: tuple[Tensor, Tensor] | None = None
        self.pairs: list[WeightedPairs] = []  # those that count one by one
        self._of_proxies: Tensor | None = None

    def of_proxies(self, sources: Sources) -> Tensor:
        """Where blocks of all pairs add to G of the proxies, (P, D), the part along the proxies included."""
        if self._of_proxies is None:
            self._of_proxies = torch.zeros_like(sources.free)
        return self._of_proxies

    def of_free_vectors(self, sources: Sources, upstream: Tensor) -> Tensor:
        """The gradient (P, D) with respect to the free vectors, times a scalar."""
        scale, per_class = sources.scale, sources.per_class
        scaled = scale * upstream
        along = self.along
        if self._of_proxies is not None:
            along = along + (self._of_proxies * sources.free).sum(dim=1) * scale
        along = (along * scale * scaled).neg_()
        if self.within is None:
            gradient = sources.free * along[:, None]
        else:
            matrix = self.within * scaled.view(-1, per_class, 1) * scale.view(-1, 1, per_class)
            matrix.neg_().diagonal(dim1=1, dim2=2).add_(along.view(-1, per_class))
            gradient = torch.bmm(matrix, sources.by_class()).view_as(sources.free)
        if self._of_proxies is not None:
            gradient.addcmul_(self._of_proxies, scaled[:, None])
        if self.own is not None:
            classes, terms = self.own
            of_classes = terms * scaled.view(-1, per_class).index_select(0, classes)[:, :, None]
            gradient.view(-1, per_class, gradient.shape[1]).index_add_(0, classes, of_classes)
        for pairs in self.pairs:
            for i, j, weights in in_parts(gradient.shape[1], *pairs[1:]):
                term = differences(sources, i, j, of_batch=pairs.of_batch)
                if not pairs.of_batch:
                    gradient.index_add_(0, i, term * (weights * scaled.index_select(0, i))[:, None])
                gradient.index_add_(0, j, term.mul_((weights * scaled.index_select(0, j)).neg_()[:, None]))
        return gradient


def in_parts(dim: int, *of_pairs: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Tensors (K,) in parts of which the coordinates fit into the processor's cache."""
    if len(of_pairs[0]) > 0:
        yield from zip(*(torch.split(tensor, max(1, _COORDINATES // dim)) for tensor in of_pairs), strict=True)


def differences(sources: Sources, i: Tensor, j: Tensor, *, of_batch: bool) -> Tensor:
    """x_i - p_j, (K, D), where x_i is an embedding or a proxy."""
    column = sources.proxies(j)
    if of_batch:
        return torch.sub(sources.embeddings.index_select(0, i), column, out=column)
    return sources.proxies(i).sub_(column)
