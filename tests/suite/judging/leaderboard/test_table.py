"""Leaderboard rows against values computed by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from suite.errors import SuiteError
from suite.judging.leaderboard.table import FROZEN, leaderboard
from tests.helpers.records import QUERIES, frozen, table

T_2 = 4.302652729911275
"""97.5 % quantile of Student's t with 2 degrees of freedom, from a printed table."""


def rows(board, track="tuned"):
    board = board[board["track"] == track]
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
    assert mine["drop_from_clean"] == 0


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


def test_a_loss_is_tuned_if_its_track_is_and_no_run_says_otherwise():
    parts = [
        table(("a", 0, [0.5])),
        table(("b", 0, [0.5]), hyperparameter_source="params.yaml"),
        table(("a", 0, [0.5]), track="paper_values"),
    ]
    board = leaderboard(pd.concat(parts), frozen())
    assert rows(board)["emoji", "a", 0]["tuned"]
    assert not rows(board)["emoji", "b", 0]["tuned"]
    assert not rows(board, "paper_values")["emoji", "a", 0]["tuned"]


def test_tracks_are_tables_of_their_own_and_tuned_comes_first():
    published = table(("a", 0, [0.5, 0.5]), ("a", 0.2, [0.2, 0.2]), track="paper_values")
    tuned = table(("a", 0, [0.7, 0.7]), ("a", 0.2, [0.6, 0.6]), ("b", 0, [0.8, 0.8002]), ("b", 0.2, [0.8, 0.8]))
    board = leaderboard(pd.concat([published, tuned]), frozen())
    assert board["track"].tolist() == ["tuned"] * 6 + ["paper_values"] * 4
    assert rows(board, "paper_values")["emoji", "a", 0.2]["drop_from_clean"] == pytest.approx(30)
    assert rows(board)["emoji", "a", 0.2]["drop_from_clean"] == pytest.approx(10)
    assert rows(board, "paper_values")["emoji", "a", 0]["rank_high"] == 1
    assert rows(board)["emoji", "a", 0]["rank_low"] == 2


def test_standing_is_that_of_the_paired_differences():
    first = [0.50, 0.60, 0.55]
    cells = ("a", 0, first), ("b", 0, [0.45, 0.55, 0.5001]), ("c", 0, [0.4502, 0.5499, 0.4999])
    board = rows(leaderboard(table(*cells), frozen()))
    spans = {
        loss: (int(board["emoji", loss, 0]["rank_low"]), int(board["emoji", loss, 0]["rank_high"])) for loss in "abc"
    }
    assert spans == {"a": (1, 1), "b": (2, 3), "c": (2, 3)}
    assert [board["emoji", loss, 0]["ties_best"] for loss in "abc"] == [True, False, False]
    assert 4.9 < board["emoji", "b", 0]["behind_low"] < 5 < board["emoji", "b", 0]["behind_high"] < 5.1
    assert not board["emoji", FROZEN, 0]["ties_best"]
    assert pd.isna(board["emoji", FROZEN, 0]["rank_low"])


def test_one_seed_leaves_all_ranks_open():
    board = rows(leaderboard(table(("a", 0, [0.9]), ("b", 0, [0.1])), frozen()))
    assert all((board["emoji", loss, 0]["rank_low"], board["emoji", loss, 0]["rank_high"]) == (1, 2) for loss in "ab")
    assert not board["emoji", "b", 0]["ties_best"]
    assert not rows(leaderboard(table(("a", 0, [0.9])), frozen()))["emoji", "a", 0]["ties_best"]


def test_failed_runs_never_help_a_loss():
    """Whatever the runs that finished are worth, a loss ends no better than if it had finished them all."""
    others = ("a", 0, [0.50, 0.51, 0.52]), ("b", 0, [0.40, 0.411, 0.42])
    whole = rows(leaderboard(table(*others, ("mine", 0, [0.60, 0.6101, 0.62])), frozen()))["emoji", "mine", 0]
    assert (whole["rank_low"], whole["rank_high"], whole["ties_best"]) == (1, 1, True)
    for runs in ([0.60, 0.61, None], [0.99, None, None], [None, None, None]):
        board = rows(leaderboard(table(*others, ("mine", 0, runs)), frozen()))
        mine = board["emoji", "mine", 0]
        assert (mine["rank_low"], mine["rank_high"], mine["ties_best"]) == (3, 3, False)
        assert math.isnan(mine["behind_high"])
        assert (board["emoji", "a", 0]["rank_low"], board["emoji", "a", 0]["rank_high"]) == (1, 1)


def test_losses_with_failed_runs_share_the_last_ranks():
    cells = ("a", 0, [0.5, 0.6]), ("one", 0, [0.9, None]), ("two", 0, [None, None])
    board = leaderboard(table(*cells), frozen())
    assert board["loss"].tolist() == ["a", FROZEN, "one", "two"]
    assert [(row["rank_low"], row["rank_high"]) for row in board.to_dict("records") if row["failures"]] == [(2, 3)] * 2
    nobody = leaderboard(table(*cells[1:]), frozen())
    assert not nobody["ties_best"].any()
    assert nobody["rank_low"].dropna().tolist() == [1, 1]


def test_the_error_over_classes_is_that_of_the_mean_over_seeds():
    records = table(("a", 0, [0.5, 0.52, None]))
    hits = (np.array(records["class_hits"][0]) + np.array(records["class_hits"][1])) / 2
    mine = rows(leaderboard(records, frozen()))["emoji", "a", 0]
    # Four classes of one size: the standard error of their mean share.
    assert mine["class_error"] == pytest.approx(100 * stats.sem(hits / QUERIES), abs=1e-4)
    half = stats.t.ppf(0.975, 3) * mine["class_error"]
    assert (mine["class_low"], mine["class_high"]) == pytest.approx((51 - half, 51 + half), abs=1e-3)
    dead = rows(leaderboard(table(("a", 0, [None])), frozen()))["emoji", "a", 0]
    assert math.isnan(dead["class_error"])


def test_losses_with_other_seeds_are_refused():
    records = table(("a", 0, [0.5, 0.6]), ("b", 0, [0.5]))
    with pytest.raises(SuiteError, match="not paired: b lacks seed 1"):
        leaderboard(records, frozen())


def test_regimes_are_tables_of_their_own():
    head = table(("a", 0, [0.7, 0.71]), ("a", 0.2, [0.6, 0.6]), ("b", 0, [0.8, 0.8]), ("b", 0.2, [0.5, 0.5]))
    network = table(("a", 0, [0.9, 0.9]), ("a", 0.2, [0.5, 0.5]), regime="finetuned")
    board = leaderboard(pd.concat([network, head]), frozen())
    assert board["regime"].tolist() == ["frozen"] * 6 + ["finetuned"] * 4
    found = {(row.regime, row.loss, row.noise_level): row for row in board.itertuples()}
    assert found["finetuned", "a", 0.2].drop_from_clean == pytest.approx(40)
    assert found["frozen", "a", 0.2].drop_from_clean == pytest.approx(10.5)
    assert found["finetuned", "a", 0].rank_high == 1


def test_kinds_of_noise_are_tables_of_their_own():
    other = table(("a", 0.2, [0.3, 0.3]), noise_kind="small_cluster")
    board = leaderboard(pd.concat([table(("a", 0.2, [0.5, 0.5])), other]), frozen())
    found = board[board["loss"] == "a"].set_index("noise_kind")["recall_at_1"]
    assert found.to_dict() == {"small_cluster": pytest.approx(30), "symmetric": pytest.approx(50)}


def test_a_metric_that_a_loss_did_not_measure_is_nan_there_and_a_mean_elsewhere():
    records = pd.concat([table(("a", 0, [0.5, 0.6])), table(("b", 0, [0.4, 0.5]), metrics={"recall_at_10": 0.9})])
    board = leaderboard(records, frozen())
    assert board.set_index("loss")["recall_at_10"].to_dict() == {
        "a": pytest.approx(math.nan, nan_ok=True),
        FROZEN: pytest.approx(math.nan, nan_ok=True),
        "b": pytest.approx(90),
    }
    assert "recall_at_100" not in board
    assert leaderboard(table(("a", 0, [0.5, 0.6])), frozen().drop(columns="map_at_r"))["map_at_r"].notna().sum() == 1


def test_a_board_of_failed_runs_alone_has_the_frozen_backbone():
    board = rows(leaderboard(table(("a", 0, [None, None])), frozen(0.4)))
    assert board["emoji", FROZEN, 0]["recall_at_1"] == pytest.approx(40)
    assert math.isnan(board["emoji", "a", 0]["recall_at_1"])
    assert math.isnan(board["emoji", "a", 0]["gain_over_frozen"])


def test_two_runs_of_one_seed_are_refused():
    records = pd.concat([table(("a", 0, [0.5, 0.6])), table(("a", 0, [0.6, 0.7]), backbone="resnet50")])
    with pytest.raises(SuiteError, match="a has two runs with seed 0 in the table frozen, tuned, emoji, symmetric"):
        leaderboard(records, frozen())
