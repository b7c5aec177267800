"""A cell: the same bytes for any number of workers, failures kept, resumption after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from suite.config.grid import Cell
from suite.errors import SuiteError
from suite.training.cell import PARTIAL_FOLDER, load_plan, run_cell
from tests.suite.synthetic import CONTRASTIVE, RECIPE, cell_plan, json_rows, make_features, own_loss, silent, write_cell

ROOT = Path(__file__).parents[3]
CELL = Cell("emoji", "contrastive", 0.2)
OWN = Cell("emoji", "own", 0.2)

COUNTING = """open("runs.txt", "a").write("x") if self.calls == 1 else None
time.sleep(0.02)
return value"""
"""Marks each run that begins, and takes its time."""


def outputs(name):
    """Bytes of what a cell leaves behind, times aside."""
    return {folder: Path(folder, f"{name}.jsonl").read_bytes() for folder in ("records", "curves")}


def run(cell=CELL, seeds=3):
    """Run a cell in this process and give what it printed."""
    console = silent()
    run_cell(cell, "symmetric", seeds, console)
    return console.file.getvalue()


def test_the_same_bytes_for_any_number_of_workers(workplace, monkeypatch):
    write_cell(cell_plan())
    found = []
    for workers in ("1", "2", "3"):
        monkeypatch.setenv("SUITE_WORKERS", workers)
        run()
        found.append(outputs(CELL.name))
    assert found[0] == found[1] == found[2]
    rows = json_rows(Path("records/emoji-contrastive-0.2.jsonl"))
    assert [row["seed"] for row in rows] == [0, 1, 2]
    assert len({row["noise_sha256"] for row in rows}) == 3
    assert len({row["metrics"]["map_at_r"] for row in rows}) == 3


def test_curves_hold_each_epoch_of_each_seed(workplace, one_worker):
    write_cell(cell_plan())
    run(seeds=2)
    rows = json_rows(Path("curves/emoji-contrastive-0.2.jsonl"))
    assert [(row["seed"], row["epoch"]) for row in rows] == [(s, e) for s in (0, 1) for e in range(1, 5)]


def test_nothing_is_left_over_and_a_second_run_computes_afresh(workplace, one_worker):
    write_cell(
        cell_plan("own", own_loss('open("runs.txt", "a").write("x") if self.calls == 1 else None\nreturn value'))
    )
    run(OWN)
    assert not (PARTIAL_FOLDER / OWN.name).exists()
    assert "resuming" not in run(OWN)
    assert Path("runs.txt").read_text() == "x" * 6


def test_a_failed_seed_is_a_record_and_the_others_are_kept(workplace, one_worker):
    body = "bad = 9 if torch.initial_seed() == SEED else -1\nreturn value * (float('nan') if self.calls == bad else 1)"
    from suite.randomness import torch_seed

    write_cell(cell_plan("own", own_loss(body.replace("SEED", str(torch_seed("loss", "emoji", 1))))))
    printed = run(OWN)
    rows = json_rows(Path("records/emoji-own-0.2.jsonl"))
    assert [row["status"] for row in rows] == ["ok", "failed", "ok"]
    assert [row["failure"] for row in rows] == [None, "the loss became nan in epoch 2", None]
    assert "seed 1: failed, the loss became nan in epoch 2" in printed


def keep_partial(monkeypatch):
    """Run the cell up to its outputs, so that all its seeds are kept but none is written."""
    with monkeypatch.context() as patch:
        patch.setattr("suite.training.cell._write_outputs", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run()
    assert len(list((PARTIAL_FOLDER / CELL.name).iterdir())) == 3


def test_finished_seeds_are_resumed(workplace, one_worker, monkeypatch):
    write_cell(cell_plan())
    run()
    undisturbed = outputs(CELL.name)
    keep_partial(monkeypatch)
    (PARTIAL_FOLDER / CELL.name / "seed-1.json").unlink()
    printed = run()
    assert "resuming, seeds [0, 2] are done" in printed
    assert "seed 1: R@1" in printed
    assert "seed 0: R@1" not in printed
    assert outputs(CELL.name) == undisturbed


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: replace(plan, hyperparameters={"pos_margin": 0.1}),
        lambda plan: replace(plan, recipe=RECIPE.model_copy(update={"learning_rate": 0.02})),
    ],
    ids=["hyper-parameter", "recipe"],
)
def test_seeds_of_another_plan_are_not_resumed(workplace, one_worker, monkeypatch, change):
    plan = write_cell(cell_plan())
    keep_partial(monkeypatch)
    monkeypatch.setattr("suite.training.cell.load_plan", lambda *_: change(plan))
    assert "resuming" not in run()


def test_seeds_of_other_features_are_not_resumed(workplace, one_worker, monkeypatch):
    plan = write_cell(cell_plan())
    keep_partial(monkeypatch)
    write_cell(plan, make_features(seed=1))
    assert "resuming" not in run()


def test_no_plan(workplace):
    with pytest.raises(SuiteError, match=r"no plan for loss 'magic' on data set 'emoji' .*name both in params\.yaml"):
        load_plan("emoji", "magic")


def test_code_changed_since_the_plan(workplace):
    write_cell(replace(cell_plan(), source_sha256="another"))
    with pytest.raises(
        SuiteError, match=r"loss contrastive: its code .* has changed since the plan was made; run: suite plan"
    ):
        run()


def test_a_damaged_partial_is_computed_again(workplace, one_worker, monkeypatch):
    write_cell(cell_plan())
    keep_partial(monkeypatch)
    (PARTIAL_FOLDER / CELL.name / "seed-1.json").write_text("{")
    assert "resuming, seeds [0, 2] are done" in run()


def test_no_features(workplace):
    write_cell(cell_plan())
    Path("features/emoji.safetensors").unlink()
    with pytest.raises(SuiteError, match=r"feature file features/emoji\.safetensors is missing; .* features@emoji"):
        run()


def test_a_plan_reads_back_as_it_was(workplace):
    plan = write_cell(cell_plan(pos_margin=0.1))
    assert load_plan("emoji", "contrastive") == plan
    assert plan.target == CONTRASTIVE


def test_a_killed_stage_resumes_and_ends_in_the_same_bytes(workplace, monkeypatch):
    """SIGKILL of a real ``suite train`` after its first seed."""
    plan = write_cell(cell_plan("own", own_loss(COUNTING)))
    params = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"seeds": 3}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    process = start_stage()
    first = PARTIAL_FOLDER / OWN.name / "seed-0.json"
    try:
        deadline = time.monotonic() + 120
        while not first.is_file():
            assert process.poll() is None, "the stage ended by itself"
            assert time.monotonic() < deadline, "no seed finished in time"
            time.sleep(0.01)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not Path("records").exists()
    kept = json.loads(first.read_text())
    time.sleep(0.5)  # its worker ends by itself
    begun = Path("runs.txt").read_text()
    done = len(list(first.parent.glob("seed-*.json")))

    second = start_stage(stdout=subprocess.PIPE, text=True)
    printed = second.communicate(timeout=300)[0]
    assert second.returncode == 0
    assert f"resuming, seeds {list(range(done))} are done" in printed
    assert len(Path("runs.txt").read_text()) == len(begun) + 3 - done
    assert json_rows(Path("records/emoji-own-0.2.jsonl"))[0] == kept["record"]
    resumed = outputs(OWN.name)

    write_cell(plan)
    monkeypatch.setenv("SUITE_WORKERS", "3")
    run(OWN)
    assert outputs(OWN.name) == resumed


def start_stage(**options):
    environment = os.environ | {"SUITE_WORKERS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", "from suite.cli import main; main()", "train", "emoji", "own", "0.2"]
    return subprocess.Popen(command, env=environment, **options)
