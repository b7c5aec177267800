"""Simultaneous intervals: against scipy pair by pair, and their coverage by simulation."""

import numpy as np
import pytest
from scipy import stats

from suite.judging.statistics.simultaneous import all_pairs
from tests.suite.judging.statistics.simulation import MEANS, SCENARIOS, draw

RUNS = np.array([[50.1, 49.0, 47.2], [50.9, 49.9, 47.0], [50.4, 49.1, 48.1], [49.8, 49.2, 47.7]])


def covering(values, means):
    """Share of tables all of whose intervals cover."""
    pairs, truth = all_pairs(values), np.subtract.outer(means, means)
    return ((pairs.low <= truth + 1e-12) & (truth <= pairs.high + 1e-12)).all(axis=(-1, -2)).mean()


def test_each_pair_is_a_paired_t_test_at_the_adjusted_level():
    pairs = all_pairs(RUNS)
    for i, j in ((0, 1), (0, 2), (1, 2), (2, 0)):
        oracle = stats.ttest_rel(RUNS[:, i], RUNS[:, j])
        interval = oracle.confidence_interval(1 - 0.05 / 3)
        found = pairs.difference[i, j], pairs.low[i, j], pairs.high[i, j], pairs.p[i, j], pairs.p_adjusted[i, j]
        mean = (RUNS[:, i] - RUNS[:, j]).mean()
        assert found == pytest.approx((mean, interval.low, interval.high, oracle.pvalue, min(1, 3 * oracle.pvalue)))


def test_the_interval_excludes_zero_exactly_where_the_adjusted_p_is_below_the_level():
    pairs = all_pairs(draw(MEANS["spread"], "all variances differ", tables=500))
    apart = (pairs.low > 0) | (pairs.high < 0)
    assert (apart == (pairs.p_adjusted < 0.05)).all()
    assert 0.01 < apart.mean() < 0.99


def test_many_tables_at_once_equal_one_by_one():
    values = draw(MEANS["two best"], "one wild loss", tables=3)
    together = all_pairs(values)
    for place, table in enumerate(values):
        assert all_pairs(table).low == pytest.approx(together.low[place])


def test_one_seed_has_no_interval_and_equal_runs_have_no_difference():
    single = all_pairs(RUNS[:1])
    assert np.isnan(single.low[0, 1])
    assert np.isnan(single.p_adjusted[0, 1])
    assert single.difference[0, 1] == pytest.approx(1.1)
    same = all_pairs(np.repeat(RUNS[:, :1], 2, axis=1))
    assert (same.low[0, 1], same.high[0, 1], same.p[0, 1]) == (0, 0, 1)
    assert all_pairs(RUNS[:, :1]).low.tolist() == [[0]]


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_with_two_losses_the_level_is_exact(seeds):
    values = draw(MEANS["spread"], "all variances differ", seeds=seeds, tables=20000)[..., 2:4]
    assert 0.945 < covering(values, MEANS["spread"][2:4]) < 0.955


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_all_intervals_of_a_table_cover_together(scenario, seeds):
    assert 0.945 < covering(draw(MEANS["spread"], scenario, seeds), MEANS["spread"]) < 0.985


def test_with_equal_variances_little_is_lost_to_bonferroni():
    assert covering(draw(MEANS["all equal"], "equal variances", tables=20000), MEANS["all equal"]) < 0.96


def test_the_studentised_range_would_miss_its_level_where_variances_differ():
    def studentised_range(values):
        n, k = values.shape[1:]
        fitted = (
            values.mean(axis=1, keepdims=True)
            + values.mean(axis=2, keepdims=True)
            - values.mean(axis=(1, 2), keepdims=True)
        )
        error = ((values - fitted) ** 2).sum(axis=(1, 2)) / ((n - 1) * (k - 1))
        return np.ptp(values.mean(axis=1), axis=1) / np.sqrt(error / n) <= stats.studentized_range.ppf(
            0.95, k, (n - 1) * (k - 1)
        )

    assert studentised_range(draw(MEANS["all equal"], "equal variances")).mean() == pytest.approx(0.95, abs=0.01)
    assert studentised_range(draw(MEANS["all equal"], "one wild loss")).mean() < 0.9


def test_sign_flips_of_five_seeds_cannot_reach_the_level():
    differences = RUNS[:, 0] - RUNS[:, 2]
    five = np.append(differences, 3.0)
    found = stats.permutation_test((five,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert found.pvalue == 1 / 16
