"""Cells of the leaderboard and names of files."""

import pytest

from suite.judging.leaderboard.table import FROZEN
from suite.report.site.cells import (
    LAST,
    drop_cell,
    failures_cell,
    gain_cell,
    in_tie_group,
    mean_cell,
    metric_cell,
    rank_cell,
)
from suite.report.site.pages import slug


def test_an_interval_that_is_not_symmetric_is_shown_by_its_ends():
    row = {"m": 50.0, "low": 49.0, "high": 51.0}
    assert mean_cell(row, "m", "low", "high").text == "50.00 ± 1.00"
    assert mean_cell(row | {"high": 53.0}, "m", "low", "high").text == "50.00 [49.00, 53.00]"
    assert mean_cell(row | {"high": None}, "m", "low", "high").text == "50.00"


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_mean_that_is_absent_sorts_behind_all_others(value):
    cell = mean_cell({"m": value}, "m", "low", "high")
    assert (cell.text, cell.order) == ("–", -LAST)
    assert gain_cell({"loss": "pfml", "gain_over_frozen": value}).order == -LAST


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"loss": "pfml", "runs": 5, "failures": 0}, "not measured"),
        ({"loss": "pfml", "runs": 5, "failures": 5}, "–"),
        ({"loss": FROZEN, "runs": 0, "failures": 0}, "not measured"),
        ({"loss": "pfml", "runs": 5, "failures": 0, "m": 50.0}, "50.00"),
    ],
)
def test_a_metric_that_finished_runs_do_not_have_was_not_measured(row, text):
    assert metric_cell(row, "m").text == text


def test_a_drop_is_told_of_noisy_labels_alone():
    row = {"noise_level": 0.2, "drop_from_clean": 3.0, "drop_low": 2.0, "drop_high": 4.0}
    assert drop_cell(row).text == "3.00 ± 1.00"
    assert drop_cell(row | {"noise_level": 0.0}).text == "–"


def test_ranks_sort_by_their_best_end_first():
    cells = [
        rank_cell({"rank_low": low, "rank_high": high}) for low, high in ((1, 1), (1, 3), (2, 2), (float("nan"), 1))
    ]
    assert [cell.text for cell in cells] == ["1", "1–3", "2", "–"]
    assert [cell.order for cell in cells] == sorted(cell.order for cell in cells)


@pytest.mark.parametrize(("flag", "holds"), [(True, True), (False, False), (None, False), (float("nan"), False)])
def test_only_a_set_flag_makes_a_tie_group(flag, holds):
    assert in_tie_group({"ties_best": flag}) is holds


def test_failures_are_counted_of_all_runs():
    assert failures_cell({"loss": "pfml", "failures": 2, "runs": 5}).text == "2 of 5"


def test_names_that_settings_allow_are_file_names_and_others_differ():
    assert slug("proxy_anchor") == "proxy_anchor"
    hostile = [slug(name) for name in ("<b>", "../b", "b ", "")]
    assert len(set(hostile)) == 4
    assert all(name.replace("-", "").isalnum() for name in hostile)
