"""Mean and 95 % Student-t interval over seeds, and paired differences.

With 3 to 10 seeds the t-interval keeps its coverage where a percentile bootstrap does not (docs/protocol.md).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval; the bounds are NaN for fewer than 2 values.

    Attributes:
        mean: arithmetic mean, NaN without values.
        low: lower bound.
        high: upper bound.
        n: number of values.
    """

    mean: float
    low: float
    high: float
    n: int


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Mean and t-interval of values (n,); values that are NaN do not count."""
    sample = np.asarray([value for value in values if not math.isnan(value)], dtype=np.float64)
    n = len(sample)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = float(sample.mean())
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1) * sample.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)
