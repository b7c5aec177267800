"""Pairs of proxies of different classes that may repel each other, found without all distances.

The neighbour list is Verlet's ("Computer experiments on classical fluids", Physical Review 159, 1967). A search bounds inner
products by a small matrix product (`with_rest`): of the fewest coordinates of large variance that leave few pairs.
"""

import torch
from torch import Tensor

ROUNDING = 1e-5
"""Rounding of a product of unit vectors and of the norm of a rest: pairs this close to the edge are kept."""
# Rows, columns and coordinates of a block, small enough for the processor's cache.
_ROWS, _COLUMNS, _COORDINATES = 256, 2048, 2**17
# A projection is good enough when it keeps this share of pairs, with this many points.
_KEPT, _SAMPLE = 2e-4, 64
# How many steps a skin should last, and how few make it worth while.
_STEPS, _FEWEST = 16, 2
# Beyond this share of all (ordered) pairs blocks are faster than a list; it is tried again after some calls.
_LISTED, _PAUSE = 0.005, 50


class NeighbourList:
    """Candidate pairs among points of fixed classes, none missed within the radius, kept from call to call."""

    def __init__(self, radius: float) -> None:
        self.radius = radius
        self.searched_rows = 0
        self._anchors: Tensor | None = None
        self._pairs = torch.empty(0, 2, dtype=torch.int64)
        self._apart: Tensor | None = None
        self._moved_by: Tensor | None = None
        self._skin = 0.0
        self._steps = 0
        self._pause = 0
        # Random points on the unit sphere are near sqrt(2) apart: up to a radius of about .5 lists stay short.
        self._widest = min(max(0.5 - radius, 0.25 * radius), 1.5 * radius)

    def near(self, points: Tensor, classes: Tensor, scale: Tensor) -> Tensor | None:
        """Candidates (K, 2) of different classes, each once, that include all within the radius; None if they are too many.

        Row i of the points (P, D), without gradient, is meant times ``scale[i]``; classes (P,) are the same in every call.
        """
        self._moved_by = None
        if self._pause > 0:
            self._pause -= 1
            return None
        anchors = self._anchors
        kind = points.shape, points.dtype, points.device
        if anchors is None or (anchors.shape, anchors.dtype, anchors.device) != kind:
            return self._rebuild(points, classes, scale, skin=0.0)
        self._steps += 1
        moved_by = _moved(points, scale, anchors)
        # Written so that a point that was NaN counts as moved.
        moved = (~(moved_by <= self._skin / 2)).nonzero().squeeze(1)
        if len(moved) == 0:
            self._moved_by = moved_by
            return self._pairs
        if self._skin > 0 and len(moved) <= len(points) // 8:
            there = points.index_select(0, moved) * scale.index_select(0, moved)[:, None]
            found = self._search_anew(there, classes, moved)
            return found if found is not None else self._rebuild(points, classes, scale, skin=0.0)
        speed = moved_by.quantile(0.9).item() / self._steps
        skin = min(2 * _STEPS * speed, self._widest)
        del anchors  # as large as the proxies: not to be held while others are made
        return self._rebuild(points, classes, scale, skin if skin >= 2 * _FEWEST * speed else 0.0)

    def possible(self) -> Tensor | None:
        """Which pairs (K,) of the last call can be within the radius, as far as their points have moved; None for all."""
        if self._moved_by is None or self._anchors is None:
            return None
        i, j = self._pairs.unbind(1)
        if self._apart is None:
            self._apart = _apart(self._anchors, i, j)
        at_least = self._apart - self._moved_by.index_select(0, i) - self._moved_by.index_select(0, j)
        # Written so that a point that was NaN counts.
        return ~(at_least > self.radius + 4 * ROUNDING)

    @torch.inference_mode(mode=False)  # what is kept must serve in training, too
    @torch.no_grad()
    def _rebuild(self, points: Tensor, classes: Tensor, scale: Tensor, skin: float) -> Tensor | None:
        """Search all pairs; where they are too many there is no list for a while."""
        self._skin, self._steps = skin, 0
        self._anchors = self._apart = None  # released before there is another
        self._anchors = points * scale[:, None]
        self.searched_rows += len(points)
        pairs = _search(self._anchors, None, self.radius + skin)
        if pairs is None and skin > 0:
            self._widest = skin / 2
            return self._rebuild(points, classes, scale, skin=0.0)
        if pairs is None:
            self._anchors, self._pause = None, _PAUSE
            return None
        self._pairs = pairs[classes[pairs[:, 0]] != classes[pairs[:, 1]]]
        return self._pairs

    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def _search_anew(self, points: Tensor, classes: Tensor, moved: Tensor) -> Tensor | None:
        """Replace the pairs of points that left their skin for ``points``; None if they are too many."""
        assert self._anchors is not None
        self.searched_rows += len(moved)
        self._anchors[moved], self._apart = points, None
        found = _search(self._anchors, moved, self.radius + self._skin)
        if found is None:
            return None
        is_moved = torch.zeros_like(classes, dtype=torch.bool)
        is_moved[moved] = True
        kept = self._pairs[~is_moved[self._pairs].any(dim=1)]
        # A pair of two moved points is found from both.
        once = ~is_moved[found[:, 1]] | (found[:, 0] < found[:, 1])
        found = found[once & (classes[found[:, 0]] != classes[found[:, 1]])]
        self._pairs = torch.cat([kept, found])
        return self._pairs


def _moved(points: Tensor, scale: Tensor, anchors: Tensor) -> Tensor:
    """Distances (N,) of scaled rows from anchors, in blocks small enough for the processor's cache."""
    rows = len(points) if points.is_cuda else max(_ROWS, _COORDINATES // points.shape[1])
    blocks = zip(*(torch.split(tensor, rows) for tensor in (anchors, points, scale[:, None])), strict=True)
    return torch.cat([torch.linalg.vector_norm(torch.addcmul(*block, value=-1), dim=1) for block in blocks])


def _search(points: Tensor, rows: Tensor | None, radius: float) -> Tensor | None:
    """Pairs (i, j) within the radius, or farther by rounding; i over ``rows``, or over all points with i < j."""
    norms = torch.linalg.vector_norm(points, dim=1).square_()
    # |x - y| <= r where x.y >= (|x|^2 + |y|^2 - r^2) / 2; all norms are near 1.
    threshold = norms.min().item() - radius**2 / 2 - ROUNDING * norms.max().item()
    bounding = points if rows is not None and len(rows) <= _ROWS else _projection(points, norms, threshold)
    sources = torch.arange(len(points), device=points.device) if rows is None else rows
    limit = _LISTED * len(sources) * len(points)
    found = [sources.new_empty(0, 2)]
    height, width = (16 * _ROWS, len(points)) if points.is_cuda else (_ROWS, _COLUMNS)  # a GPU has no such cache
    for start in range(0, len(sources), height):
        block = sources[start : start + height]
        first = 0 if rows is not None else start
        for columns in range(first, len(points), width):
            hits = bounding[block] @ bounding[columns : columns + width].T > threshold
            row, column = hits.nonzero().unbind(1)
            i, j = block[row], column + columns
            once = i < j if rows is None else i != j
            i, j = i[once], j[once]
            near = _apart(points, i, j) <= radius * (1 + ROUNDING)
            if near.any():  # small tensors that are kept would break up the memory that blocks come from
                found.append(torch.stack([i[near], j[near]], dim=1))
        if sum(map(len, found)) > limit:
            return None
    return torch.cat(found)


def _apart(points: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Distances (K,) of pairs (K,), (K,), in parts small enough for the processor's cache."""
    parts = zip(torch.split(i, _ROWS), torch.split(j, _ROWS), strict=True)
    return torch.cat([torch.linalg.vector_norm(points[a] - points[b], dim=1) for a, b in parts])


def _projection(points: Tensor, norms: Tensor, threshold: float) -> Tensor:
    """Vectors whose inner products bound those of the points, of as few coordinates as will do."""
    order = points.var(dim=0, correction=0).argsort(descending=True)
    sample = torch.arange(0, len(points), max(1, len(points) // _SAMPLE), device=points.device)
    size = 16
    while size < points.shape[1] // 2:
        found = with_rest(points[:, order[:size]], norms)
        kept = (found[sample] @ found.T > threshold).to(points.dtype).mean().item()
        if kept < _KEPT + 2 / len(points):
            return found
        size *= 2
    return points


def with_rest(part: Tensor, squares: Tensor) -> Tensor:
    """Some coordinates (N, k) of points, and a bound of the norm of the others, (N, k + 1); ``squares`` of the whole."""
    # Rounded up, relative to the whole: a rest of a part in 10^7 has a norm of 3e-4.
    rest = (squares * (1 + ROUNDING)).sub_(torch.linalg.vector_norm(part, dim=1).square_()).clamp_(min=0).sqrt_()
    return torch.column_stack([part, rest])
