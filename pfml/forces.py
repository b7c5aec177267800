"""The gradient of an evaluation, kept in the parts it falls into until the backward pass asks for it.

With F_i = 4 sum_j f'(|x_i - x_j|^2) (x_i - x_j), the gradient with respect to an embedding is F_i. A proxy p = s w is
the direction of a free vector w, s = 1 / |w|, so the gradient with respect to w is

    s (F - (F . p) p)

and what F has along p itself may be left out from the start. All proxies of a class, their norms and the projection
together are then one product of a small matrix with the free vectors: most proxies feel no other force, and their
vectors are read and their gradient written just once.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from pfml.sources import Sources

# Coordinates of pairs at once: they should stay in the processor's cache.
_COORDINATES = 2**18


class NearPairs(NamedTuple):
    """Forces w (x_i - p_j) on x_i and its opposite on p_j; i counts embeddings or proxies, j proxies; all (K,)."""

    of_batch: bool
    i: Tensor
    j: Tensor
    weights: Tensor


class Forces:
    """Collects forces on the sources of one evaluation.

    Attributes:
        of_batch: (B, D) forces on the embeddings.
        along: (P,) F . p of all that was added to the proxies, in the form in which it was added.
        within: (C, M, M) weights w_ij of forces -w_ij p_j within classes, or None.
        own: classes (U,) and forces (U, M, D) on their proxies, or None; a class may occur more than once.
        near: pairs that act one by one.
    """

    def __init__(self, sources: Sources) -> None:
        self.of_batch = torch.zeros_like(sources.embeddings)
        self.along = torch.zeros_like(sources.scale)
        self.within: Tensor | None = None
        self.own: tuple[Tensor, Tensor] | None = None
        self.near: list[NearPairs] = []
        self._crowd: Tensor | None = None

    def crowd(self, sources: Sources) -> Tensor:
        """Where to add forces (P, D) on proxies that come from everywhere; `settle` must follow."""
        if self._crowd is None:
            self._crowd = torch.zeros_like(sources.free)
        return self._crowd

    def settle(self, sources: Sources) -> None:
        """Take the part along the proxies of forces that were added to the crowd."""
        if self._crowd is not None:
            self.along.add_((self._crowd * sources.free).sum(dim=1) * sources.scale)

    def on_free_vectors(self, sources: Sources, upstream: Tensor) -> Tensor:
        """The gradient (P, D) with respect to the free vectors, times a scalar."""
        scale, per_class = sources.scale, sources.per_class
        scaled = scale * upstream
        own = (self.along * scale * scaled).neg_()
        if self.within is None:
            gradient = sources.free * own[:, None]
        else:
            matrix = self.within * scaled.view(-1, per_class, 1) * scale.view(-1, 1, per_class)
            matrix.neg_().diagonal(dim1=1, dim2=2).add_(own.view(-1, per_class))
            gradient = torch.bmm(matrix, sources.by_class()).view_as(sources.free)
        if self._crowd is not None:
            gradient.addcmul_(self._crowd, scaled[:, None])
        if self.own is not None:
            classes, forces = self.own
            of_classes = forces * scaled.view(-1, per_class).index_select(0, classes)[:, :, None]
            gradient.view(-1, per_class, gradient.shape[1]).index_add_(0, classes, of_classes)
        for pairs in self.near:
            _add_near(gradient, pairs, sources, scaled)
        return gradient


def pair_blocks(pairs: Tensor, dim: int) -> tuple[Tensor, ...]:
    """Positions (K,) in parts of which the coordinates fit into the processor's cache."""
    return torch.split(pairs, max(1, _COORDINATES // dim))


def differences(sources: Sources, i: Tensor, j: Tensor, *, of_batch: bool) -> Tensor:
    """x_i - p_j, (K, D), where x_i is an embedding or a proxy."""
    column = sources.free.index_select(0, j).mul_(sources.scale.index_select(0, j)[:, None])
    if of_batch:
        return torch.sub(sources.embeddings.index_select(0, i), column, out=column)
    row = sources.free.index_select(0, i).mul_(sources.scale.index_select(0, i)[:, None])
    return row.sub_(column)


def _add_near(gradient: Tensor, pairs: NearPairs, sources: Sources, scaled: Tensor) -> None:
    for part in pair_blocks(torch.arange(len(pairs.i), device=gradient.device), gradient.shape[1]):
        i, j, weights = (tensor.index_select(0, part) for tensor in pairs[1:])
        force = differences(sources, i, j, of_batch=pairs.of_batch)
        if not pairs.of_batch:
            gradient.index_add_(0, i, force * (weights * scaled.index_select(0, i))[:, None])
        gradient.index_add_(0, j, force.mul_((weights * scaled.index_select(0, j))[:, None]), alpha=-1)
