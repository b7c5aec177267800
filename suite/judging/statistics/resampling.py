"""The error of R@1 that comes from the choice of test classes.

Seeds show how a result scatters when training is repeated; the test classes stay. Images of a class succeed and fail
together, so that the classes, not the queries, are what was sampled. R@1 is then a ratio of two totals over classes, hits
and queries, and its linearised variance is the limit of the bootstrap over classes, without that one's random numbers (a
test compares the two). The gallery is held fixed: what other classes would do as distractors is not part of it.
Source: Cochran, Sampling Techniques, 3rd ed. (1977), sections 6.3-6.5.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


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
        hits: (C,) hits of each class; a mean over seeds, or the difference of two losses' hits, is welcome.
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
