"""Trends and pairs against numpy and loops."""

import numpy as np
import pytest

from suite.judging.statistics.trend import change_over_range, pairwise_differences

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
