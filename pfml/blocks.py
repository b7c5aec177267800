"""All pairs of two sets of points by Gram matrix, in blocks small enough for the processor's cache.

Few active pairs are picked out of a block and summed one by one, more by a matrix product; where many are active,
nothing is picked out and inactive pairs are masked.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from pfml.groups import CANCELLATION
from pfml.masks import few_nonzero
from pfml.pairs import PairPotential, Tally

_ROWS = 128
_COLUMNS = 512
# Below this share of active pairs in a block, forces are summed pair by pair and not by a matrix product.
_SPARSE = 0.02
# Above this share of active pairs in a block, masking the others is faster than picking these out.
_CROWDED = 0.1


class Points(NamedTuple):
    """Points (N, D), their squared norms (N,), classes (N,) and where to add forces on them (N, D), if anywhere."""

    points: Tensor
    squares: Tensor
    classes: Tensor
    forces: Tensor | None

    def rows(self, start: int, stop: int) -> "Points":
        """The points from ``start`` to ``stop``, as views."""
        return Points(*(None if part is None else part[start:stop] for part in self))  # type: ignore[arg-type]


def squared_distances(rows: Points, columns: Points) -> Tensor:
    """Squared distances (R, C), near zero only up to rounding."""
    products = torch.addmm(columns.squares[None, :], rows.points, columns.points.T, alpha=-2.0)
    return products.add_(rows.squares[:, None]).clamp_(min=0)


def add_batch(batch: Points, potential: PairPotential, tally: Tally) -> None:
    """All pairs of a batch."""
    for rows, columns, start in _upper(batch):
        squared = squared_distances(rows, columns)
        same = rows.classes[:, None] == columns.classes[None, :]
        within = potential.active(squared, same=True).logical_and_(same)
        between = torch.gt(potential.active(squared, same=False), same)
        for active in (within, between) if start == 0 else ():
            active.triu_(diagonal=1)
        add_block(squared, within, rows, columns, potential, tally, same=True)
        add_block(squared, between, rows, columns, potential, tally, same=False)


def add_crowd(proxies: Points, potential: PairPotential, tally: Tally) -> None:
    """All pairs of proxies of different classes, where they are too many for a list."""
    for rows, columns, _ in _upper(proxies):
        squared = squared_distances(rows, columns)
        if int(columns.classes[0]) <= int(rows.classes[-1]):
            # Points stand class by class: only blocks at the diagonal hold pairs of one class, and pairs twice.
            squared.masked_fill_(rows.classes[:, None] >= columns.classes[None, :], math.inf)
        add_block(squared, potential.active(squared, same=False), rows, columns, potential, tally, same=False)


def _upper(points: Points) -> list[tuple[Points, Points, int]]:
    """Blocks of rows and columns that hold each unordered pair once, but for the square at the head of the first."""
    count = len(points.points)
    return [
        (points.rows(start, start + _ROWS), points.rows(first, min(first + _COLUMNS, count)), first - start)
        for start in range(0, count, _ROWS)
        for first in range(start, count, _COLUMNS)
    ]


def add_block(
    squared: Tensor,
    active: Tensor,
    rows: Points,
    columns: Points,
    potential: PairPotential,
    tally: Tally,
    *,
    same: bool,
) -> None:
    """The active pairs of a block, each once.

    Args:
        squared: (R, C) squared distances; those near zero are overwritten by better ones.
        active: (R, C) which pairs to add.
        rows: the R points.
        columns: the C points.
        potential: the function f.
        tally: what to add energy and counts to.
        same: whether these are pairs of one class.
    """
    count = int(torch.count_nonzero(active))
    if count == 0:
        return
    if count > _CROWDED * active.numel():
        _add_weighted(rows, columns, _masked_weights(squared, active, rows, columns, potential, tally, same=same))
        return
    i, j = few_nonzero(active)
    flat = i * squared.shape[1] + j
    distance = squared.flatten().index_select(0, flat)
    close = (distance < CANCELLATION * rows.squares.max()).nonzero().squeeze(1)
    if len(close) > 0:
        apart = rows.points.index_select(0, i[close]) - columns.points.index_select(0, j[close])
        distance.index_copy_(0, close, apart.square_().sum(dim=1))
    value, slope = potential.value_and_slope(distance, same=same)
    if same:
        tally.attract(value, count)
    else:
        tally.repel(value, count, torch.count_nonzero(potential.bounded(distance)))
    if rows.forces is None or columns.forces is None:
        return
    weights = slope.mul_(4)
    if count < _SPARSE * active.numel():
        force = (rows.points.index_select(0, i) - columns.points.index_select(0, j)).mul_(weights[:, None])
        rows.forces.index_add_(0, i, force)
        columns.forces.index_add_(0, j, force, alpha=-1)
        return
    _add_weighted(rows, columns, torch.zeros_like(squared).view(-1).index_copy_(0, flat, weights).view_as(squared))


def _masked_weights(
    squared: Tensor,
    active: Tensor,
    rows: Points,
    columns: Points,
    potential: PairPotential,
    tally: Tally,
    *,
    same: bool,
) -> Tensor:
    """Tally the active pairs of a block (R, C) and give 4 f' for them, 0 for the others."""
    limit = CANCELLATION * rows.squares.max()
    if squared.min() < limit:
        i, j = few_nonzero(active & (squared < limit))
        apart = rows.points.index_select(0, i) - columns.points.index_select(0, j)
        squared.view(-1).index_copy_(0, i * squared.shape[1] + j, apart.square_().sum(dim=1))
    idle = ~active
    value, slope = potential.value_and_slope(squared, same=same)
    value.masked_fill_(idle, 0.0)
    if same:
        tally.attract(value, torch.count_nonzero(active))
    else:
        tally.repel(value, torch.count_nonzero(active), torch.count_nonzero(potential.bounded(squared) & active))
    return slope.mul_(4).masked_fill_(idle, 0.0)


def _add_weighted(rows: Points, columns: Points, weights: Tensor) -> None:
    """Add sum_j w_ij (x_i - x_j) to the forces on rows i and columns j, weights (R, C)."""
    if rows.forces is None or columns.forces is None:
        return
    on_rows = torch.addmm(weights.sum(dim=1, keepdim=True) * rows.points, weights, columns.points, alpha=-1)
    columns.forces.addcmul_(weights.sum(dim=0)[:, None], columns.points).addmm_(weights.T, rows.points, alpha=-1)
    rows.forces.add_(on_rows)
