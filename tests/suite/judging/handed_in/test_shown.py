"""Wherever a loss that was handed in is shown, it is told apart; and what is said to be found does not depend on it."""

import csv
import re
from pathlib import Path

import pandas as pd
import pytest

from suite.hashing import sha256_file
from suite.judging.handed_in.merge import merge
from suite.judging.leaderboard.table import leaderboard
from suite.report.finding import findings
from suite.report.leaderboard import write_leaderboard
from suite.settings.params import load_settings
from tests.helpers.records import frozen, table

TOLD = "handed in"
TABLE = {"regime": "frozen", "track": "tuned", "dataset": "emoji", "noise_kind": "symmetric", "noise_level": 0.2}


@pytest.fixture
def shown(board, submitted, typed):
    """A board with a handed-in loss, its site and appendices on that loss and on the board's own."""
    merge([submitted / "own.zip"], load_settings())
    write_leaderboard(load_settings())
    commands = ("site",), ("report", "own", "--folder", "of-own"), ("report", "triplet", "--folder", "of-triplet")
    for command in commands:
        status, printed = typed(*command)
        assert status == 0, printed
    return board


def read_rows(path):
    with Path(path).open() as file:
        return list(csv.DictReader(file))


def test_it_is_told_apart_everywhere(shown, typed, submitted):
    digest = sha256_file(submitted / "own.zip")
    site = Path("results/site")
    page = (site / "loss-own.html").read_text()
    for text in ("not rerun", digest, "MIT", "Version of the suite", "Processors", "losses/own.py:Own"):
        assert text in page
    assert "Search space and trials on emoji" in page
    assert "Not run." not in page
    assert "w (1 - &lt;z, z&#39;&gt;) over pairs of one class" in page  # read from the class, and no markup
    for text in ("An author, On compactness, 2026", "<dt>Author</dt><dd>An author</dd>", "<dt>To cite</dt>"):
        assert text in page
    assert "handed in, not rerun" in (site / "losses.html").read_text()
    front = (site / "index.html").read_text()
    assert front.count(TOLD) >= 2  # table and legend
    assert '"strokeDash":{"condition":{"test":"datum.theirs"' in front  # as JSON within the page
    assert {row[-1] for row in re.findall(r"recall_at_1,own,[^\\]*", front)} == {"1"}
    assert {row[-1] for row in re.findall(r"recall_at_1,(?!own,)[^\\]*", front)} == {"0"}
    assert "own (handed in)" in Path("results/noise.svg").read_text()
    assert {row["loss"]: row["handed_in"] for row in read_rows("results/verdicts.csv")} == {"own": "not rerun"}
    assert {row["handed_in"] for row in read_rows("results/comparisons.csv")} == {"not rerun"}
    status, printed = typed("compare", "own")
    assert (status, "own was handed in (frozen, tuned): not rerun." in printed) == (0, True)
    for folder in ("of-own", "of-triplet"):
        text = Path(folder, "appendix.md").read_text()
        assert "own (handed in, not rerun)" in text
        assert digest in text


def test_what_is_found_is_found_without_it():
    """A better loss of somebody else, of more trials and seeds and on other levels, changes no word of it."""
    place = {
        "regime": "frozen",
        "track": "tuned",
        "dataset": "emoji",
        "noise_kind": "symmetric",
        "runs": 5,
        "trials": 25,
        "searches": 2,
        "gain_over_frozen": 1.0,
        "failures": 0,
        "recall_at_1": 50.0,
        "ties_best": True,
    }
    rows = [place | {"loss": loss, "noise_level": 0.2} for loss in ("pfml", "triplet")]
    better = place | {"loss": "own", "noise_level": 0.2, "recall_at_1": 99.0}
    elsewhere = better | {"noise_level": 0.4, "runs": 9, "trials": 99, "dataset": "birds"}
    judged = [place | {"loss": "pfml", "against": "best baseline", "verdict": "behind", "noise_level": 0.2}]
    forged = place | {"loss": "pfml", "against": "best baseline", "verdict": "ahead", "noise_level": 0.4}
    alone = findings(pd.DataFrame(rows), pd.DataFrame(judged), None)
    marked = [
        pd.DataFrame(own + [other | {"handed_in": "not rerun"} for other in others]).fillna({"handed_in": ""})
        for own, others in ((rows, [better, elsewhere]), (judged, [forged]))
    ]
    assert [each.text() for each in findings(*marked, None)] == [each.text() for each in alone]
    assert "behind it in 1" in alone[0].comparisons


@pytest.mark.parametrize("shift", [0.1, 0.0, -0.2])
def test_who_may_be_the_best_is_said_without_it(shift):
    """It takes the first place, or a share of the level of error: among the others nothing changes."""
    losses = {"pfml": [0.40, 0.42, 0.41], "cpml": [0.42, 0.40, 0.416], "triplet": [0.20, 0.21, 0.205]}
    own = table(*((loss, 0.2, values) for loss, values in losses.items()))
    other = table(("own", 0.2, [each + shift for each in (0.44, 0.45, 0.445)]))
    both = pd.concat([own.assign(handed_in=""), other.assign(handed_in="not rerun")], ignore_index=True)
    judged = pd.DataFrame([TABLE | {"loss": "pfml", "against": "best baseline", "verdict": "behind"}])
    alone, with_it = leaderboard(own, frozen(0.3)), leaderboard(both, frozen(0.3))
    with_it["handed_in"] = with_it["loss"].map({"own": "not rerun"}).fillna("")
    assert set(with_it["ties_own"].dropna()) == {True, False}
    assert with_it.loc[with_it["loss"] == "own", "ties_own"].isna().all()
    told = [[each.under_noise for each in findings(board, judged, None)] for board in (alone, with_it)]
    assert told[0] == told[1]
    assert "not shown to be worse" in told[0][0]
