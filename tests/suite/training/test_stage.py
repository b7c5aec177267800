"""A train stage: the same bytes for any number of workers, failures kept, the run cache, resumption after a kill."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from safetensors.numpy import load_file
from tblib import pickling_support

from suite.data.features import save_features
from suite.errors import SuiteError
from suite.evaluation.records import read_records
from suite.randomness import torch_seed
from suite.settings.paths import RUN_CACHE_FOLDER, RUNS_FOLDER
from suite.settings.plans import Run
from suite.training.cache import clear
from suite.training.stage import run_frozen_stage, train
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import (
    RECIPE,
    features_path,
    frozen_plan,
    json_rows,
    make_features,
    own_loss,
    silent,
    write_complete,
)

LEVELS = (0.0, 0.4)
NAME, USER = "emoji-contrastive", "emoji-own"
FILES = {"records.jsonl", "curves.jsonl", "embeddings-0.safetensors", "embeddings-0.4.safetensors"}
COUNT = 'open("runs.txt", "a").write("x") if self.calls == 1 else None\n'
"""Marks each run that begins."""


@pytest.fixture(autouse=True)
def features(workplace):
    """The features of emoji, in an empty current folder."""
    save_features(features_path(), make_features())


def planned(**changes):
    """Three seeds at two noise levels."""
    return replace(frozen_plan(seeds=3), **{"noise_levels": LEVELS} | changes)


def users(body, **changes):
    """The same of a user's loss."""
    return replace(frozen_plan("own", own_loss(body), seeds=3), **{"noise_levels": LEVELS} | changes)


def run(plan=None):
    """Run a stage in this process and give what it printed."""
    plan = plan or planned()
    write_complete(plan)
    console = silent()
    train("emoji", plan.loss, console)
    return console.file.getvalue()


def outputs(name=NAME):
    """Bytes of what a stage leaves behind, times aside."""
    found = {path.name: path.read_bytes() for path in (RUNS_FOLDER / name).iterdir()}
    assert found.keys() == FILES
    return found


def records(name=NAME):
    return read_records([RUNS_FOLDER / name / "records.jsonl"])


def runs_begun():
    return len(Path("runs.txt").read_text())


def cached(name=NAME):
    return sorted((RUN_CACHE_FOLDER / name).glob("*.json"))


def test_the_same_bytes_for_any_number_of_workers(monkeypatch):
    found = []
    for workers in ("1", "2", "3"):
        monkeypatch.setenv("SUITE_WORKERS", workers)
        clear("emoji", "contrastive")
        run()
        found.append(outputs())
    assert found[0] == found[1] == found[2]
    assert [(record.noise_level, record.seed) for record in records()] == [
        (x, seed) for x in LEVELS for seed in range(3)
    ]
    assert len({record.noise_sha256 for record in records() if record.noise_level}) == 3
    assert len({record.metrics["map_at_r"] for record in records()}) == 6


def test_a_record_says_what_was_run(one_worker):
    plan = planned(track="paper_values", hyperparameter_source="paper", noise_kind="small_cluster", validation_epoch=2)
    run(replace(plan, hyperparameters={"pos_margin": 0.1}))
    record = records()[-1]
    expected = {
        "regime": "frozen",
        "track": "paper_values",
        "dataset": "emoji",
        "backbone": "tf_efficientnet_lite0",
        "loss": "contrastive",
        "noise_kind": "small_cluster",
        "noise_level": 0.4,
        "seed": 2,
        "status": "ok",
        "failure": None,
        "data_sha256": "data",
        "loss_sha256": plan.loss_sha256,
        "target": plan.target,
        "hyperparameter_source": "paper",
        "hyperparameters": {"pos_margin": 0.1},
        "recipe": RECIPE.model_dump(),
    }
    assert {name: getattr(record, name) for name in expected} == expected
    assert record.validation_epoch.epoch == 2
    assert set(record.versions) == {"python", "torch", "numpy", "faiss-cpu", "pytorch-metric-learning"}


def test_curves_and_times_of_all_runs(one_worker):
    run()
    keys = [(level, seed, epoch) for level in LEVELS for seed in range(3) for epoch in range(1, 5)]
    curves = json_rows(RUNS_FOLDER / NAME / "curves.jsonl")
    assert [(row["noise_level"], row["seed"], row["epoch"]) for row in curves] == keys
    times = json.loads(Path(f"times/{NAME}.json").read_text())["runs"]
    assert list(times) == [f"noise {level:g} seed {seed}" for level in LEVELS for seed in range(3)]
    assert all(seconds > 0 for seconds in times.values())


def test_the_embeddings_of_the_first_seed_are_kept(one_worker):
    run()
    kept = load_file(RUNS_FOLDER / NAME / "embeddings-0.4.safetensors")
    clear("emoji", "contrastive")
    run(planned(seeds=1))
    alone = load_file(RUNS_FOLDER / NAME / "embeddings-0.4.safetensors")
    assert all(np.array_equal(kept[name], alone[name]) for name in ("embeddings", "labels", "rows"))
    assert len(kept["labels"]) == 120


def test_a_second_run_takes_all_from_the_cache_and_writes_the_same_bytes(one_worker):
    plan = users(COUNT + "return value")
    assert "in the run cache" not in run(plan)
    first = outputs(USER)
    assert run(plan) == "emoji-own: 6 of 6 runs are in the run cache\n"
    assert runs_begun() == 6
    assert outputs(USER) == first


def test_a_new_level_or_seed_runs_the_new_runs_only(one_worker):
    plan = users(COUNT + "return value")
    run(plan)
    run(replace(plan, noise_levels=(0.0, 0.2, 0.4)))
    assert runs_begun() == 6 + 3
    run(replace(plan, noise_levels=(0.0, 0.2, 0.4), seeds=4))
    assert runs_begun() == 9 + 3
    assert len(records(USER)) == 12
    run(plan)
    assert runs_begun() == 12
    assert len(records(USER)) == 6


def test_cleared_runs_are_computed_afresh(one_worker):
    plan = users(COUNT + "return value")
    run(plan)
    clear("emoji", "own")
    run(plan)
    assert runs_begun() == 12


def test_a_failed_seed_is_a_record_and_the_others_are_kept(one_worker):
    body = "bad = 9 if torch.initial_seed() == SEED else -1\nreturn value * (float('nan') if self.calls == bad else 1)"
    printed = run(users(body.replace("SEED", str(torch_seed("loss", "emoji", 1))), noise_levels=(0.4,)))
    assert [record.status for record in records(USER)] == ["ok", "failed", "ok"]
    assert [record.failure for record in records(USER)] == [None, "the loss became nan in epoch 2", None]
    assert "seed 1: failed, the loss became nan in epoch 2" in printed
    run(users(body.replace("SEED", str(torch_seed("loss", "emoji", 1))), noise_levels=(0.4,)))
    assert records(USER)[1].metrics == {}


def test_a_run_that_raises_keeps_those_that_ended(one_worker):
    body = COUNT + 'assert len(open("runs.txt").read()) != 4, "the fourth run"\nreturn value'
    with pytest.raises(
        SuiteError, match=r"emoji own \(my_losses/own\.py:Own\) noise \S+ seed \d: the run raised Assertion"
    ):
        run(users(body))
    assert len(cached(USER)) == runs_begun() - 1 >= 3
    assert not (RUNS_FOLDER / USER).exists()
    run(users(body))
    assert len(records(USER)) == 6
    assert runs_begun() == 6 + 1


def test_runs_of_several_plans_come_in_their_order(monkeypatch):
    monkeypatch.setenv("SUITE_WORKERS", "2")
    plans = [frozen_plan(), frozen_plan(pos_margin=0.1)]
    runs = [Run(plan, level, 0) for plan in plans for level in (0.4, 0)]
    _, first = run_frozen_stage("axis", runs, silent())
    found = [(each.record.hyperparameters, each.record.noise_level) for each in first]
    assert found == [({}, 0.4), ({}, 0), ({"pos_margin": 0.1}, 0.4), ({"pos_margin": 0.1}, 0)]
    console = silent()
    _, again = run_frozen_stage("axis", runs, console)
    assert [each.record for each in again] == [each.record for each in first]
    assert console.file.getvalue() == "axis: 4 of 4 runs are in the run cache\n"


def test_missing_runs_are_run_and_the_bytes_are_those_of_an_undisturbed_stage(one_worker):
    run()
    undisturbed = outputs()
    lost = cached()[2]
    lost.unlink()
    printed = run()
    assert "5 of 6 runs are in the run cache" in printed
    assert printed.count("R@1") == 1
    assert outputs() == undisturbed
    assert lost.is_file()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"record": {}}', '{"record": {}, "curve": [], "seconds": 1}'])
def test_a_damaged_file_of_the_cache_is_computed_again(one_worker, text):
    run()
    undisturbed = outputs()
    cached()[0].write_text(text)
    assert run().count("R@1") == 1
    assert outputs() == undisturbed


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: kept["record"].update(seed=77),
        lambda kept: kept["record"].update(noise_level=0.7),
        lambda kept: kept.update(seconds=float("nan")),
        lambda kept: kept.update(seconds=-1.0),
    ],
    ids=["another seed", "another level", "no seconds", "negative seconds"],
)
def test_a_run_of_the_cache_that_was_altered_is_computed_again(one_worker, change):
    run()
    undisturbed = outputs()
    kept = json.loads(cached()[0].read_text())
    change(kept)
    cached()[0].write_text(json.dumps(kept))
    assert run().count("R@1") == 1
    assert outputs() == undisturbed


def test_a_run_whose_embeddings_are_gone_or_damaged_is_computed_again(one_worker):
    run()
    undisturbed = outputs()
    first, second = sorted((RUN_CACHE_FOLDER / NAME).glob("*.safetensors"))
    first.unlink()
    second.write_bytes(b"damaged")
    assert run().count("R@1") == 2
    assert outputs() == undisturbed


@pytest.mark.parametrize(
    "change",
    [
        {"hyperparameters": {"pos_margin": 0.1}},
        {"recipe": RECIPE.model_copy(update={"learning_rate": 0.02})},
        {"noise_kind": "small_cluster"},
        {"validation_epoch": 1},
        {"backbone": "another"},
        {"track": "ablation"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_runs_of_another_plan_are_not_taken(one_worker, change):
    run()
    assert "in the run cache" not in run(planned(**change)) or cached() == []
    assert len(cached()) == 12


def test_where_values_come_from_changes_no_run_but_its_record(one_worker):
    run()
    assert "6 of 6" in run(planned(hyperparameter_source="search"))
    assert {record.hyperparameter_source for record in records()} == {"search"}


def test_runs_of_other_features_are_not_taken(one_worker):
    run()
    save_features(features_path(), make_features(seed=1))
    run()
    assert len(cached()) == 12


def test_runs_of_another_version_of_a_library_are_not_taken(one_worker, monkeypatch):
    run()
    monkeypatch.setattr("suite.training.stage.versions", lambda: {"torch": "0"})
    run()
    assert len(cached()) == 12
    assert {tuple(record.versions) for record in records()} == {("torch",)}


def test_code_of_the_loss_changed_since_the_plan():
    with pytest.raises(
        SuiteError, match=r"code of loss contrastive \(.*\) has changed since the plan .* run: suite plan"
    ):
        run(planned(loss_sha256="another"))


def test_code_of_training_changed_since_the_plan():
    with pytest.raises(SuiteError, match=r"the code of training has changed since the plan was made; run: suite plan"):
        run(planned(code_sha256="another"))


def test_no_features():
    features_path().unlink()
    with pytest.raises(SuiteError, match=r"feature file features/emoji\.safetensors is missing; .* features@emoji"):
        run()


def test_a_killed_stage_goes_on_and_ends_in_the_same_bytes(monkeypatch):
    """SIGKILL of a real ``suite train`` after its first run."""
    plan = users(COUNT + "time.sleep(0.02)\nreturn value")
    write_complete(plan)
    process = start_stage()
    try:
        deadline = time.monotonic() + 120
        while not cached(USER):
            assert process.poll() is None, "the stage ended by itself"
            assert time.monotonic() < deadline, "no run finished in time"
            time.sleep(0.01)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not RUNS_FOLDER.exists()
    time.sleep(0.5)  # its worker ends by itself
    begun, done = runs_begun(), len(cached(USER))

    second = start_stage(stdout=subprocess.PIPE, text=True)
    printed = second.communicate(timeout=300)[0]
    assert second.returncode == 0
    assert f"{done} of 6 runs are in the run cache" in printed
    assert runs_begun() == begun + 6 - done
    resumed = outputs(USER)

    monkeypatch.setenv("SUITE_WORKERS", "3")
    clear("emoji", "own")
    run(plan)
    assert outputs(USER) == resumed


def start_stage(**options):
    environment = os.environ | {"SUITE_WORKERS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", "from suite.cli.main import main; main()", "train", "emoji", "own"]
    return subprocess.Popen(command, env=environment, **options)


def test_a_terminal_shows_runs_and_means():
    console = Console(file=io.StringIO(), force_terminal=True, width=120, _environ={"TERM": "xterm"})
    plan = planned(seeds=2)
    write_complete(plan)
    train("emoji", plan.loss, console)
    printed = console.file.getvalue()
    assert "4/4" in printed
    assert "R@1 so far" in printed
    assert "(2 seeds)" in printed


@pytest.mark.parametrize("track", ["tuned", "tuned_under_noise"])
def test_a_line_of_a_log_names_one_level_of_noise(one_worker, track):
    printed = run(planned(seeds=1, track=track))
    lines = [line for line in printed.splitlines() if "R@1" in line]
    told = "" if track == "tuned" else f"{track} "
    assert [line.partition(":")[0] for line in lines] == [f"{NAME} {told}noise {level:g} seed 0" for level in LEVELS]


def test_runs_of_several_kinds_of_processor_are_marked(one_worker):
    assert "kinds of processor" not in run()
    kinds = set(json.loads(Path(f"times/{NAME}.json").read_text())["processors"].values())
    assert len(kinds) == 1
    paths = [path for path in cached() if json.loads(path.read_text())["record"]["noise_level"] == 0.4]
    entry = json.loads(paths[0].read_text())
    paths[0].write_text(json.dumps(entry | {"processor": "a slide rule"}))
    before = outputs()
    printed = run()
    assert f"{NAME} noise 0.4: runs of several kinds of processor: " in printed
    assert "a slide rule (1)" in printed
    assert "noise 0:" not in printed
    assert outputs() == before


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("return {}['gamma']", "KeyError: 'gamma'"),
        ("return value + 'a' * 10_000", "TypeError"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
    ],
)
def test_whatever_a_loss_raises_is_one_line_with_its_place(one_worker, body, what):
    """Its probe passes: it is at fault from its second call on."""
    body = f"if self.calls > 1:\n    {body}\nreturn value"
    with pytest.raises(SuiteError) as caught:
        run(users(body))
    told = str(caught.value)
    assert told.startswith("emoji own (my_losses/own.py:Own) noise 0 seed 0: the run raised ")
    assert what in told
    assert "(own.py, line " in told
    assert "\n" not in told
    assert len(told) < 500


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("import os\nos._exit(0)", "the run raised SystemExit: os._exit(0)"),
        ("[print('step', n) for n in range(99)]\n1 / 0", "the last line that it printed: step 98"),
        ("raise type('Mine', (BaseException,), {})", "the run raised Mine (own.py, line "),
    ],
)
def test_a_loss_can_neither_end_a_run_nor_flood_it(one_worker, body, what):
    pickling_support.install()  # as Dask does: an exception is then pickled with its causes
    indented = body.replace("\n", "\n    ")
    with pytest.raises(SuiteError) as caught:
        run(users(f"if self.calls > 1:\n    {indented}\nreturn value"))
    assert what in str(caught.value)
    # Both seeds fail; which is told depends on which is looked at first.
    assert re.match(r"emoji own \(my_losses/own\.py:Own\) noise 0 seed [01]: ", str(caught.value))


@pytest.mark.parametrize(
    "call",
    [
        "torch.set_default_dtype(torch.float64)",
        "torch.set_grad_enabled(False)",
        "torch.use_deterministic_algorithms(True)",
        "torch.set_default_device(meta)",
    ],
)
def test_a_run_leaves_torch_as_it_was_for_the_next_one(one_worker, call):
    """Else the outcome would depend on which runs share a process."""
    made = call.replace("meta", "'meta'")
    raising = "\nif self.calls == 16: raise ValueError" if "dtype" not in call else ""  # what is left is told first
    with pytest.raises(SuiteError) as caught:
        run(users(f"{made} if self.calls == 16 else None{raising}\nreturn value"))
    assert str(caught.value) == (
        f"emoji own (my_losses/own.py:Own) noise 0 seed 0: the run left {call} behind, which "
        "what runs after it would meet; allowed is to set it back"
    )
    assert len(cached(USER)) == 0


def test_a_loss_that_kills_its_process_is_named_and_what_has_finished_is_kept(one_worker):
    """The fourth of six runs: noise 0.4, seed 0."""
    fault = "import ctypes, faulthandler\n    faulthandler.disable()\n    ctypes.string_at(0)"
    plan = users(f"{COUNT}if len(open('runs.txt').read()) > 3:\n    {fault}\nreturn value")
    with pytest.raises(SuiteError) as caught:
        run(plan)
    assert str(caught.value).startswith(
        "emoji own (my_losses/own.py:Own) noise 0.4 seed 0: the run was killed, with its process, by SIGSEGV; what has"
    )
    assert len(cached(USER)) == 3
    assert not (RUNS_FOLDER / USER).exists()
    Path("runs.txt").write_text("")
    assert "3 of 6 runs are in the run cache" in run(plan)


def test_ctrl_c_ends_soon_with_a_line_and_keeps_what_has_finished():
    plan = users(COUNT + "time.sleep(0.05)\nreturn value")
    write_complete(plan)
    process = start_stage(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    while not cached(USER):
        assert time.monotonic() < deadline, "no run finished in time"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told == "interrupted: what has finished is kept; run the same command to go on\n"
    assert 1 <= len(cached(USER)) < 6
    assert not (RUNS_FOLDER / USER).exists()
