"""Holm's adjustment: the chance of a false finding in a family of tests stays below the level of one test.

Holm, "A simple sequentially rejective multiple test procedure" (1979). It asks nothing of how the tests depend on each
other, which matters here: claims of one family share runs. Written on arrays, since libraries adjust one family at a time,
too slow for the simulation of the checker; the tests compare it with statsmodels.
"""

from typing import Any

import numpy as np

from suite.judging.statistics.estimate import Array


def holm(p_values: Any) -> Array:
    """Adjusted p of families (..., m) along the last axis."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, axis=-1)
    stepped = np.take_along_axis(p, order, axis=-1) * np.arange(p.shape[-1], 0, -1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(1.0, np.maximum.accumulate(stepped, axis=-1)), axis=-1)
    return adjusted
