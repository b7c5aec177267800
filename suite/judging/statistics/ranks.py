"""Ranks, and the distance to the best, that the simultaneous intervals of a table leave open.

With probability 95 % all intervals of the table cover. Then whoever is shown to be better is better, so that every rank
interval covers its rank, the best is among the losses with rank 1 left open (the tie group), and no loss is ruled out that
is in truth as good as the best. One error rate holds for all of it at once, and the parts cannot disagree.

Sources: Mogstad, Romano, Shaikh & Wilhelm, Review of Economic Studies 91 (2024) 476-518 (rank intervals); Hsu, Multiple
Comparisons: Theory and Methods (1996), chapters 4 and 5 (the best). Hsu's own comparison with the best needs k - 1
one-sided tests instead of k (k - 1) / 2 two-sided ones and rules out more, but of five losses that are equal it rules out
at least one in every fifth table or so: it keeps each of them with probability 95 %, not all.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suite.judging.statistics.simultaneous import AllPairs, Floats


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
    behind_low: Floats
    behind_high: Floats


def standing(pairs: AllPairs) -> Standing:
    """Rank intervals, tie group and distances to the best of one table or of many.

    Losses with equal true means share the ranks that they occupy, and an interval covers all of these.
    """
    better = pairs.low > 0
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
