"""A stage of runs: the same bytes for any number of workers, failures kept, resumption after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from suite.config.cells import tuned_plan_path, write_cell
from suite.config.grid import CURVES_NAME, EMBEDDINGS_NAME, RECORDS_NAME, RUNS_FOLDER, Cell, runs_folder
from suite.errors import SuiteError
from suite.features.store import features_path, save_features
from suite.randomness import torch_seed
from suite.training.cell import PARTIAL_FOLDER, forget, run_all, run_cell
from suite.training.run import Run
from tests.suite.synthetic import RECIPE, cell_plan, json_rows, make_features, own_loss, silent

ROOT = Path(__file__).parents[3]
CELL = "emoji-contrastive-0.2"
OWN = "emoji-own-0.2"
EMBEDDINGS = runs_folder(CELL) / EMBEDDINGS_NAME

COUNTING = """open("runs.txt", "a").write("x") if self.calls == 1 else None
time.sleep(0.02)
return value"""
"""Marks each run that begins, and takes its time."""


@pytest.fixture(autouse=True)
def features(workplace):
    """The features of emoji, in an empty current folder."""
    save_features(features_path("emoji"), make_features())


def outputs(name):
    """Bytes of what a stage leaves behind, times aside."""
    found = {path.name: path.read_bytes() for path in runs_folder(name).iterdir()}
    assert found.keys() == {RECORDS_NAME, CURVES_NAME, EMBEDDINGS_NAME}
    return found


def run(plan=None, name=CELL, levels=(0.2,)):
    """Run a stage in this process and give what it printed."""
    console = silent()
    run_cell(name, plan or replace(cell_plan(), seeds=3), levels, console)
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


def test_several_noise_levels_in_one_stage(one_worker):
    """Each row is what a stage of its own would have given; embeddings are kept for the tuned track alone."""
    plan = replace(cell_plan(), seeds=2, track="published")
    printed = run(plan, "published-emoji-contrastive", (0, 0.4))
    rows = read_records("published-emoji-contrastive")
    assert [(row["noise_level"], row["seed"]) for row in rows] == [(0, 0), (0, 1), (0.4, 0), (0.4, 1)]
    assert {row["track"] for row in rows} == {"published"}
    assert "published-emoji-contrastive noise 0.4 seed 1: R@1" in printed
    run(plan, "apart", (0.4,))
    assert read_records("apart") == rows[2:]
    folder = runs_folder("published-emoji-contrastive")
    assert not (folder / EMBEDDINGS_NAME).exists()
    curves = json_rows(folder / CURVES_NAME)
    keys = [(level, seed, epoch) for level in (0, 0.4) for seed in (0, 1) for epoch in range(1, 5)]
    assert [(row["noise_level"], row["seed"], row["epoch"]) for row in curves] == keys
    times = json.loads(Path("times/published-emoji-contrastive.json").read_text())
    names = ["noise 0 seed 0", "noise 0 seed 1", "noise 0.4 seed 0", "noise 0.4 seed 1"]
    assert list(times["runs"]) == names


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
    run(plan, OWN)
    assert not (PARTIAL_FOLDER / OWN).exists()
    assert "resuming" not in run(plan, OWN)
    assert Path("runs.txt").read_text() == "x" * 6


def test_a_failed_seed_is_a_record_and_the_others_are_kept(one_worker):
    body = "bad = 9 if torch.initial_seed() == SEED else -1\nreturn value * (float('nan') if self.calls == bad else 1)"
    plan = own_plan(body.replace("SEED", str(torch_seed("loss", "emoji", 1))))
    printed = run(plan, OWN)
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
        patch.setattr("suite.training.cell.write_lines", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
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
    assert "resuming" not in run(levels=(0.4,))


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
        run(replace(cell_plan(), source_sha256="another"))


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
    run(plan, Cell("emoji", "own", 0.2).name)
    assert outputs(OWN) == resumed


def start_stage(**options):
    environment = os.environ | {"SUITE_WORKERS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", "from suite.cli import main; main()", "train", "emoji", "own", "0.2"]
    return subprocess.Popen(command, env=environment, **options)
