"""The tables of the first page: gains as computed by hand, sets of losses, what was handed in, and what is not there."""

import pandas as pd
import pytest

from suite.judging.leaderboard.table import leaderboard
from suite.report.site.gains import gain_tables, loss_set
from suite.settings.params import LossSettings
from tests.helpers.records import frozen, table
from tests.suite.report.site.project import FORMULA, recalls

DECLARED = {"pfml": LossSettings(), "triplet": LossSettings()}


def tables(*records, **more):
    every = pd.concat(records, ignore_index=True)
    board = leaderboard(every, pd.concat([frozen(0.4, name) for name in dict.fromkeys(every["dataset"])]))
    losses = [loss for loss in dict.fromkeys(board["loss"]) if loss != "frozen backbone"]
    return gain_tables(board.assign(**more), losses, DECLARED)


def test_there_is_a_table_for_each_regime_and_track_that_has_records():
    found = tables(recalls("frozen", "tuned"), recalls("frozen", "paper_values"), recalls("finetuned", "tuned"))
    assert [(each.regime, each.track) for each in found] == [
        ("frozen", "tuned"),
        ("frozen", "paper_values"),
        ("finetuned", "tuned"),
    ]
    assert found[0].about.startswith("An embedding layer learns on frozen features. Hyper-parameters: the best of")
    assert gain_tables(pd.DataFrame(), [], {}) == []


def test_gains_are_points_of_recall_above_the_frozen_backbone_with_half_the_interval():
    """R@1 of .60, .602 and .604 over .4: a gain of 20.2; sd .2 points, t(2) at 97.5 % 4.303, so +- .50."""
    (found,) = tables(recalls("frozen", "tuned"))
    assert found.datasets == [("emoji", 2), ("furniture", 2)]
    assert found.levels == ["noise 0", "noise 0.2"] * 2
    triplet = next(row for row in found.rows if row.loss == "triplet")
    assert [cell.gain for cell in triplet.cells] == ["+20.20 ± 0.50", "+10.20 ± 0.50", "+15.20 ± 0.50", "+5.20 ± 0.50"]
    assert {(cell.rank, cell.tied) for cell in triplet.cells} == {("1", True)}
    assert found.frozen == ["40.00"] * 4
    assert [row.loss for row in found.rows] == ["triplet", "smooth_ap", "pfml", FORMULA]


def test_a_loss_that_did_not_finish_or_was_not_run_says_so():
    runs = table(("pfml", 0, [0.5, 0.51, 0.52]), ("triplet", 0, [None, None, None]), ("smooth_ap", 0, [0.6, None, 0.6]))
    (found,) = tables(runs, table(("pfml", 0.2, [0.5, 0.51, 0.52])))
    shown = {row.loss: row.cells for row in found.rows}
    assert shown["triplet"][0].gain == "no run finished"
    assert shown["triplet"][1].gain == "–"
    assert shown["triplet"][1].gap
    assert shown["smooth_ap"][0].gain == "+20.00 (no interval) (2 of 3 runs)"  # both runs gave .6
    assert not shown["smooth_ap"][0].tied


@pytest.mark.parametrize(
    ("loss", "declared", "told"),
    [
        ("triplet", None, "default"),
        ("smooth_ap", None, "extended"),
        ("mine", None, "others"),
        ("triplet", LossSettings(target="my.py:Triplet"), "others"),
        ("smooth_ap", LossSettings(), "extended"),
    ],
)
def test_losses_are_default_extended_or_of_people(loss, declared, told):
    assert loss_set(loss, {} if declared is None else {loss: declared}) == told


def test_rows_that_were_handed_in_are_told_apart():
    (found,) = tables(recalls("frozen", "tuned"), handed_in=[None, "spot-checked"] * 10)
    marks = {row.loss: row.marks for row in found.rows}
    assert any(marks.values())
    (plain,) = tables(recalls("frozen", "tuned"))
    assert not any(row.marks for row in plain.rows)
