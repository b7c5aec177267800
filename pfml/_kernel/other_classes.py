"""Pairs of different classes that involve proxies: nearly all are too far apart to count, and the others are to be found."""

import math

import torch
from torch import Tensor

from pfml._kernel.blocks import add_all_proxies, add_block, embeddings_of, proxies_of, squared_distances
from pfml._kernel.evaluation import Evaluation
from pfml._kernel.gradient import WeightedPairs, differences, in_parts
from pfml._kernel.neighbours import ROUNDING, NeighbourList, with_rest
from pfml._kernel.sources import Sources

_COLUMNS = 2048
# Above this share of pairs that the bound cannot exclude, a block of all pairs is faster.
_FEW = 0.01


def coordinates(dim: int, radius: float) -> int:
    """How many coordinates exclude nearly all pairs of unit vectors in random directions; ``dim`` if that is too many."""
    size = 16
    while size < dim // 2:
        # Five standard deviations of the product of k of D coordinates.
        if 1 - size / dim + 5 * math.sqrt(size) / dim < 1 - radius**2 / 2:
            return size
        size *= 2
    return dim


def add_batch_and_other_proxies(evaluation: Evaluation) -> None:
    """Pairs of an embedding and a proxy of another class."""
    sources, radius = evaluation.sources, evaluation.potential.repulsion_radius
    dim, per_class = sources.free.shape[1], sources.per_class
    size = coordinates(dim, radius)
    step = max(1, _COLUMNS // per_class) * per_class
    threshold = (sources.squares + 1 - radius**2) / 2 - ROUNDING * (sources.squares + 1)
    left = with_rest(sources.embeddings[:, :size], sources.squares) if size < dim else None
    for start in range(0, len(sources.free), step):
        some = slice(start, min(start + step, len(sources.free)))
        if left is not None:
            right = with_rest(sources.free[some, :size], sources.norms[some]).mul_(sources.scale[some, None])
            bound = left @ right.T
            _exclude_own(bound, sources, start, -math.inf)
            if not (bound.amax(dim=1) > threshold).any():
                continue
            hits = bound > threshold[:, None]
            if int(torch.count_nonzero(hits)) <= _FEW * hits.numel():
                i, j = hits.nonzero().unbind(1)
                _add_listed(evaluation, i, j + start, None, of_batch=True)
                continue
        rows, proxies = embeddings_of(evaluation), sources.proxies(some)
        squared = squared_distances(rows, proxies, torch.ones_like(sources.scale[some]))
        _exclude_own(squared, sources, start, math.inf)
        if squared.amin() >= radius**2:
            continue
        columns = proxies_of(evaluation, some, proxies)
        add_block(evaluation, squared, evaluation.potential.active(squared, same=False), rows, columns, same=False)


def _exclude_own(table: Tensor, sources: Sources, start: int, value: float) -> None:
    """Fill the entries (B, C') of embeddings and the proxies of their class from ``start`` on."""
    by_class = table.view(len(table), -1, sources.per_class)
    column = sources.labels - start // sources.per_class
    row = ((column >= 0) & (column < by_class.shape[1])).nonzero().squeeze(1)
    by_class[row, column[row]] = value


def add_proxies_of_other_classes(evaluation: Evaluation, neighbours: NeighbourList) -> None:
    """Pairs of proxies of different classes."""
    sources = evaluation.sources
    pairs = neighbours.near(sources.free, sources.classes, sources.scale)
    if pairs is None:
        add_all_proxies(evaluation)
    else:
        _add_listed(evaluation, pairs[:, 0], pairs[:, 1], neighbours.possible(), of_batch=False)


def _add_listed(evaluation: Evaluation, i: Tensor, j: Tensor, possible: Tensor | None, *, of_batch: bool) -> None:
    """Listed pairs of different classes, those that are active; where some of them are possible, no others are."""
    sources, gradient = evaluation.sources, evaluation.gradient
    for row, column, *kept in in_parts(sources.free.shape[1], i, j, *(() if possible is None else (possible,))):
        for mask in kept:
            row, column = row[mask], column[mask]  # noqa: PLW2901
        difference = differences(sources, row, column, of_batch=of_batch)
        squared = difference.square().sum(dim=1)
        near = evaluation.potential.active(squared, same=False).nonzero().squeeze(1)
        if len(near) == 0:
            continue
        squared, row, column = (tensor.index_select(0, near) for tensor in (squared, row, column))  # noqa: PLW2901
        weights = evaluation.weights(squared, same=False)
        gradient.pairs.append(WeightedPairs(of_batch, row, column, weights))
        norms: Tensor | float = 1.0
        if of_batch:
            gradient.of_embeddings.index_add_(0, row, difference.index_select(0, near).mul_(weights[:, None]))
            norms = sources.squares.index_select(0, row)
        else:
            gradient.along.index_add_(0, row, weights * squared / 2)
        # -(x - p) . p = (|x - p|^2 + 1 - |x|^2) / 2
        gradient.along.index_add_(0, column, weights * (squared + 1 - norms) / 2)
