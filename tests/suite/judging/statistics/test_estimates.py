"""Student's t, equivalence, errors over classes and trends: against scipy, statsmodels, simulation and definitions."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_paired

from suite.judging.statistics.estimates import (
    Estimate,
    change_over_range,
    class_error,
    mean_of,
    minus,
    pairwise_differences,
    t_interval,
)
from suite.randomness import stream

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


@pytest.mark.parametrize("value", [0.3, 0.0, -0.3, 2.0])
def test_values_that_all_agree_show_nothing(value):
    """Two equal values are no certainty: how far others would lie is unknown."""
    estimate = mean_of([value] * 5)
    tests = [estimate.p_above(0), estimate.p_below(0), estimate.p_within(1.0), estimate.p_beyond(0.1)]
    assert [float(p) for p in tests] == [1, 1, 1, 1]
    assert np.isnan(estimate.interval()).all()
    assert float(estimate.mean) == value


def test_rounding_is_no_spread():
    assert mean_of([0.1 + 0.2, 0.3, 0.3]).error == 0


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


def test_the_interval_of_few_values_is_scipys():
    values = [50.2, 50.9, 51.1, 49.8, 50.5]
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    interval = t_interval(values)
    assert (interval.mean, interval.low, interval.high, interval.n) == pytest.approx((np.mean(values), low, high, 5))


def test_failed_runs_do_not_count():
    assert t_interval([1.0, math.nan, 3.0]) == t_interval([1.0, 3.0])


def test_no_interval_without_two_values():
    assert t_interval([]).n == 0
    single = t_interval([2.0])
    assert single.mean == 2.0
    assert math.isnan(single.low)
    assert math.isnan(single.high)


def test_the_interval_covers_at_the_nominal_rate():
    rng = np.random.default_rng(0)
    covered = [(i := t_interval(rng.normal(size=5).tolist())).low <= 0 <= i.high for _ in range(4000)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def test_where_one_run_in_five_falls_it_covers_far_less():
    """As docs/protocol.md says: the mean of R@1 that is 11 in one run of five, else near 53.3."""
    rng = np.random.default_rng(0)
    mean = 0.2 * 11 + 0.8 * 53.3
    runs = np.where(rng.random((4000, 5)) < 0.2, 11.0, rng.normal(53.3, 0.6, (4000, 5)))
    covered = [(i := t_interval(row.tolist())).low <= mean <= i.high for row in runs]
    assert np.mean(covered) == pytest.approx(0.67, abs=0.015)


def classes(count, rng):
    """Hits and queries of classes that differ in size and difficulty."""
    queries = rng.integers(4, 12, count)
    return rng.binomial(queries, rng.beta(2, 2, count)), queries


def test_the_error_over_classes_by_hand():
    # R = 6 / 10; residuals 3 - 2.4, 1 - 2.4, 2 - 1.2; their squares sum to 2.96.
    found = class_error([3, 1, 2], [4, 4, 2])
    error = math.sqrt(3 / 2 * 2.96) / 10
    assert (found.share, found.error) == pytest.approx((0.6, error))
    assert (found.low, found.high) == pytest.approx((0.6 - 4.302653 * error, 0.6 + 4.302653 * error))


def test_the_error_over_classes_is_that_of_the_bootstrap():
    hits, queries = classes(400, stream("test", "classes"))
    drawn = stream("test", "bootstrap of classes").integers(0, 400, (20000, 400))
    shares = hits[drawn].sum(axis=1) / queries[drawn].sum(axis=1)
    found = class_error(hits, queries)
    assert found.error == pytest.approx(shares.std(), rel=0.02)
    assert (found.low, found.high) == pytest.approx(np.quantile(shares, [0.025, 0.975]), abs=0.002)


def test_classes_of_one_size_give_the_standard_error_of_the_mean():
    hits = np.array([1, 4, 2, 5, 3])
    assert class_error(hits, np.full(5, 5)).error == pytest.approx(stats.sem(hits / 5))


def test_queries_that_succeed_together_widen_the_error():
    rng = stream("test", "clusters")
    alike = 10 * rng.integers(0, 2, 100)
    independent = rng.binomial(10, 0.5, 100)
    binomial = math.sqrt(0.25 / 1000)
    assert class_error(independent, np.full(100, 10)).error == pytest.approx(binomial, rel=0.2)
    assert class_error(alike, np.full(100, 10)).error == pytest.approx(math.sqrt(10) * binomial, rel=0.2)


@pytest.mark.parametrize("count", [40, 400])
def test_the_interval_over_classes_covers_the_share_of_the_population(count):
    rng = stream("test", "coverage over classes", count)
    hits, queries = classes(200_000, rng)
    truth = hits.sum() / queries.sum()
    covered = []
    for _ in range(3000):
        drawn = rng.integers(0, len(hits), count)
        found = class_error(hits[drawn], queries[drawn])
        covered.append(found.low <= truth <= found.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.012)


def test_one_class_has_no_error():
    found = class_error([3], [4])
    assert found.share == 0.75
    assert math.isnan(found.error)
    assert math.isnan(found.low)


VALUES = np.random.default_rng(0).normal(size=(5, 4))


def test_change_is_the_least_squares_slope_times_the_range():
    grid = [0.0, 0.02, 0.1, 0.3]
    expected = [np.polyfit(grid, row, 1)[0] * 0.3 for row in VALUES]
    assert change_over_range(VALUES, grid) == pytest.approx(expected)


def test_three_even_points_leave_the_middle_one_out():
    assert change_over_range(VALUES[:, :3], [0, 0.2, 0.4]) == pytest.approx(VALUES[:, 2] - VALUES[:, 0])


def test_two_points_give_their_difference():
    assert change_over_range(VALUES[:, :2], [0, 0.2]) == pytest.approx(VALUES[:, 1] - VALUES[:, 0])


@pytest.mark.parametrize("grid", [[1.0], [2.0, 2.0]])
def test_a_single_point_has_no_trend(grid):
    with pytest.raises(ValueError, match="no trend"):
        change_over_range(VALUES[:, : len(grid)], grid)


def test_all_pairs_are_compared():
    found = pairwise_differences(VALUES)
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    assert found.shape == (6, 5)
    for row, (i, j) in zip(found, pairs, strict=True):
        assert row == pytest.approx(VALUES[:, i] - VALUES[:, j])
