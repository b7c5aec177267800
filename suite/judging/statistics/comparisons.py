"""Many comparisons at once: Holm's adjustment, all pairwise differences of a table, and the ranks that they leave open.

Holm, "A simple sequentially rejective multiple test procedure" (1979): the chance of a false finding in a family of
tests stays below the level of one test. It makes no assumption on how the tests depend on each other; claims of one
family share runs. It is written on arrays because libraries adjust one family at a time, too slow for the simulation
that tests the checker. The tests compare it with statsmodels.

Pairwise differences: losses of a table share their seeds (first network, noise mask, batches), but neither their
variances nor the correlations between them are equal. So each difference has a paired t-interval with a standard error
of its own, and Bonferroni's inequality holds the level of the table without an assumption on variances or correlations.
It costs little: with few degrees of freedom the statistics are nearly independent in their tails, and the simulated
coverage is close to 95 %. The studentised range of a randomised block design is shorter, but needs all differences to
have one variance; where they have not, it misses its level. Permutations have no power: sign flips of 5 seeds give no
two-sided p below 1/16. Tests show all three.

Ranks: with probability 95 % all intervals of the table cover. Then a loss that is shown to be better is better. So
every rank interval covers its rank, the best is among the losses with rank 1 left open (the tie group), and no loss is
ruled out that is in truth as good as the best. One error rate holds for all of it, and the parts cannot disagree.
Sources: Mogstad, Romano, Shaikh & Wilhelm, Review of Economic Studies 91 (2024) 476-518 (rank intervals); Hsu, Multiple
Comparisons: Theory and Methods (1996), chapters 4 and 5 (the best). Hsu's own comparison with the best needs k - 1
one-sided tests instead of k (k - 1) / 2 two-sided ones and rules out more. But of five losses that are equal it rules
out at least one in about every fifth table: it keeps each of them with probability 95 %, not all.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from suite.judging.statistics.estimates import Array


def holm(p_values: Any) -> Array:
    """Adjusted p of families (..., m) along the last axis."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, axis=-1)
    stepped = np.take_along_axis(p, order, axis=-1) * np.arange(p.shape[-1], 0, -1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(1.0, np.maximum.accumulate(stepped, axis=-1)), axis=-1)
    return adjusted


@dataclass(frozen=True, slots=True)
class AllPairs:
    """All pairwise differences; entry [..., i, j] is about mean i less mean j, the diagonal is 0.

    Attributes:
        difference: difference of means, (..., k, k).
        low: lower bound of the simultaneous interval; NaN off the diagonal with one seed, and where the differences of
            all seeds are equal: two equal differences say nothing of how far others may lie.
        high: upper bound.
        p: two-sided p-value of the paired t-test, for this pair alone; NaN likewise.
        p_adjusted: p times the number of pairs that count together, at most 1.
    """

    difference: Array
    low: Array
    high: Array
    p: Array
    p_adjusted: Array


def all_pairs(values: Array, confidence: float = 0.95, *, together: int | None = None) -> AllPairs:
    """Paired t-intervals for all k (k - 1) / 2 differences, adjusted by Bonferroni to hold together.

    Pairs that cannot be compared, because a loss of theirs failed, were to be compared all the same. Were they not counted,
    an order of two losses would be easier to show for the failure of a third.

    Args:
        values: (..., n, k), one row a seed, one column a loss, larger is better.
        confidence: probability that every interval covers its difference, at least.
        together: number of pairs that they are adjusted for, by default of those given.
    """
    n, k = values.shape[-2:]
    count = max(1, k * (k - 1) // 2 if together is None else together)
    differences = values[..., :, None] - values[..., None, :]
    mean = differences.mean(axis=-3)
    error = _standard_error(differences)
    half = stats.t.ppf(1 - (1 - confidence) / (2 * count), max(1, n - 1)) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(np.eye(k, dtype=bool), 0.0, np.abs(mean) / error)
    p = 2 * stats.t.sf(statistic, max(1, n - 1))
    return AllPairs(mean, mean - half, mean + half, p, np.minimum(1.0, count * p))


def _standard_error(differences: Array) -> Array:
    """Standard error of the mean over seeds of differences (..., n, k, k); NaN off the diagonal where it is unknown."""
    n, k = differences.shape[-3:-1]
    unknown = np.where(np.eye(k, dtype=bool), 0.0, np.nan)
    if n > 1:
        spread = differences.std(axis=-3, ddof=1)
        # Equal differences have a standard deviation of some 1e-15 by rounding; read it as the zero that it is.
        scale = np.abs(differences).max(axis=-3)
        error: Array = np.where(spread > 1e-12 * np.maximum(1.0, scale), spread / np.sqrt(n), unknown)
        return error
    return np.broadcast_to(unknown, (*differences.shape[:-3], k, k))


@dataclass(frozen=True, slots=True)
class Standing:
    """Where each of k losses may stand; rank 1 is the largest mean.

    Attributes:
        rank_low: best rank left open, (..., k).
        rank_high: worst rank left open.
        ties_best: whether it cannot be told apart from the best, the same as ``rank_low == 1``.
        behind_low: lower bound on the best mean less its own, 0 in the tie group; NaN with one seed.
        behind_high: upper bound.
    """

    rank_low: NDArray[np.int64]
    rank_high: NDArray[np.int64]
    ties_best: NDArray[np.bool_]
    behind_low: Array
    behind_high: Array


def standing(pairs: AllPairs) -> Standing:
    """Rank intervals, tie group and distances to the best of one table or of many.

    Losses with equal true means share the ranks that they occupy, and an interval covers all of these.
    """
    better = pairs.low > 0  # false where there is no interval: nothing is ruled out then
    k = better.shape[-1]
    shown_better, shown_worse = better.sum(axis=-2), better.sum(axis=-1)
    ties_best = shown_better == 0
    # The best is in the tie group: nobody is farther behind it than behind the farthest of the group. Behind itself: 0.
    behind_group = np.where(ties_best[..., :, None], pairs.high, -np.inf).max(axis=-2)
    return Standing(
        1 + shown_better,
        k - shown_worse,
        ties_best,
        np.maximum(0.0, pairs.low.max(axis=-2)),
        np.maximum(0.0, behind_group),
    )
