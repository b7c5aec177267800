"""Holm's adjustment: the chance of one or more false findings in a family of tests stays below the level of one test.

Holm, "A simple sequentially rejective multiple test procedure" (1979). It asks nothing of how the tests depend on each
other, which matters here: claims of one family share runs.
"""

from typing import Any

import numpy as np
from statsmodels.stats.multitest import multipletests

from suite.statistics.estimate import Array


def holm(p_values: Any) -> Array:
    """Adjusted p of families (..., m) along the last axis; a family of none or one stays as it is."""
    p = np.asarray(p_values, dtype=np.float64)
    if p.shape[-1] < 2:
        return p.copy()
    adjusted: Array = np.apply_along_axis(lambda family: multipletests(family, method="holm")[1], -1, p)
    return adjusted
