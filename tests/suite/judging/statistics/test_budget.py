"""Expected best over trials: against all samples counted one by one, and as a law."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.judging.statistics.budget import expected_best


def test_it_is_the_mean_over_all_samples_with_replacement():
    scores = [0.3, 0.1, 0.25, 0.1]
    oracle = [np.mean([max(sample) for sample in product(scores, repeat=n)]) for n in (1, 2, 3, 4)]
    assert expected_best(scores) == pytest.approx(oracle)


def test_a_failed_trial_counts_as_nothing():
    assert expected_best([0.3, np.nan]) == pytest.approx([0.15, 0.225])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_it_begins_at_the_mean_rises_and_stays_below_the_best(scores):
    found = expected_best(scores)
    assert found[0] == pytest.approx(np.mean(scores))
    assert (np.diff(found) >= -1e-12).all()
    assert found[-1] <= max(scores) + 1e-12


def test_without_scores_there_is_none():
    with pytest.raises(ValueError, match="no scores"):
        expected_best([])
