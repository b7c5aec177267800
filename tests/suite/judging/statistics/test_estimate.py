"""Student's t and equivalence against scipy, statsmodels and definitions."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_paired

from suite.judging.statistics.estimate import Estimate, mean_of, minus

RNG = np.random.default_rng(0)
FIRST, SECOND = RNG.normal(50.3, 0.4, 5), RNG.normal(50.0, 0.4, 5)


def test_one_sided_p_is_scipys():
    estimate = mean_of(FIRST - SECOND)
    assert estimate.p_above(0) == pytest.approx(stats.ttest_rel(FIRST, SECOND, alternative="greater").pvalue)
    assert estimate.p_below(0) == pytest.approx(stats.ttest_rel(FIRST, SECOND, alternative="less").pvalue)


def test_interval_is_scipys():
    interval = stats.ttest_rel(FIRST, SECOND).confidence_interval(0.95)
    assert mean_of(FIRST - SECOND).interval() == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize("margin", [0.2, 0.5, 2.0])
def test_equivalence_is_that_of_statsmodels(margin):
    assert mean_of(FIRST - SECOND).p_within(margin) == pytest.approx(ttost_paired(FIRST, SECOND, -margin, margin)[0])


def test_beyond_a_margin_is_two_one_sided_tests_with_bonferroni():
    differences = FIRST - SECOND
    up = stats.ttest_1samp(differences, 0.1, alternative="greater").pvalue
    down = stats.ttest_1samp(differences, -0.1, alternative="less").pvalue
    assert mean_of(differences).p_beyond(0.1) == pytest.approx(min(1, 2 * min(up, down)))


def test_difference_of_independent_means_is_welchs():
    other = RNG.normal(50.0, 1.5, 9)
    found = minus(mean_of(FIRST), mean_of(other))
    oracle = stats.ttest_ind(FIRST, other, equal_var=False, alternative="greater")
    assert found.degrees == pytest.approx(oracle.df)
    assert found.p_above(0) == pytest.approx(oracle.pvalue)
    low, high = CompareMeans(DescrStatsW(FIRST), DescrStatsW(other)).tconfint_diff(usevar="unequal")
    assert found.interval() == pytest.approx((low, high))


def test_many_samples_at_once_are_each_judged_alone():
    samples = RNG.normal(0.2, 1, (3, 4, 5))
    together = mean_of(samples).p_within(0.7)
    assert together.shape == (3, 4)
    assert together[1, 2] == mean_of(samples[1, 2]).p_within(0.7)


@pytest.mark.parametrize(
    ("value", "above", "within"), [(0.3, 0.0, 0.0), (0.0, 1.0, 0.0), (-0.3, 1.0, 0.0), (2.0, 0.0, 1.0)]
)
def test_values_that_all_agree_are_judged_by_their_mean(value, above, within):
    estimate = mean_of([value] * 5)
    assert (float(estimate.p_above(0)), float(estimate.p_within(1.0))) == (above, within)
    assert estimate.interval() == pytest.approx((value, value))


def test_rounding_is_no_spread():
    assert mean_of([0.1 + 0.2, 0.3, 0.3]).error == 0


def test_a_bound_met_exactly_without_spread_is_not_passed():
    assert mean_of([1.0, 1.0]).p_above(1.0) == 1
    assert mean_of([1.0, 1.0]).p_within(1.0) == 1


def test_one_value_has_no_error():
    with pytest.raises(ValueError, match="1 values have no standard error"):
        mean_of([1.0])


def test_welch_without_any_spread_keeps_the_smaller_degrees():
    found = minus(mean_of([1.0, 1.0, 1.0]), mean_of([2.0, 2.0]))
    assert (float(found.mean), float(found.error), float(found.degrees)) == (-1, 0, 1)


def test_summary_statistics_suffice():
    mean, sd, n = FIRST.mean(), FIRST.std(ddof=1), len(FIRST)
    built = Estimate(np.asarray(mean), np.asarray(sd / math.sqrt(n)), np.asarray(n - 1.0))
    assert built.p_above(50) == pytest.approx(mean_of(FIRST).p_above(50))
