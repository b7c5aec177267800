"""Rank intervals, tie groups and distances to the best: by hand, and their error rates by simulation."""

import numpy as np
import pytest
from scipy import stats

from suite.judging.statistics.ranks import standing
from suite.judging.statistics.simultaneous import all_pairs
from tests.suite.judging.statistics.simulation import MEANS, SCENARIOS, draw

# Differences to the first column: .1 and -.1 about 0; then about 5; the last two are alike.
RUNS = np.array(
    [
        [60.0, 60.1, 55.0, 50.0, 50.1],
        [61.0, 60.9, 56.1, 51.2, 50.8],
        [60.5, 60.6, 55.4, 50.4, 50.5],
        [60.2, 60.1, 55.3, 50.3, 50.2],
    ]
)


def test_by_hand():
    found = standing(all_pairs(RUNS))
    assert found.rank_low.tolist() == [1, 1, 3, 4, 4]
    assert found.rank_high.tolist() == [2, 2, 3, 5, 5]
    assert found.ties_best.tolist() == [True, True, False, False, False]
    pairs = all_pairs(RUNS)
    assert found.behind_low.tolist() == [0, 0, *np.maximum(pairs.low[0], pairs.low[1])[2:]]
    # The first may be behind the second alone, the third behind one of the two.
    assert found.behind_high[0] == pairs.high[1, 0]
    assert found.behind_high[2] == max(pairs.high[0, 2], pairs.high[1, 2])


def test_one_seed_leaves_everything_open():
    found = standing(all_pairs(RUNS[:1]))
    assert found.ties_best.all()
    assert found.rank_low.tolist() == [1] * 5
    assert found.rank_high.tolist() == [5] * 5
    assert np.isnan(found.behind_high).all()
    assert np.isnan(found.behind_low).all()


def test_a_single_loss_is_first():
    found = standing(all_pairs(RUNS[:, :1]))
    assert (found.rank_low.tolist(), found.rank_high.tolist(), found.behind_high.tolist()) == ([1], [1], [0])


def test_a_clear_winner_is_alone():
    found = standing(all_pairs(RUNS[:, [0, 2, 3]]))
    assert found.ties_best.tolist() == [True, False, False]
    assert found.behind_high[0] == 0


def test_columns_may_come_in_any_order():
    order = [3, 0, 4, 2, 1]
    first, second = standing(all_pairs(RUNS)), standing(all_pairs(RUNS[:, order]))
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
