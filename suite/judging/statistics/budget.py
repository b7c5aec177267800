"""What a tuning budget is worth: the expected best validation score over the number of trials.

Dodge et al., "Show Your Work: Improved Reporting of Experimental Results" (EMNLP 2019), equation 2, with the empirical
distribution of the trials: E[max of n] = sum_i v_(i) ((i/N)^n - ((i-1)/N)^n) for the sorted scores v_(1) <= ... <= v_(N). It
takes trials for independent draws. Later trials of a sampler that learns from earlier ones are better than that, so the
curve of such a search is what its trials would give in random order, and lies above that of a random search.
"""

import numpy as np
from numpy.typing import ArrayLike

from suite.judging.statistics.estimates import Array


def expected_best(scores: ArrayLike) -> Array:
    """Expected best of n = 1, ..., N of N scores; shape (N,), in units of the scores. A failed trial counts as a score of 0.

    Raises:
        ValueError: there are no scores.
    """
    ordered = np.sort(np.nan_to_num(np.asarray(scores, dtype=np.float64), nan=0.0))
    count = len(ordered)
    if not count:
        raise ValueError("no scores; allowed: one or more")
    below = np.arange(count + 1) / count
    trials = np.arange(1, count + 1)[:, None]
    weights = below[None, 1:] ** trials - below[None, :-1] ** trials
    best: Array = weights @ ordered
    return best
