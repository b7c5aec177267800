"""The unit of inference: searches where there are several, seeds else; coverage where searches vary, too."""

import numpy as np
import pytest
from scipy import stats

from suite.judging.statistics.estimates import mean_of
from suite.judging.statistics.units import by_unit, units


@pytest.mark.parametrize(
    ("searches", "expected"),
    [
        ([[0, 0], [1, 1], [0, 0], [1, 1]], [0, 1, 0, 1]),
        ([[0, None], [1, None], [0, None]], [0, 1, 0]),  # one of two methods was searched
        ([[0, 0], [1, 0], [0, 0]], [0, 1, 0]),  # one of two was searched once
        ([[None], [None], [None]], [0, 1, 2]),  # nothing was searched: seeds
        ([[0], [0], [0]], [0, 1, 2]),  # one search: seeds
        ([[0, 0], [1, 1], [2, 2]], [0, 1, 2]),  # a seed a search
    ],
)
def test_units_are_searches_where_there_are_several(searches, expected):
    assert units(searches).tolist() == expected


def test_values_are_means_over_the_seeds_of_a_unit():
    values = np.array([[1.0, 10.0, 3.0, 20.0], [5.0, np.nan, 7.0, 9.0]])
    found = by_unit(values, np.array([0, 1, 0, 1]))
    assert np.array_equal(found, [[2.0, 15.0], [6.0, np.nan]], equal_nan=True)


def test_coverage_holds_over_searches_and_would_fail_over_seeds():
    """20 runs, 4 of each of 5 searches; the search's component is as large as that of the seeds, as was measured."""
    rng = np.random.default_rng(0)
    tables = 4000
    searches = [[seed % 5] for seed in range(20)]
    effects = rng.normal(size=(tables, 5))[:, [seed % 5 for seed in range(20)]] + rng.normal(size=(tables, 20))

    def coverage(sample):
        low, high = mean_of(sample).interval()
        return float(((low <= 0) & (high >= 0)).mean())

    inside = coverage(by_unit(effects, units(searches)))
    assert stats.binomtest(round(inside * tables), tables, 0.95).pvalue > 0.001
    assert coverage(effects) < 0.8
