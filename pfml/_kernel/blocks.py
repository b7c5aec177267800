"""All pairs of two sets of points by Gram matrix, in blocks small enough for the processor's cache.

Few active pairs are picked out of a block and summed one by one, more by a matrix product; where many are active,
nothing is picked out and inactive pairs are masked.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from pfml._kernel.evaluation import CANCELLATION, Evaluation, repair
from pfml._kernel.gradient import in_parts

_ROWS, _COLUMNS = 128, 512
# Below this share of active pairs in a block, the gradient is summed pair by pair and not by a matrix product.
_FEW = 0.02
# Above this share of active pairs in a block, masking the others is faster than picking these out.
_MANY = 0.1
# Pairs of proxies picked out of blocks are summed together, up to this many at once.
_WAITING = 2**18


class Points(NamedTuple):
    """Points (N, D), their squared norms (N,), classes (N,) and where to add their gradient (N, D)."""

    points: Tensor
    squares: Tensor
    classes: Tensor
    gradient: Tensor

    def rows(self, start: int, stop: int) -> "Points":
        """The points from ``start`` to ``stop``, as views."""
        return Points(*(part[start:stop] for part in self))


def embeddings_of(evaluation: Evaluation) -> Points:
    """The batch."""
    sources = evaluation.sources
    return Points(sources.embeddings, sources.squares, sources.labels, evaluation.gradient.of_embeddings)


def proxies_of(evaluation: Evaluation, rows: slice, proxies: Tensor) -> Points:
    """Some of the proxies, which are given."""
    sources = evaluation.sources
    gradient = evaluation.gradient.of_proxies(sources)[rows]
    return Points(proxies, torch.ones_like(sources.scale[rows]), sources.classes[rows], gradient)


def squared_distances(rows: Points, columns: Tensor, squares: Tensor) -> Tensor:
    """Squared distances (R, C) of points (C, D) with their squared norms (C,), near zero only up to rounding."""
    products = torch.addmm(squares[None, :], rows.points, columns.T, alpha=-2.0)
    return products.add_(rows.squares[:, None]).clamp_(min=0)


def add_batch(evaluation: Evaluation) -> None:
    """All pairs of a batch."""
    for rows, columns, start, first in _upper(embeddings_of(evaluation)):
        squared = squared_distances(rows, columns.points, columns.squares)
        same = rows.classes[:, None] == columns.classes[None, :]
        for kind, of_kind in ((True, same), (False, ~same)):
            active = evaluation.potential.active(squared, same=kind).logical_and_(of_kind)
            if start == first:
                active.triu_(diagonal=1)
            add_block(evaluation, squared, active, rows, columns, same=kind)


def add_all_proxies(evaluation: Evaluation) -> None:
    """All pairs of proxies of different classes, where they are too many for a list."""
    whole, waiting = slice(None), list[tuple[Tensor, Tensor, Tensor]]()
    proxies = proxies_of(evaluation, whole, evaluation.sources.proxies(whole))
    for rows, columns, start, first in _upper(proxies):
        squared = squared_distances(rows, columns.points, columns.squares)
        if int(columns.classes[0]) <= int(rows.classes[-1]):
            # Points stand class by class: only blocks at the diagonal hold pairs of one class, and pairs twice.
            squared.masked_fill_(rows.classes[:, None] >= columns.classes[None, :], math.inf)
        active = evaluation.potential.active(squared, same=False)
        sample = active[::8]
        if int(torch.count_nonzero(sample)) > _MANY * sample.numel():
            add_block(evaluation, squared, active, rows, columns, same=False)
        else:
            i, j = active.nonzero().unbind(1)
            waiting.append((i + start, j + first, squared.flatten().index_select(0, i * squared.shape[1] + j)))
        if waiting and (start + _ROWS >= len(proxies.points) or sum(len(i) for i, *_ in waiting) > _WAITING):
            _add_picked(evaluation, proxies, *map(torch.cat, zip(*waiting, strict=True)))
            waiting.clear()


def _add_picked(evaluation: Evaluation, proxies: Points, i: Tensor, j: Tensor, squared: Tensor) -> None:
    """Pairs (K,) of different classes, picked out of blocks, by sparse products of their weights with the points."""
    points, gradient = proxies.points, proxies.gradient
    close = (squared < CANCELLATION).nonzero().squeeze(1)
    for (some,) in in_parts(points.shape[1], close):
        squared.index_copy_(0, some, (points[i[some]] - points[j[some]]).square_().sum(dim=1))
    weights = evaluation.weights(squared, same=False)
    for (some,) in in_parts(points.shape[1], close):  # sums of points would lose the digits of their differences
        terms = (points[i[some]] - points[j[some]]).mul_(weights[some, None])
        gradient.index_add_(0, i[some], terms).index_add_(0, j[some], terms.neg_())
    weights.index_fill_(0, close, 0.0)
    for ends, others in ((i, j), (j, i)):
        order = ends.int().argsort()
        firsts = torch.searchsorted(ends[order], torch.arange(len(points), device=ends.device))
        sums = embedding_bag(others[order], points, firsts, mode="sum", per_sample_weights=weights[order])
        total = weights.new_zeros(len(points)).index_add_(0, ends, weights)
        gradient.addcmul_(total[:, None], points).sub_(sums)


def _upper(points: Points) -> list[tuple[Points, Points, int, int]]:
    """Blocks with their first row and column, which hold each unordered pair once, but for a square at the head."""
    count = len(points.points)
    return [
        (points.rows(start, start + _ROWS), points.rows(first, min(first + _COLUMNS, count)), start, first)
        for start in range(0, count, _ROWS)
        for first in range(start, count, _COLUMNS)
    ]


def add_block(
    evaluation: Evaluation, squared: Tensor, active: Tensor, rows: Points, columns: Points, *, same: bool
) -> None:
    """The ``active`` pairs (R, C) of a block, each once; squared distances near zero are overwritten by better ones."""
    count = int(torch.count_nonzero(active))
    if count == 0:
        return
    limit = CANCELLATION * rows.squares.max()

    def apart(i: Tensor, j: Tensor) -> Tensor:
        return rows.points.index_select(0, i) - columns.points.index_select(0, j)

    if count > _MANY * active.numel():
        if squared.min() < limit:
            width = squared.shape[1]
            repair(squared, active & (squared < limit), lambda at: apart(at // width, at % width))
        _add_products(rows, columns, evaluation.weights(squared, active, same=same))
    else:
        i, j = active.nonzero().unbind(1)
        flat = i * squared.shape[1] + j
        picked = squared.flatten().index_select(0, flat)
        repair(picked, picked < limit, lambda at: apart(i[at], j[at]))
        weights = evaluation.weights(picked, same=same)
        if count < _FEW * active.numel():
            terms = apart(i, j).mul_(weights[:, None])
            rows.gradient.index_add_(0, i, terms)
            columns.gradient.index_add_(0, j, terms.neg_())
        else:
            table = torch.zeros_like(squared)
            table.view(-1).index_copy_(0, flat, weights)
            _add_products(rows, columns, table)


def _add_products(rows: Points, columns: Points, weights: Tensor) -> None:
    """Add sum_j w_ij (x_i - x_j) to the gradient of rows i and columns j, weights (R, C)."""
    of_rows = torch.addmm(weights.sum(dim=1, keepdim=True) * rows.points, weights, columns.points, alpha=-1)
    columns.gradient.addcmul_(weights.sum(dim=0)[:, None], columns.points).addmm_(weights.T, rows.points, alpha=-1)
    rows.gradient.add_(of_rows)
