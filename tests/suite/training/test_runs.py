"""A stage of runs: the same bytes for any number of workers, failures kept, resumption after a kill."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from suite.settings.feature_paths import features_path
from suite.settings.grid import CURVES_NAME, EMBEDDINGS_NAME, RECORDS_NAME, RUNS_FOLDER, Cell, runs_folder
from suite.training.outcome import Run
from suite.training.runs import run_all

from suite.data.features import save_features
from suite.errors import SuiteError
from suite.randomness import torch_seed
from suite.settings.plans import tuned_plan_path, write_cell
from suite.training.cache import PARTIAL_FOLDER, forget
from suite.training.stage import run_cell
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import RECIPE, cell_plan, json_rows, make_features, own_loss, silent

CELL = "emoji-contrastive-0.2"
OWN = "emoji-own-0.2"
EMBEDDINGS = runs_folder(CELL) / EMBEDDINGS_NAME

COUNTING = """open("runs.txt", "a").write("x") if self.calls == 1 else None
time.sleep(0.02)
return value"""
"""Marks each run that begins, and takes its time."""
BREAKS_IN_ITS_FOURTH_RUN = """open("runs.txt", "a").write("x") if self.calls == 1 else None
assert len(open("runs.txt").read()) <= 3, "the fourth run"
return value"""


@pytest.fixture(autouse=True)
def features(workplace):
    """The features of emoji, in an empty current folder."""
    save_features(features_path("emoji"), make_features())


def outputs(name):
    """Bytes of what a stage leaves behind, times aside."""
    found = {path.name: path.read_bytes() for path in runs_folder(name).iterdir()}
    assert found.keys() == {RECORDS_NAME, CURVES_NAME, EMBEDDINGS_NAME}
    return found


def run(plan=None, cell=None, ahead=()):
    """Run a stage in this process and give what it printed."""
    console = silent()
    plan = plan or replace(cell_plan(), seeds=3)
    run_cell(cell or Cell("emoji", plan.loss, 0.2), plan, console, ahead)
    return console.file.getvalue()


def own_plan(body):
    """Three seeds of an own loss."""
    return replace(cell_plan("own", own_loss(body)), seeds=3)


def read_records(name=CELL):
    return json_rows(runs_folder(name) / RECORDS_NAME)


def test_the_same_bytes_for_any_number_of_workers(monkeypatch):
    found = []
    for workers in ("1", "2", "3"):
        monkeypatch.setenv("SUITE_WORKERS", workers)
        run()
        found.append(outputs(CELL))
    assert found[0] == found[1] == found[2]
    rows = read_records()
    assert [row["seed"] for row in rows] == [0, 1, 2]
    assert len({row["noise_sha256"] for row in rows}) == 3
    assert len({row["metrics"]["map_at_r"] for row in rows}) == 3


def test_curves_and_times_of_all_runs(one_worker):
    run()
    keys = [(0.2, seed, epoch) for seed in range(3) for epoch in range(1, 5)]
    curves = json_rows(runs_folder(CELL) / CURVES_NAME)
    assert [(row["noise_level"], row["seed"], row["epoch"]) for row in curves] == keys
    times = json.loads(Path(f"times/{CELL}.json").read_text())
    assert list(times["runs"]) == ["noise 0.2 seed 0", "noise 0.2 seed 1", "noise 0.2 seed 2"]


AHEAD = [Cell("emoji", "contrastive", level) for level in (0.0, 0.4)]


def test_other_noise_levels_are_trained_ahead_and_written_by_their_own_stages(one_worker):
    """In the same bytes as by stages that train them; once they are written, nothing is left of them."""
    alone = {}
    for cell in AHEAD:
        run(cell=cell)
        alone[cell.name] = outputs(cell.name)
        shutil.rmtree(cell.folder)
    printed = run(ahead=AHEAD)
    assert "emoji-contrastive-0.2 noise 0.4 seed 2: R@1" in printed
    assert not any(cell.folder.exists() for cell in AHEAD)
    for cell in AHEAD:
        assert run(cell=cell) == f"{cell.name}: all runs were done before\n"
        assert outputs(cell.name) == alone[cell.name]
        times = json.loads(Path(f"times/{cell.name}.json").read_text())
        assert all(seconds > 0 for seconds in times["runs"].values())
    assert not list(PARTIAL_FOLDER.iterdir())


def test_runs_ahead_that_are_kept_are_not_run_again(one_worker):
    cell = Cell("emoji", "own", 0.4)
    plan = own_plan('open("runs.txt", "a").write("x") if self.calls == 1 else None\nreturn value')
    run(plan, Cell("emoji", "own", 0.2), ahead=[cell])
    assert Path("runs.txt").read_text() == "x" * 6
    (PARTIAL_FOLDER / cell.name / "run-1.json").unlink()
    assert "noise 0.4 seed 0" not in run(plan, Cell("emoji", "own", 0.2), ahead=[cell])
    assert Path("runs.txt").read_text() == "x" * (6 + 3 + 1)
    run(plan, cell)
    assert Path("runs.txt").read_text() == "x" * 10


def test_a_run_ahead_that_raises_is_left_to_its_own_stage(one_worker):
    """Which says why; the stage at work has nothing to do with it."""
    cell = Cell("emoji", "own", 0.4)
    plan = own_plan(BREAKS_IN_ITS_FOURTH_RUN)
    printed = run(plan, Cell("emoji", "own", 0.2), ahead=[cell])
    assert printed.count("R@1") == 3
    assert len(read_records(OWN)) == 3
    with pytest.raises(AssertionError, match="the fourth run"):
        run(plan, cell)


def test_a_stage_whose_runs_were_done_ahead_does_not_load_torch(one_worker):
    (cell,) = AHEAD[:1]
    plan = replace(cell_plan(), seeds=3)
    write_cell(cell.plan, plan)
    run(plan, ahead=[cell])
    command = "import sys, suite.cli.main\nsuite.cli.app(standalone_mode=False)\nprint('torch' in sys.modules)"
    arguments = ["train", "emoji", "contrastive", "0"]
    done = subprocess.run([sys.executable, "-c", command, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{cell.name}: all runs were done before", "False"]
    assert len(read_records(cell.name)) == 3


def test_the_tuned_track_keeps_the_embeddings_of_its_first_seed_alone(one_worker):
    run()
    kept = load_file(EMBEDDINGS)
    runs_folder(CELL).rename("of_three")
    run(cell_plan())
    alone = load_file(EMBEDDINGS)
    assert all(np.array_equal(kept[name], alone[name]) for name in ("embeddings", "labels", "rows"))
    assert len(kept["labels"]) == 120


def test_nothing_is_left_over_and_a_second_run_computes_afresh(one_worker):
    plan = own_plan('open("runs.txt", "a").write("x") if self.calls == 1 else None\nreturn value')
    run(plan)
    assert not (PARTIAL_FOLDER / OWN).exists()
    assert "resuming" not in run(plan)
    assert Path("runs.txt").read_text() == "x" * 6


def test_a_failed_seed_is_a_record_and_the_others_are_kept(one_worker):
    body = "bad = 9 if torch.initial_seed() == SEED else -1\nreturn value * (float('nan') if self.calls == bad else 1)"
    plan = own_plan(body.replace("SEED", str(torch_seed("loss", "emoji", 1))))
    printed = run(plan)
    rows = read_records(OWN)
    assert [row["status"] for row in rows] == ["ok", "failed", "ok"]
    assert [row["failure"] for row in rows] == [None, "the loss became nan in epoch 2", None]
    assert "seed 1: failed, the loss became nan in epoch 2" in printed


def test_run_all_gives_outcomes_in_the_order_of_runs_and_forgets_when_told(monkeypatch):
    monkeypatch.setenv("SUITE_WORKERS", "2")
    plans = [cell_plan(), cell_plan(pos_margin=0.1)]
    runs = [Run(plan, level, 0) for plan in plans for level in (0.4, 0)]
    first = run_all("axis", runs, silent())
    rows = [(outcome.record["hyperparameters"], outcome.record["noise_level"]) for outcome in first]
    assert rows == [({}, 0.4), ({}, 0), ({"pos_margin": 0.1}, 0.4), ({"pos_margin": 0.1}, 0)]
    console = silent()
    assert run_all("axis", runs, console) == first
    assert console.file.getvalue() == "axis: resuming, runs [0, 1, 2, 3] are done\n"
    forget("axis")
    console = silent()
    again = run_all("axis", runs, console)
    assert [outcome.record for outcome in again] == [outcome.record for outcome in first]
    assert "resuming" not in console.file.getvalue()
    assert not RUNS_FOLDER.exists()


def keep_partial(monkeypatch):
    """Run the stage up to its outputs, so that all its runs are kept but none is written."""
    with monkeypatch.context() as patch:
        patch.setattr("suite.training.cache.write_lines", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run()
    assert len(list((PARTIAL_FOLDER / CELL).glob("run-*.json"))) == 3


def test_finished_runs_are_resumed(one_worker, monkeypatch):
    run()
    undisturbed = outputs(CELL)
    keep_partial(monkeypatch)
    (PARTIAL_FOLDER / CELL / "run-1.json").unlink()
    printed = run()
    assert "resuming, runs [0, 2] are done" in printed
    assert "seed 1: R@1" in printed
    assert "seed 0: R@1" not in printed
    assert outputs(CELL) == undisturbed


def test_a_run_whose_embeddings_are_gone_is_computed_again(one_worker, monkeypatch):
    keep_partial(monkeypatch)
    (PARTIAL_FOLDER / CELL / EMBEDDINGS_NAME).unlink()
    assert "resuming, runs [1, 2] are done" in run()
    assert EMBEDDINGS.is_file()


@pytest.mark.parametrize(
    "change",
    [
        {"hyperparameters": {"pos_margin": 0.1}},
        {"recipe": RECIPE.model_copy(update={"learning_rate": 0.02})},
        {"code_sha256": "other"},
        {"noise_kind": "small_cluster"},
        {"validation_epoch": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_runs_of_another_plan_are_not_resumed(one_worker, monkeypatch, change):
    keep_partial(monkeypatch)
    assert "resuming" not in run(replace(cell_plan(), seeds=3, **change))


def test_runs_of_another_noise_level_are_not_resumed(one_worker, monkeypatch):
    keep_partial(monkeypatch)
    assert "resuming" not in run(cell=Cell("emoji", "contrastive", 0.4))


def test_more_seeds_take_up_those_that_are_done(one_worker, monkeypatch):
    """How many other seeds there are is nothing that a run depends on."""
    keep_partial(monkeypatch)
    assert "resuming, runs [0, 1, 2] are done" in run(replace(cell_plan(), seeds=4))


def test_runs_of_other_features_are_not_resumed(one_worker, monkeypatch):
    keep_partial(monkeypatch)
    save_features(features_path("emoji"), make_features(seed=1))
    assert "resuming" not in run()


def test_code_changed_since_the_plan():
    with pytest.raises(
        SuiteError, match=r"loss contrastive: its code .* has changed since the plan was made; run: suite plan"
    ):
        run(replace(cell_plan(), loss_sha256="another"))


def test_a_damaged_partial_is_computed_again(one_worker, monkeypatch):
    keep_partial(monkeypatch)
    (PARTIAL_FOLDER / CELL / "run-1.json").write_text("{")
    assert "resuming, runs [0, 2] are done" in run()


def test_no_features():
    Path("features/emoji.safetensors").unlink()
    with pytest.raises(SuiteError, match=r"feature file features/emoji\.safetensors is missing; .* features@emoji"):
        run()


def test_a_killed_stage_resumes_and_ends_in_the_same_bytes(monkeypatch):
    """SIGKILL of a real ``suite train`` after its first seed."""
    plan = own_plan(COUNTING)
    write_cell(tuned_plan_path("emoji", "own"), plan)
    process = start_stage()
    first = PARTIAL_FOLDER / OWN / "run-0.json"
    try:
        deadline = time.monotonic() + 120
        while not first.is_file():
            assert process.poll() is None, "the stage ended by itself"
            assert time.monotonic() < deadline, "no seed finished in time"
            time.sleep(0.01)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not RUNS_FOLDER.exists()
    kept = json.loads(first.read_text())
    time.sleep(0.5)  # its worker ends by itself
    begun = Path("runs.txt").read_text()
    done = len(list(first.parent.glob("run-*.json")))

    second = start_stage(stdout=subprocess.PIPE, text=True)
    printed = second.communicate(timeout=300)[0]
    assert second.returncode == 0
    assert f"resuming, runs {list(range(done))} are done" in printed
    assert len(Path("runs.txt").read_text()) == len(begun) + 3 - done
    assert read_records(OWN)[0] == kept["record"]
    resumed = outputs(OWN)

    monkeypatch.setenv("SUITE_WORKERS", "3")
    run(plan)
    assert outputs(OWN) == resumed


def start_stage(**options):
    environment = os.environ | {"SUITE_WORKERS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", "from suite.cli.main import main; main()", "train", "emoji", "own", "0.2"]
    return subprocess.Popen(command, env=environment, **options)
