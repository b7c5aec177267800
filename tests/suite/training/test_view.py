"""The view of a train stage: live on a terminal, plain lines elsewhere."""

import io
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console
from suite.settings.feature_paths import features_path
from suite.training.outcome import Outcome, Run
from suite.training.time_left import After
from suite.training.view import RunsView

from suite.data.features import save_features
from suite.settings.plans import tuned_plan_path, write_cell
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import cell_plan, make_features, silent

STAGE = "emoji-contrastive-0.2"
AFTER = After(stages=2, seconds=100.0)
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
TRAIN = [sys.executable, "-c", "from suite.cli.main import main; main()", "train", "emoji", "contrastive", "0.2"]


def outcome(recall=None, failure=None):
    return Outcome({"failure": failure, "metrics": {} if recall is None else {"recall_at_1": recall}}, [], 1.5)


def runs(seeds=3, levels=(0.2,)):
    plan = replace(cell_plan(), seeds=seeds)
    return [Run(plan, level, seed) for level in levels for seed in range(seeds)]


def view_of(these, done, console):
    return RunsView(STAGE, these, [run.plan.recipe.epochs for run in these], done, console)


def terminal():
    return Console(file=io.StringIO(), force_terminal=True, width=120)


def shown(console):
    """What was printed since the last look, without escapes."""
    text = console.file.getvalue()
    console.file.truncate(console.file.seek(0))
    return ESCAPES.sub("", text)


def test_the_view_shows_what_runs_and_what_was_found():
    console = terminal()
    with view_of(runs(), {}, console) as view:
        shown(console)
        view.on_epoch((1, 3))
        text = shown(console)
        assert re.search(r"emoji contrastive noise 0.2 seed 1 \S+ 3/4 epochs", text)
        assert "seed 0" not in text
        assert "R@1 so far – (0 of 3 seeds) · left: 0:00:00" in text
        view.finish(1, outcome(0.4))
        text = shown(console)
        assert f"{STAGE} noise 0.2 seed 1: R@1 40.0 % in 1.5 s" in text
        assert "R@1 so far 40.0 % (1 of 3 seeds)" in text
        view.finish(0, outcome(failure="the loss became nan in epoch 2"))
        view.finish(2, outcome(0.5))
        assert "R@1 so far 45.0 % (3 of 3 seeds, 1 failed)" in shown(console)
    assert "━" not in shown(console).splitlines()[-1]


def test_the_mean_is_over_the_seeds_of_one_noise_level():
    console = terminal()
    with view_of(runs(2, (0.0, 0.4)), {}, console) as view:
        view.finish(0, outcome(0.9))
        view.finish(2, outcome(0.3))
        shown(console)
        view.finish(3, outcome(0.5))
        assert "R@1 so far 40.0 % (2 of 2 seeds)" in shown(console)


def test_what_an_interrupted_stage_left_counts_for_the_mean_and_not_for_the_time():
    console = terminal()
    with view_of(runs(2), {0: outcome(0.2)}, console) as view:
        view.on_epoch((1, 0))
        text = shown(console)
        assert f"{STAGE}: resuming, runs [0] are done" in text
        assert "R@1 so far 20.0 % (1 of 2 seeds) · left: –" in text


def test_the_whole_run_is_told_where_the_grid_has_more(workplace, monkeypatch):
    monkeypatch.setattr("suite.training.view.after_stage", lambda stage, ahead: {STAGE: AFTER}[stage])
    console = terminal()
    with view_of(runs(1), {}, console) as view:
        view.finish(0, outcome(0.5))
        assert "left: 0:00:00, whole run 0:01:40" in shown(console)


def test_elsewhere_there_are_plain_lines_only():
    console = silent()
    with view_of(runs(2), {0: outcome(0.2)}, console) as view:
        view.on_epoch((1, 3))
        view.finish(1, outcome(0.4))
    assert console.file.getvalue() == (
        f"{STAGE}: resuming, runs [0] are done\n{STAGE} noise 0.2 seed 1: R@1 40.0 % in 1.5 s\n"
    )


@pytest.fixture
def stage(workplace):
    """A settled cell and its features; how to start the program on them."""
    save_features(features_path("emoji"), make_features())
    write_cell(tuned_plan_path("emoji", "contrastive"), replace(cell_plan(), seeds=2))
    return os.environ | {"SUITE_WORKERS": "2", "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}


def test_a_real_terminal_has_the_live_view(stage):
    ours, theirs = pty.openpty()
    with subprocess.Popen(TRAIN, env=stage, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        text = b"".join(iter(lambda: _read(ours), b"")).decode()
    os.close(ours)
    assert process.returncode == 0, text
    assert re.search(r"emoji contrastive noise 0.2 seed [01] \S+ [1-4]/4 epochs", ESCAPES.sub("", text))
    assert re.search(r"R@1 so far \d+\.\d % \(2 of 2 seeds\) · left: 0:00:00", ESCAPES.sub("", text))


def _read(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux: the other side is closed
        return b""


def test_a_pipe_has_a_line_a_seed(stage):
    text = subprocess.run(TRAIN, env=stage, capture_output=True, text=True, check=True).stdout
    assert "\x1b" not in text
    assert sorted(re.sub(r"\d+\.\d", "N", line) for line in text.splitlines()) == [
        f"emoji-contrastive-N noise N seed {seed}: R@1 N % in N s" for seed in (0, 1)
    ]
