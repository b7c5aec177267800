"""Pairs of different classes that involve proxies: almost all are out of reach, so the work lies in finding the rest.

Between batch and proxies, a product of a few coordinates bounds that of all: with x = (x1, x2) split after k of them,
x.y <= x1.y1 + |x2| |y2|. Pairs that it cannot exclude are evaluated one by one, or, where they are many, in a block
of all pairs. Between proxies, `pfml.neighbours` remembers which are near each other.
"""

import math

import torch
from torch import Tensor

from pfml.blocks import Points, add_block, add_crowd, squared_distances
from pfml.forces import Forces, NearPairs, differences, pair_blocks
from pfml.masks import few_nonzero
from pfml.neighbours import NeighbourList
from pfml.pairs import PairPotential, Tally
from pfml.sources import Sources

_COLUMNS = 2048
# Rounding of a product of unit vectors and of a rest norm: pairs this close to the edge are kept.
_ROUNDING = 1e-5
# Above this share of pairs that the bound cannot exclude, a block of all pairs is faster.
_FEW = 0.01


def coordinates(dim: int, reach: float) -> int:
    """How many coordinates exclude nearly all pairs of unit vectors in random directions; ``dim`` if that is too many."""
    size = 16
    while size < dim // 2:
        # Five standard deviations of the product of k of D coordinates.
        if 1 - size / dim + 5 * math.sqrt(size) / dim < 1 - reach**2 / 2:
            return size
        size *= 2
    return dim


def add_batch_and_proxies(sources: Sources, potential: PairPotential, tally: Tally, forces: Forces | None) -> None:
    """Pairs of an embedding and a proxy of another class."""
    dim, per_class = sources.free.shape[1], sources.per_class
    size = coordinates(dim, potential.reach)
    step = max(1, _COLUMNS // per_class) * per_class
    threshold = (sources.squares + 1 - potential.reach**2) / 2 - _ROUNDING * (sources.squares + 1)
    left = _with_rest(sources.embeddings, sources.squares, size) if size < dim else None
    for start in range(0, len(sources.free), step):
        if left is not None:
            stop = min(start + step, len(sources.free))
            right = _with_rest(sources.free[start:stop], sources.norms[start:stop], size)
            right.mul_(sources.scale[start:stop, None])
            bound = left @ right.T
            _exclude_own(bound, sources, start, -math.inf)
            if not (bound.amax(dim=1) > threshold).any():
                continue
            hits = bound > threshold[:, None]
            if int(torch.count_nonzero(hits)) <= _FEW * hits.numel():
                i, j = few_nonzero(hits)
                _add_near(sources, i, j + start, potential, tally, forces, of_batch=True)
                continue
        _add_all(sources, start, start + step, potential, tally, forces)


def _with_rest(points: Tensor, squares: Tensor, size: int) -> Tensor:
    """The first coordinates and a bound of the norm of the others, (N, k + 1)."""
    result = points.new_empty(len(points), size + 1)
    part = points[:, :size]
    result[:, :size] = part
    # Rounded up, relative to the whole: a rest of a part in 10^7 has a norm of 3e-4.
    rest = (squares * (1 + _ROUNDING)).sub_(torch.linalg.vector_norm(part, dim=1).square_())
    result[:, size] = rest.clamp_(min=0).sqrt_()
    return result


def _exclude_own(table: Tensor, sources: Sources, start: int, value: float) -> None:
    """Fill the entries (B, C') of embeddings and the proxies of their class from ``start`` on."""
    by_class = table.view(len(table), -1, sources.per_class)
    column = sources.labels - start // sources.per_class
    if by_class.shape[1] * sources.per_class < len(sources.free):
        row = ((column >= 0) & (column < by_class.shape[1])).nonzero().squeeze(1)
        by_class[row, column[row]] = value
    else:
        by_class.scatter_(1, column[:, None, None].expand(-1, 1, sources.per_class), value)


def _add_all(
    sources: Sources, start: int, stop: int, potential: PairPotential, tally: Tally, forces: Forces | None
) -> None:
    """The batch and all proxies from ``start`` to ``stop``."""
    units = sources.free[start:stop] * sources.scale[start:stop, None]
    on_proxies = None if forces is None else forces.crowd(sources)[start:stop]
    columns = Points(units, torch.ones_like(sources.scale[start:stop]), sources.classes[start:stop], on_proxies)
    on_batch = None if forces is None else forces.of_batch
    rows = Points(sources.embeddings, sources.squares, sources.labels, on_batch)
    squared = squared_distances(rows, columns)
    _exclude_own(squared, sources, start, math.inf)
    add_block(squared, potential.active(squared, same=False), rows, columns, potential, tally, same=False)


def add_proxies(
    sources: Sources, neighbours: NeighbourList | None, potential: PairPotential, tally: Tally, forces: Forces | None
) -> None:
    """Pairs of proxies of different classes."""
    pairs = None if neighbours is None else neighbours.near(sources.free, sources.classes, sources.scale)
    if pairs is not None:
        _add_near(sources, pairs[:, 0], pairs[:, 1], potential, tally, forces, of_batch=False)
        return
    on_proxies = None if forces is None else forces.crowd(sources)
    add_crowd(Points(sources.unit(), torch.ones_like(sources.scale), sources.classes, on_proxies), potential, tally)


def _add_near(
    sources: Sources,
    i: Tensor,
    j: Tensor,
    potential: PairPotential,
    tally: Tally,
    forces: Forces | None,
    *,
    of_batch: bool,
) -> None:
    """Listed pairs of different classes, those that are active."""
    for part in pair_blocks(torch.arange(len(i), device=i.device), sources.free.shape[1]):
        row, column = i.index_select(0, part), j.index_select(0, part)
        difference = differences(sources, row, column, of_batch=of_batch)
        squared = difference.square().sum(dim=1)
        near = potential.active(squared, same=False).nonzero().squeeze(1)
        if len(near) == 0:
            continue
        squared, row, column = (tensor.index_select(0, near) for tensor in (squared, row, column))
        value, slope = potential.value_and_slope(squared, same=False)
        tally.repel(value, len(near), torch.count_nonzero(potential.bounded(squared)))
        if forces is None:
            continue
        weights = slope.mul_(4)
        forces.near.append(NearPairs(of_batch, row, column, weights))
        if of_batch:
            forces.of_batch.index_add_(0, row, difference.index_select(0, near).mul_(weights[:, None]))
            norms = sources.squares.index_select(0, row)
        else:
            norms = torch.ones_like(squared)
            forces.along.index_add_(0, row, weights * squared / 2)
        # -(x - p) . p = (|x - p|^2 + 1 - |x|^2) / 2
        forces.along.index_add_(0, column, weights * (squared + 1 - norms) / 2)
