"""Pairs within a class that involve proxies, by one small matrix a class."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from pfml.forces import Forces
from pfml.pairs import PairPotential, Tally
from pfml.sources import Sources

# Squared distances of unit vectors below this lose digits in the Gram form and are taken from differences.
CANCELLATION = 1e-2


def add_groups(sources: Sources, potential: PairPotential, tally: Tally, forces: Forces | None) -> None:
    """Pairs of proxies of one class."""
    cosines, per_class = sources.grams, sources.per_class
    assert cosines is not None
    squared = (2 - 2 * cosines).clamp_(min=0)
    active = potential.active(squared, same=True)
    active.diagonal(dim1=1, dim2=2).zero_()
    if not potential.smooth_attraction:
        close = (active & (squared < CANCELLATION)).nonzero()
        if len(close) > 0:
            group, i, j = close.unbind(1)
            units = sources.unit()
            left, right = units.index_select(0, group * per_class + i), units.index_select(0, group * per_class + j)
            squared[group, i, j] = (left - right).square_().sum(dim=1)
    value, weights = _masked(squared, active, potential)
    # Both orders are there.
    tally.attract(value, torch.count_nonzero(active), times=1)
    if forces is not None:
        forces.within = weights
        forces.along.sub_((weights * cosines).sum(dim=2).flatten())


def _masked(squared: Tensor, active: Tensor, potential: PairPotential) -> tuple[Tensor, Tensor]:
    """Values f and weights 4 f' of pairs of one class, 0 where inactive."""
    value, slope = potential.value_and_slope(squared, same=True)
    idle = ~active
    return value.masked_fill_(idle, 0.0), slope.mul_(4).masked_fill_(idle, 0.0)


class OwnRows(NamedTuple):
    """The rows of a batch laid out by class: U groups of K slots, a class over several groups where it has more rows.

    K is the mean number of rows of a class, so that groups are fewer than two a class and slots at most 4 B.

    Attributes:
        classes: (U,) class of each group.
        slots: (B,) slot of each row in the flattened (U, K).
        width: K.
        sizes: rows of each class that is present.
    """

    classes: Tensor
    slots: Tensor
    width: int
    sizes: Tensor

    @classmethod
    def of(cls, labels: Tensor) -> "OwnRows":
        """The layout of a batch with labels (B,)."""
        ordered, order = labels.sort(stable=True)
        present, inverse, sizes = torch.unique_consecutive(ordered, return_inverse=True, return_counts=True)
        width = -(-len(labels) // len(present))
        groups = (sizes + width - 1).div_(width, rounding_mode="floor")
        # Slots before a class, less rows before it.
        shift = (groups.cumsum(0) - groups).mul_(width).add_(sizes).sub_(sizes.cumsum(0))
        ranks = torch.arange(len(labels), device=labels.device)
        slots = torch.empty_like(order).index_copy_(0, order, shift.index_select(0, inverse).add_(ranks))
        return cls(present.repeat_interleave(groups), slots, width, sizes)


def add_own(sources: Sources, rows: OwnRows, potential: PairPotential, tally: Tally, forces: Forces | None) -> None:
    """Pairs of an embedding and a proxy of its class."""
    groups, per_class, dim = len(rows.classes), sources.per_class, sources.free.shape[1]
    padded = sources.embeddings.new_zeros(groups * rows.width, dim).index_copy_(0, rows.slots, sources.embeddings)
    padded = padded.view(groups, -1, dim)
    # Empty slots are at no distance from anything, so that they are not counted.
    squares = sources.squares.new_full((groups * rows.width,), math.nan).index_copy_(0, rows.slots, sources.squares)
    proxies = sources.free.view(-1, per_class * dim).index_select(0, rows.classes).view(groups, per_class, dim)
    scale = sources.scale.view(-1, per_class).index_select(0, rows.classes)
    products = torch.bmm(padded, proxies.transpose(1, 2)).mul_(scale[:, None, :])
    squared = torch.sub(squares.view(groups, -1, 1) + 1, products, alpha=2).clamp_(min=0)
    active = potential.active(squared, same=True)
    active &= ~squared.isnan()
    if not potential.smooth_attraction:
        close = (active & (squared < CANCELLATION)).nonzero()
        if len(close) > 0:
            group, i, j = close.unbind(1)
            squared[group, i, j] = (padded[group, i] - proxies[group, j] * scale[group, j, None]).square_().sum(dim=1)
    value, weights = _masked(squared, active, potential)
    tally.attract(value, torch.count_nonzero(active))
    if forces is None:
        return
    on_rows = padded * weights.sum(dim=2, keepdim=True)
    on_rows.baddbmm_(weights * scale[:, None, :], proxies, alpha=-1)
    forces.of_batch.add_(on_rows.view(-1, dim).index_select(0, rows.slots))
    forces.own = rows.classes, torch.bmm(weights.transpose(1, 2), padded).neg_()
    along = (weights * products).sum(dim=1)
    forces.along.view(-1, per_class).index_add_(0, rows.classes, along, alpha=-1)
