"""Means with their errors: over seeds, over test classes, and changes along a grid.

Over seeds everything follows Student's t. All values of an ``Estimate`` may be arrays of one shape, so that a
simulation judges thousands of data sets by the code that judges one. With 3 to 10 seeds the t-interval keeps its
coverage; percentile bootstrap and Wilcoxon's test do not (docs/protocol.md).

Over test classes: seeds show how a result scatters when training is repeated; the test classes stay the same. Images of
a class succeed and fail together, so the classes, not the queries, are the sample. R@1 is then a ratio of two totals
over classes, hits and queries. Its linearised variance is the limit of the bootstrap over classes, without random
numbers (a test compares the two). The gallery is held fixed: what other classes would do as distractors is not part of
this error.

Sources: Schuirmann, "A comparison of the two one-sided tests procedure and the power approach" (1987), for equivalence;
Cochran, Sampling Techniques, 3rd ed. (1977), sections 6.3-6.5, for the error over classes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]

LEVEL = 0.05
"""Error that a verdict may have."""
_ROUNDING = 1e-12
"""A standard deviation below this share of the mean is that of equal values."""
PERCENT = 100.0
"""Metrics are recorded as shares and judged in percent."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean whose error follows Student's t.

    Attributes:
        mean: the estimate.
        error: its standard error. Zero where all values agree: how far they scatter is then unknown, and no test shows
            anything.
        degrees: degrees of freedom of the error.
    """

    mean: Array
    error: Array
    degrees: Array

    def p_above(self, bound: Any) -> Array:
        """One-sided p of the null hypothesis that the true mean is at most ``bound``."""
        return self._upper_tail(self.mean - bound)

    def p_below(self, bound: Any) -> Array:
        """One-sided p of the null hypothesis that the true mean is at least ``bound``."""
        return self._upper_tail(bound - self.mean)

    def p_within(self, margin: float) -> Array:
        """P of the null hypothesis that the true mean is at least ``margin`` away from zero (TOST)."""
        p: Array = np.maximum(self.p_above(-margin), self.p_below(margin))
        return p

    def p_beyond(self, margin: float) -> Array:
        """P of the null hypothesis that the true mean is within ``margin`` of zero (two one-sided tests, Bonferroni)."""
        p: Array = np.minimum(1.0, 2 * np.minimum(self.p_above(margin), self.p_below(-margin)))
        return p

    def interval(self, confidence: float = 0.95) -> tuple[Array, Array]:
        """Lower and upper bound of the two-sided t-interval; NaN where all values agree."""
        half = stats.t.ppf((1 + confidence) / 2, self.degrees) * np.where(self.error > 0, self.error, np.nan)
        return self.mean - half, self.mean + half

    def _upper_tail(self, distance: Array) -> Array:
        distance, error, degrees = np.broadcast_arrays(distance, self.error, self.degrees)
        t = np.divide(distance, error, out=np.full(distance.shape, -np.inf), where=error > 0)
        tail: Array = stats.t.sf(t, degrees)
        return tail


def mean_of(values: Any) -> Estimate:
    """Mean of values (..., n) over the last axis, e.g. of paired differences over seeds.

    Raises:
        ValueError: n is below 2, so that there is no error to speak of.
    """
    sample = np.asarray(values, dtype=np.float64)
    n = sample.shape[-1]
    if n < 2:
        raise ValueError(f"{n} values have no standard error; allowed: 2 or more")
    mean, spread = sample.mean(axis=-1), sample.std(axis=-1, ddof=1)
    # Equal values have a standard deviation of some 1e-17 by rounding; read it as the zero that it is.
    spread = np.where(spread > _ROUNDING * np.maximum(1.0, np.abs(mean)), spread, 0.0)
    return Estimate(mean, spread / np.sqrt(n), np.full(mean.shape, n - 1.0))


def minus(first: Estimate, second: Estimate) -> Estimate:
    """Difference of two independent means, degrees of freedom by Welch and Satterthwaite."""
    variances = first.error**2, second.error**2
    total = variances[0] + variances[1]
    parts = variances[0] ** 2 / first.degrees + variances[1] ** 2 / second.degrees
    fallback = np.asarray(np.minimum(first.degrees, second.degrees), dtype=np.float64)
    degrees = np.divide(total**2, parts, out=fallback.copy(), where=parts > 0)
    return Estimate(first.mean - second.mean, np.sqrt(total), degrees)


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval; the bounds are NaN for fewer than 2 values, and for values that are all equal.

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
    spread = float(sample.std(ddof=1))
    if spread <= _ROUNDING * max(1.0, abs(mean)):  # equal values do not say how far others would lie
        return Interval(mean, math.nan, math.nan, n)
    half = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * spread / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


@dataclass(frozen=True, slots=True)
class ClassError:
    """A share over all queries with its error over classes; error and bounds are NaN for fewer than 2 classes.

    Attributes:
        share: hits over queries.
        error: standard error.
        low: lower bound of the 95 % interval.
        high: upper bound.
    """

    share: float
    error: float
    low: float
    high: float


def class_error(hits: ArrayLike, queries: ArrayLike, confidence: float = 0.95) -> ClassError:
    """Share of hits and its t-interval over classes.

    Args:
        hits: (C,) hits of each class; may be a mean over seeds, or the difference of two losses' hits.
        queries: (C,) queries of each class, positive.
        confidence: of the interval.
    """
    over, under = np.asarray(hits, dtype=np.float64), np.asarray(queries, dtype=np.float64)
    total, count = float(under.sum()), len(under)
    share = float(over.sum()) / total
    if count < 2:
        return ClassError(share, math.nan, math.nan, math.nan)
    residuals = over - share * under
    error = math.sqrt(count / (count - 1) * float(residuals @ residuals)) / total
    half = float(stats.t.ppf((1 + confidence) / 2, count - 1)) * error
    return ClassError(share, error, share - half, share + half)


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
