"""Leaderboard rows against values computed by hand."""

import math

import pandas as pd
import pytest

from suite.leaderboard.table import FROZEN, leaderboard
from tests.suite.leaderboard.records import frozen, table

T_2 = 4.302652729911275
"""97.5 % quantile of Student's t with 2 degrees of freedom, from a printed table."""


def rows(board):
    return {(row["dataset"], row["loss"], row["noise_level"]): row for row in board.to_dict("records")}


def test_means_and_intervals():
    board = rows(leaderboard(table(("pfml", 0, [0.50, 0.52, 0.54])), frozen()))
    mine = board["emoji", "pfml", 0]
    # Standard deviation 2 points: half width t * 2 / sqrt(3).
    half = T_2 * 2 / math.sqrt(3)
    assert mine["recall_at_1"] == pytest.approx(52)
    assert mine["recall_at_1_low"] == pytest.approx(52 - half, abs=1e-4)
    assert mine["map_at_r_high"] == pytest.approx(52 + half, abs=1e-4)
    assert (mine["runs"], mine["failures"]) == (3, 0)


def test_drop_from_clean_is_paired_by_seed():
    # Unpaired, the drops would spread as the runs do; paired, all are 10 points but for one of 13.
    records = table(("pfml", 0, [0.50, 0.60, 0.70]), ("pfml", 0.2, [0.40, 0.50, 0.57]))
    mine = rows(leaderboard(records.sample(frac=1, random_state=0), frozen()))["emoji", "pfml", 0.2]
    half = T_2 * math.sqrt(3) / math.sqrt(3)
    assert mine["drop_from_clean"] == pytest.approx(11)
    assert (mine["drop_low"], mine["drop_high"]) == pytest.approx((11 - half, 11 + half), abs=1e-4)


def test_clean_rows_drop_by_nothing():
    mine = rows(leaderboard(table(("pfml", 0, [0.5, 0.6])), frozen()))["emoji", "pfml", 0]
    assert (mine["drop_from_clean"], mine["drop_low"], mine["drop_high"]) == (0, 0, 0)


def test_drops_are_within_a_loss_and_a_data_set():
    emoji = table(("pfml", 0, [0.5, 0.5]), ("pfml", 0.2, [0.4, 0.4]), ("triplet", 0, [0.9, 0.9]))
    other = table(("pfml", 0, [0.8, 0.8]), ("pfml", 0.2, [0.5, 0.5]), dataset="furniture")
    references = pd.concat([frozen(), frozen(dataset="furniture")])
    board = rows(leaderboard(pd.concat([emoji, other]), references))
    assert board["emoji", "pfml", 0.2]["drop_from_clean"] == pytest.approx(10)
    assert board["furniture", "pfml", 0.2]["drop_from_clean"] == pytest.approx(30)


def test_without_clean_runs_there_is_no_drop():
    mine = rows(leaderboard(table(("pfml", 0.2, [0.5, 0.6])), frozen()))["emoji", "pfml", 0.2]
    assert math.isnan(mine["drop_from_clean"])


def test_failures_are_counted_left_out_of_means_and_ranked_last():
    records = table(("good", 0, [0.5, 0.5, 0.5]), ("frail", 0, [0.9, None, 0.9]), ("dead", 0, [None, None, None]))
    board = leaderboard(records, frozen())
    assert board["loss"].tolist() == ["good", FROZEN, "frail", "dead"]
    assert board["failures"].tolist() == [0, 0, 1, 3]
    assert board["runs"].tolist() == [3, 0, 3, 3]
    found = rows(board)
    assert found["emoji", "frail", 0]["recall_at_1"] == 90
    assert math.isnan(found["emoji", "dead", 0]["recall_at_1"])


def test_drop_uses_the_seeds_that_finished_both_runs():
    records = table(("pfml", 0, [0.5, None, 0.7]), ("pfml", 0.2, [0.4, 0.1, None]))
    mine = rows(leaderboard(records, frozen()))["emoji", "pfml", 0.2]
    assert mine["drop_from_clean"] == pytest.approx(10)
    assert math.isnan(mine["drop_low"])


def test_gain_over_the_frozen_backbone():
    records = table(("up", 0, [0.5, 0.6]), ("down", 0, [0.3, 0.3]))
    board = rows(leaderboard(records, frozen(0.4)))
    assert board["emoji", "up", 0]["gain_over_frozen"] == pytest.approx(15)
    assert board["emoji", "down", 0]["gain_over_frozen"] == pytest.approx(-10)
    assert board["emoji", FROZEN, 0]["recall_at_1"] == pytest.approx(40)
    assert board["emoji", FROZEN, 0]["gain_over_frozen"] == 0


def test_order_is_data_set_noise_and_recall():
    parts = [
        table(("a", 0, [0.5]), ("b", 0, [0.6]), ("a", 0.2, [0.5]), ("b", 0.2, [0.2]), dataset=name)
        for name in ("typefaces", "emoji")
    ]
    board = leaderboard(pd.concat(parts), pd.concat([frozen(dataset="emoji"), frozen(dataset="typefaces")]))
    found = list(zip(board["dataset"], board["noise_level"], board["loss"], strict=True))
    one = [(0, "b"), (0, "a"), (0, FROZEN), (0.2, "a"), (0.2, FROZEN), (0.2, "b")]
    assert found == [(name, *rest) for name in ("typefaces", "emoji") for rest in one]


def test_the_order_of_records_does_not_matter():
    records = table(("a", 0, [0.5, 0.4]), ("b", 0, [0.6, 0.7]), ("a", 0.2, [0.5, 0.3]), ("b", 0.2, [0.2, 0.2]))
    first = leaderboard(records, frozen())
    assert leaderboard(records.iloc[::-1], frozen()).equals(first)


def test_a_loss_is_tuned_if_all_its_runs_are():
    records = pd.concat([table(("a", 0, [0.5])), table(("b", 0, [0.5]), tuned=False)])
    board = rows(leaderboard(records, frozen()))
    assert board["emoji", "a", 0]["tuned"]
    assert not board["emoji", "b", 0]["tuned"]
