"""Three ways to sum over pairs, each for the kind of pairs it is fastest on.

- `add_block`: all pairs of two sets of points, by Gram matrix. Few active pairs are picked out and summed one by
  one, more by a matrix product; where many are active, nothing is picked out and inactive pairs are masked.
- `add_groups`: pairs within groups of M points of one class, by small Gram matrices.
- `add_pairs`: a list of pairs of different classes, by differences.

Each adds energy and counts to a tally, and dU/dx_i = 4 sum_j f'(|x_i - x_j|^2) (x_i - x_j) to the gradients,
if any.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from pfml.masks import few_nonzero
from pfml.pairs import PairPotential, Tally

# Pairs at once in a list: their coordinates should stay in the processor's cache.
_PAIRS = 2048
# Squared distances below this share of the squared norms lose digits in the Gram form and are taken from
# differences.
_CANCELLATION = 1e-2
# Below this share of active pairs in a block, forces are summed pair by pair and not by a matrix product.
_SPARSE = 0.02
# Above this share of active pairs in a block, masking the others is faster than picking these out.
_CROWDED = 0.2


class Sources(NamedTuple):
    """Points (N, D), their squared norms (N,), classes (N,) and where to add their gradient (N, D), if anywhere."""

    points: Tensor
    squares: Tensor
    classes: Tensor
    gradient: Tensor | None

    @classmethod
    def of(cls, points: Tensor, classes: Tensor, gradient: Tensor | None) -> "Sources":
        """All points, with their norms computed."""
        return cls(points, torch.linalg.vector_norm(points, dim=1).square_(), classes, gradient)

    def rows(self, start: int, stop: int | None = None) -> "Sources":
        """The points from ``start`` to ``stop``, as views."""
        part = slice(start, stop)
        gradient = None if self.gradient is None else self.gradient[part]
        return Sources(self.points[part], self.squares[part], self.classes[part], gradient)


def add_block(
    rows: Sources,
    columns: Sources,
    potential: PairPotential,
    tally: Tally,
    *,
    overlap: bool = False,
    only_between: bool = False,
) -> None:
    """Each pair of a row and a column.

    Args:
        rows: the fewer points.
        columns: the other points.
        potential: the function f.
        tally: what to add energy and counts to.
        overlap: the columns begin with the rows; each unordered pair counts once, and no point with itself.
        only_between: leave out pairs of one class.
    """
    own = rows.squares[:, None]
    squared = torch.addmm(columns.squares[None, :], rows.points, columns.points.T, alpha=-2.0).add_(own)
    if only_between:
        active = potential.active(squared, torch.zeros((), dtype=torch.bool, device=squared.device))
    else:
        active = potential.active(squared, rows.classes[:, None] == columns.classes[None, :])
    if overlap:
        active[:, : len(own)].triu_(diagonal=1)
    if torch.count_nonzero(active) > _CROWDED * active.numel():
        same = rows.classes[:, None] == columns.classes[None, :]
        weights = _masked_weights(
            squared, active & ~same if only_between else active, same, rows, columns, potential, tally
        )
        _add_weighted(rows, columns, weights)
        return
    row, column = few_nonzero(active)
    alike = rows.classes[row] == columns.classes[column]
    if only_between:
        row, column = row[~alike], column[~alike]
        alike = alike[~alike]
    distance = _refined(squared[row, column], own.max(), rows.points, row, columns.points, column)
    value, slope = potential.value_and_slope(distance, alike)
    tally.add(value, alike, potential.bounded(distance), multiplicity=2)
    if rows.gradient is None or columns.gradient is None:
        return
    if len(slope) < _SPARSE * squared.numel():
        for part in torch.split(torch.arange(len(row), device=row.device), _PAIRS):
            i, j = row[part], column[part]
            force = (rows.points[i] - columns.points[j]) * (4.0 * slope[part, None])
            rows.gradient.index_add_(0, i, force)
            columns.gradient.index_add_(0, j, force, alpha=-1)
        return
    weights = squared.zero_()
    weights[row, column] = 4.0 * slope
    _add_weighted(rows, columns, weights)


def _masked_weights(
    squared: Tensor,
    active: Tensor,
    same: Tensor,
    rows: Sources,
    columns: Sources,
    potential: PairPotential,
    tally: Tally,
) -> Tensor:
    """Tally the active pairs of a block (R, C) and give 4 f' for them, 0 for the others."""
    close = active & (squared < _CANCELLATION * rows.squares.max())
    row, column = few_nonzero(close)
    squared[row, column] = (rows.points[row] - columns.points[column]).square_().sum(dim=1)
    value, slope = potential.value_and_slope(squared, same)
    tally.add_masked(value, active, same, potential.bounded(squared), multiplicity=2)
    return (4.0 * slope).masked_fill_(~active, 0.0)


def _add_weighted(rows: Sources, columns: Sources, weights: Tensor) -> None:
    """Add sum_j w_ij (x_i - x_j) to the gradients of rows i and columns j, weights (R, C)."""
    if rows.gradient is None or columns.gradient is None:
        return
    of_rows = weights.sum(dim=1, keepdim=True) * rows.points - weights @ columns.points
    columns.gradient.add_(weights.sum(dim=0)[:, None] * columns.points).addmm_(weights.T, rows.points, alpha=-1)
    rows.gradient.add_(of_rows)


def add_groups(sources: Sources, per_group: int, potential: PairPotential, tally: Tally) -> None:
    """Pairs within each run of ``per_group`` points of one class."""
    groups = sources.points.reshape(-1, per_group, sources.points.shape[1])
    gram = groups @ groups.transpose(1, 2)
    norms = gram.diagonal(dim1=1, dim2=2)
    squared = norms[:, :, None] + norms[:, None, :] - 2 * gram
    same = torch.ones((), dtype=torch.bool, device=gram.device).expand_as(squared)
    active = potential.active(squared, same).triu_(diagonal=1)
    group, i, j = active.nonzero(as_tuple=True)
    alike = torch.ones_like(i, dtype=torch.bool)
    first, second = group * per_group + i, group * per_group + j
    distance = _refined(squared[group, i, j], norms.max(), sources.points, first, sources.points, second)
    value, slope = potential.value_and_slope(distance, alike)
    tally.add(value, alike, potential.bounded(distance), multiplicity=2)
    if sources.gradient is not None and len(slope) > 0:
        # The force on a group is its weighted graph Laplacian times its points.
        laplacian = torch.zeros_like(squared)
        laplacian[group, i, j] = laplacian[group, j, i] = -4.0 * slope
        laplacian.diagonal(dim1=1, dim2=2).copy_(-laplacian.sum(dim=2))
        sources.gradient.view_as(groups).baddbmm_(laplacian, groups)


def add_pairs(sources: Sources, pairs: Tensor, potential: PairPotential, tally: Tally) -> None:
    """Listed pairs (K, 2) of different classes, each once."""
    for part in torch.split(pairs, _PAIRS):
        difference = sources.points[part[:, 0]] - sources.points[part[:, 1]]
        squared = difference.square().sum(dim=1)
        near = potential.active(squared, torch.zeros_like(squared, dtype=torch.bool)).nonzero().squeeze(1)
        if len(near) == 0:
            continue
        distance, alike = squared[near], torch.zeros_like(near, dtype=torch.bool)
        value, slope = potential.value_and_slope(distance, alike)
        tally.add(value, alike, potential.bounded(distance), multiplicity=2)
        if sources.gradient is not None:
            force = difference[near] * (4.0 * slope[:, None])
            sources.gradient.index_add_(0, part[near, 0], force)
            sources.gradient.index_add_(0, part[near, 1], force, alpha=-1)


def _refined(squared: Tensor, norm: Tensor, left: Tensor, i: Tensor, right: Tensor, j: Tensor) -> Tensor:
    """Squared distances (P,) of pairs left[i], right[j], those that cancellation has spoilt taken from differences."""
    close = (squared < _CANCELLATION * norm).nonzero().squeeze(1)
    if len(close) > 0:
        squared[close] = (left[i[close]] - right[j[close]]).square_().sum(dim=1)
    return squared
