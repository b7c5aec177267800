"""Simultaneous intervals for all pairwise differences of one table, whose runs are paired by seed.

Losses of a table share their seeds (head, noise mask, batches), but neither their variances nor the correlations between
them are equal. So each difference is a paired t-interval with a standard error of its own, and Bonferroni's inequality holds
the level of the table without an assumption on variances or correlations. It costs little here: with few degrees of freedom
the statistics are nearly independent in their tails, and the simulated coverage is close to 95 %. The studentised range of
a randomised block design is shorter, but needs all differences to have one variance; where they have not, it misses its
level. Permutations have no power: sign flips of 5 seeds give no two-sided p below 1/16. Tests show all three.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AllPairs:
    """All pairwise differences; entry [..., i, j] is about mean i less mean j, the diagonal is 0.

    Attributes:
        difference: difference of means, (..., k, k).
        low: lower bound of the simultaneous interval; NaN off the diagonal with one seed.
        high: upper bound.
        p: two-sided p-value of the paired t-test, for this pair alone; NaN likewise.
        p_adjusted: p times the number of pairs, at most 1.
    """

    difference: Floats
    low: Floats
    high: Floats
    p: Floats
    p_adjusted: Floats


def all_pairs(values: Floats, confidence: float = 0.95) -> AllPairs:
    """Paired t-intervals for all k (k - 1) / 2 differences, adjusted by Bonferroni to hold together.

    Args:
        values: (..., n, k), one row a seed, one column a loss, larger is better.
        confidence: probability that every interval covers its difference, at least.
    """
    n, k = values.shape[-2:]
    count = max(1, k * (k - 1) // 2)
    differences = values[..., :, None] - values[..., None, :]
    mean = differences.mean(axis=-3)
    error = _standard_error(differences)
    half = stats.t.ppf(1 - (1 - confidence) / (2 * count), max(1, n - 1)) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(np.isnan(error), np.nan, np.where(mean == 0, 0.0, np.abs(mean) / error))
    p = 2 * stats.t.sf(statistic, max(1, n - 1))
    return AllPairs(mean, mean - half, mean + half, p, np.minimum(1.0, count * p))


def _standard_error(differences: Floats) -> Floats:
    """Standard error of the mean over seeds of differences (..., n, k, k)."""
    n, k = differences.shape[-3:-1]
    if n > 1:
        spread = differences.std(axis=-3, ddof=1)
        # Equal differences have a standard deviation of some 1e-15 by rounding; read it as the zero that it is.
        scale = np.abs(differences).max(axis=-3)
        error: Floats = np.where(spread > 1e-12 * np.maximum(1.0, scale), spread, 0.0) / np.sqrt(n)
        return error
    return np.broadcast_to(np.where(np.eye(k, dtype=bool), 0.0, np.nan), (*differences.shape[:-3], k, k))
