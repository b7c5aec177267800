"""The stage of influence: what it measures, what it takes from git, what it leaves for the site."""

import json
import shutil
from pathlib import Path

import pytest

from suite.errors import SuiteError
from suite.files import write_json
from suite.losses.influence import kept
from suite.losses.influence.kept import as_plan, wanted
from suite.losses.registry import BUILT_IN, load_target
from suite.report.influence import measured_curves, write_influence
from suite.settings.paths import INFLUENCE_CURVES, INFLUENCE_FILE, INFLUENCE_PLAN, INFLUENCE_REASONS
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import own_loss, silent


@pytest.fixture(autouse=True)
def few(workplace, monkeypatch, one_worker):
    """Few distances, and the figures in git."""
    monkeypatch.setattr(kept, "DISTANCES", (0.1, 1.0))
    INFLUENCE_FILE.parent.mkdir(parents=True)
    shutil.copy(ROOT / INFLUENCE_FILE, INFLUENCE_FILE)


def plan(**losses):
    """Write the plan of losses, each a target with values."""
    entries = [(load_target(name, target), values) for name, (target, values) in losses.items()]
    write_json(INFLUENCE_PLAN, as_plan([wanted(entry, values, 8) for entry, values in entries]))


def stage():
    console = silent()
    write_influence(console)
    return console.file.getvalue()


def test_what_git_has_is_not_measured(workplace):
    plan(
        pfml=(BUILT_IN["pfml"], {}),
        triplet=(BUILT_IN["triplet"], {"margin": 0.4}),
        own=(own_loss("return value"), {}),
        bad=(own_loss("raise KeyError('w')", "bad"), {}),
    )
    printed = stage()
    assert [line for line in printed.splitlines() if line.startswith("influence of")] == [
        "influence of triplet: measured",
        "influence of own: measured",
        "influence of bad: cannot be measured",
    ]
    curves, reasons = measured_curves()
    assert list(dict.fromkeys(curves["loss"])) == ["triplet", "own"]
    assert list(reasons) == ["bad"]
    assert "KeyError: 'w' (bad.py" in reasons["bad"]
    before = INFLUENCE_CURVES.read_bytes(), INFLUENCE_REASONS.read_bytes()
    assert stage().count("measured before") == 3
    assert (INFLUENCE_CURVES.read_bytes(), INFLUENCE_REASONS.read_bytes()) == before


def test_nothing_to_measure_leaves_whole_files():
    plan(pfml=(BUILT_IN["pfml"], {}))
    stage()
    curves, reasons = measured_curves()
    assert (len(curves), reasons) == (0, {})


def test_what_is_missing_or_changed_is_told():
    with pytest.raises(SuiteError, match=r"plan/influence\.json is missing; run: suite plan"):
        stage()
    plan(own=(own_loss("return value"), {}))
    own_loss("return 2 * value")
    with pytest.raises(
        SuiteError, match=r"code of loss own \(my_losses/own\.py:Own\) has changed since the plan was made"
    ):
        stage()
    INFLUENCE_PLAN.write_text(json.dumps({"losses": [{"loss": "own"}]}))
    with pytest.raises(SuiteError, match=r"plan/influence\.json is damaged"):
        stage()
    assert not INFLUENCE_CURVES.exists()


@pytest.mark.parametrize(("path", "content"), [(INFLUENCE_CURVES, "loss,pair\n"), (INFLUENCE_REASONS, "[]")])
def test_damaged_files_are_told(path, content):
    path.parent.mkdir()
    Path(path).write_text(content)
    with pytest.raises(SuiteError, match=r"influence holds no influence curves; delete it and run: suite influence"):
        measured_curves()


def test_where_nothing_was_measured():
    assert measured_curves() == (None, {})
