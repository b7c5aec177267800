"""A mean with its standard error, and everything Student's t says about it.

All values may be arrays of one shape, so that a simulation judges thousands of data sets by the code that judges one.
With 3 to 10 seeds the t-interval keeps its coverage; percentile bootstrap and Wilcoxon's test do not (docs/protocol.md).

Equivalence: Schuirmann, "A comparison of the two one-sided tests procedure and the power approach" (1987).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean whose error follows Student's t.

    Attributes:
        mean: the estimate.
        error: its standard error. Zero where all values agree: then every test is decided by the mean alone.
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
        """Lower and upper bound of the two-sided t-interval."""
        half = stats.t.ppf((1 + confidence) / 2, self.degrees) * self.error
        return self.mean - half, self.mean + half

    def _upper_tail(self, distance: Array) -> Array:
        distance, error, degrees = np.broadcast_arrays(distance, self.error, self.degrees)
        certain = np.where(distance > 0, np.inf, -np.inf)
        t = np.divide(distance, error, out=certain, where=error > 0)
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
    spread = np.where(spread > 1e-12 * np.maximum(1.0, np.abs(mean)), spread, 0.0)
    return Estimate(mean, spread / np.sqrt(n), np.full(mean.shape, n - 1.0))


def minus(first: Estimate, second: Estimate) -> Estimate:
    """Difference of two independent means, degrees of freedom by Welch and Satterthwaite."""
    variances = first.error**2, second.error**2
    total = variances[0] + variances[1]
    parts = variances[0] ** 2 / first.degrees + variances[1] ** 2 / second.degrees
    fallback = np.asarray(np.minimum(first.degrees, second.degrees), dtype=np.float64)
    degrees = np.divide(total**2, parts, out=fallback.copy(), where=parts > 0)
    return Estimate(first.mean - second.mean, np.sqrt(total), degrees)
