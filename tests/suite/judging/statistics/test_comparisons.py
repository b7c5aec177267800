"""Holm's adjustment, simultaneous intervals and ranks: by definition, by hand, and error rates by simulation."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from suite.judging.statistics.comparisons import all_pairs, holm, standing
from tests.suite.judging.statistics.simulation import MEANS, SCENARIOS, draw


def by_definition(p):
    """Step down: the i-th smallest of m is multiplied by m - i, and no adjusted p is below one before it."""
    order = sorted(range(len(p)), key=p.__getitem__)
    adjusted, least = [0.0] * len(p), 0.0
    for i, place in enumerate(order):
        least = max(least, min(1.0, (len(p) - i) * p[place]))
        adjusted[place] = least
    return adjusted


@pytest.mark.parametrize("p", [[0.01, 0.04, 0.03], [0.5], [], [0.9, 0.8], [0.001, 0.001, 0.2, 1.0]])
def test_adjusted_p_follow_the_definition(p):
    assert holm(p).tolist() == pytest.approx(by_definition(p))
    assert len(p) == 0 or holm(p).tolist() == pytest.approx(multipletests(p, method="holm")[1].tolist())


def test_families_stand_along_the_last_axis():
    families = np.random.default_rng(0).uniform(size=(2, 3, 4))
    assert holm(families)[1, 2].tolist() == pytest.approx(by_definition(families[1, 2].tolist()))


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


def test_pairs_that_cannot_be_compared_may_count():
    pairs, oracle = all_pairs(RUNS, together=10), stats.ttest_rel(RUNS[:, 0], RUNS[:, 1])
    interval = oracle.confidence_interval(1 - 0.05 / 10)
    found = pairs.low[0, 1], pairs.high[0, 1], pairs.p[0, 1], pairs.p_adjusted[0, 1]
    assert found == pytest.approx((interval.low, interval.high, oracle.pvalue, 10 * oracle.pvalue))


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


def test_one_seed_has_no_interval():
    single = all_pairs(RUNS[:1])
    assert np.isnan(single.low[0, 1])
    assert np.isnan(single.p_adjusted[0, 1])
    assert single.difference[0, 1] == pytest.approx(1.1)
    assert all_pairs(RUNS[:, :1]).low.tolist() == [[0]]


@pytest.mark.parametrize("shift", [0.0, 2.78])
def test_equal_differences_say_nothing_of_their_scatter(shift):
    found = all_pairs(np.stack([RUNS[:, 0] + shift, RUNS[:, 0]], axis=1))
    assert found.difference[0, 1] == pytest.approx(shift)
    assert np.isnan([found.low[0, 1], found.high[0, 1], found.p[0, 1]]).all()
    assert found.low[0, 0] == found.high[0, 0] == 0
    places = standing(found)
    assert places.rank_low.tolist() == [1, 1]
    assert places.rank_high.tolist() == [2, 2]


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


# Differences to the first column: .1 and -.1 about 0; then about 5; the last two are alike.
TIED_RUNS = np.array(
    [
        [60.0, 60.1, 55.0, 50.0, 50.1],
        [61.0, 60.9, 56.1, 51.2, 50.8],
        [60.5, 60.6, 55.4, 50.4, 50.5],
        [60.2, 60.1, 55.3, 50.3, 50.2],
    ]
)


def test_ranks_by_hand():
    found = standing(all_pairs(TIED_RUNS))
    assert found.rank_low.tolist() == [1, 1, 3, 4, 4]
    assert found.rank_high.tolist() == [2, 2, 3, 5, 5]
    assert found.ties_best.tolist() == [True, True, False, False, False]
    pairs = all_pairs(TIED_RUNS)
    assert found.behind_low.tolist() == [0, 0, *np.maximum(pairs.low[0], pairs.low[1])[2:]]
    # The first may be behind the second alone, the third behind one of the two.
    assert found.behind_high[0] == pairs.high[1, 0]
    assert found.behind_high[2] == max(pairs.high[0, 2], pairs.high[1, 2])


def test_one_seed_leaves_everything_open():
    found = standing(all_pairs(TIED_RUNS[:1]))
    assert found.ties_best.all()
    assert found.rank_low.tolist() == [1] * 5
    assert found.rank_high.tolist() == [5] * 5
    assert np.isnan(found.behind_high).all()
    assert np.isnan(found.behind_low).all()


def test_a_single_loss_is_first():
    found = standing(all_pairs(TIED_RUNS[:, :1]))
    assert (found.rank_low.tolist(), found.rank_high.tolist(), found.behind_high.tolist()) == ([1], [1], [0])


def test_a_clear_winner_is_alone():
    found = standing(all_pairs(TIED_RUNS[:, [0, 2, 3]]))
    assert found.ties_best.tolist() == [True, False, False]
    assert found.behind_high[0] == 0


def test_columns_may_come_in_any_order():
    order = [3, 0, 4, 2, 1]
    first, second = standing(all_pairs(TIED_RUNS)), standing(all_pairs(TIED_RUNS[:, order]))
    assert first.rank_low[order].tolist() == second.rank_low.tolist()
    assert first.behind_high[order] == pytest.approx(second.behind_high)


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("means", MEANS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_error_rates_of_a_table_are_below_five_percent(scenario, means, seeds):
    truth = np.array(MEANS[means], float)
    found = standing(all_pairs(draw(truth, scenario, seeds)))
    best = truth == truth.max()
    assert found.ties_best[:, best].all(axis=1).mean() > 0.945, "all of the best are in the tie group"
    first = 1 + (truth[None] > truth[:, None]).sum(axis=1)
    last = len(truth) - (truth[None] < truth[:, None]).sum(axis=1)
    assert ((found.rank_low <= first) & (last <= found.rank_high)).all(axis=1).mean() > 0.945, "all ranks are covered"
    behind = truth.max() - truth
    covered = (found.behind_low <= behind + 1e-12) & (behind <= found.behind_high + 1e-12)
    assert covered.all(axis=1).mean() > 0.945, "all distances to the best are covered"


def test_what_lies_five_standard_deviations_apart_is_told_apart():
    found = standing(all_pairs(draw([5, 0, 0, 0, -5], "equal variances")))
    assert (found.ties_best == [True, False, False, False, False]).all(axis=1).mean() > 0.5
    assert (found.rank_low[:, 1] == 2).mean() > 0.75


def test_fewer_tests_would_rule_out_losses_that_are_as_good_as_the_best():
    values = draw(MEANS["all equal"], "equal variances")
    n, k = values.shape[1:]
    differences = values[..., :, None] - values[..., None, :]
    error = differences.std(axis=1, ddof=1) / np.sqrt(n)
    hsu = ~(differences.mean(axis=1) > stats.t.ppf(1 - 0.05 / (k - 1), n - 1) * error).any(axis=1)
    assert hsu.mean(axis=0).min() > 0.945, "each is kept"
    assert 0.15 < 1 - hsu.all(axis=1).mean() < 0.25, "but not all of them"
