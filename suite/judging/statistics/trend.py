"""Ordered trends: how a value changes along a grid, seed by seed."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from suite.judging.statistics.estimate import Array


def change_over_range(values: Any, grid: Sequence[float]) -> Array:
    """Change of values (..., k) from the least to the greatest of the grid's k points, by the least-squares line.

    It is the slope times the length of the grid, in units of the values. Over three equally spaced points it is the
    difference of the outer two.

    Raises:
        ValueError: the grid has fewer than two different points.
    """
    x = np.asarray(grid, dtype=np.float64)
    centred = x - x.mean()
    if len(x) < 2 or not centred.any():
        raise ValueError(f"grid {list(grid)} has no trend; allowed: two different points or more")
    weights = centred / (centred**2).sum() * (x.max() - x.min())
    change: Array = np.asarray(values, dtype=np.float64) @ weights
    return change


def pairwise_differences(values: Any) -> Array:
    """Differences (..., pairs, n) of all pairs of the k columns of values (..., n, k)."""
    table = np.asarray(values, dtype=np.float64)
    first, second = np.triu_indices(table.shape[-1], 1)
    differences: Array = np.moveaxis(table[..., first] - table[..., second], -1, -2)
    return differences
