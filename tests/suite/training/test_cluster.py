"""The executor on a Dask cluster: real schedulers and workers, in folders of their own.

Records are the local executor's, byte for byte; runs that raise, workers that die and clusters that are lost are told in a
line each.
"""

import io
import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import yaml
from rich.console import Console

from suite.data.features import save_features
from suite.errors import SuiteError
from suite.evaluation.records import read_records
from suite.randomness import torch_seed
from suite.settings.paths import RUN_CACHE_FOLDER, RUNS_FOLDER
from suite.settings.plans import Search, plan_path, runs_of, tuned_plan_path, write_plan
from suite.training.cache import clear
from suite.training.stage import train
from suite.training.tuning.resolve import resolve_hyperparameters
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import CONTRASTIVE, features_path, frozen_plan, make_features, own_loss, silent
from tests.suite.training.planning import RECIPE, SMALL

pytest.importorskip("distributed")

from suite.training.cluster.connection import Where, connected
from suite.training.cluster.description import differences, installed_targets
from suite.training.cluster.grid import ALLOWED_TO_DIFFER, Selection, run_grid
from suite.training.cluster.parcels import Packer, opened, pack_files, store
from suite.training.cluster.view import GridView
from tests.helpers.dask_cluster import DaskCluster, wait_for

LEVELS = (0.0, 0.4)
OUTPUTS = ("records.jsonl", "curves.jsonl", "embeddings-0.safetensors", "embeddings-0.4.safetensors")
TARGETS = {
    "contrastive": "pytorch_metric_learning.losses:ContrastiveLoss",
    "mined": "pytorch_metric_learning.losses:TripletMarginLoss + pytorch_metric_learning.miners:MultiSimilarityMiner",
}
FAILING_SEED = "if torch.initial_seed() == SEED and self.calls == 3: "


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    """A scheduler and two workers."""
    cluster = DaskCluster(tmp_path_factory.mktemp("dask"))
    yield cluster
    cluster.close()


@pytest.fixture(autouse=True)
def _short_wait_for_a_scheduler(monkeypatch):
    monkeypatch.setattr("suite.training.cluster.connection._CONNECT_SECONDS", 3.0)


@pytest.fixture(autouse=True)
def features(workplace):
    save_features(features_path(), make_features(classes=60))


def planned(loss="contrastive", target=CONTRASTIVE):
    """Three seeds at two noise levels, planned and complete."""
    return write(replace(frozen_plan(loss, target, seeds=3), noise_levels=LEVELS))


def users(body, name="own", **changes):
    """The same of a user's loss."""
    return write(replace(frozen_plan(name, own_loss(body, name), seeds=3), **{"noise_levels": LEVELS} | changes))


def write(plan, search=None):
    path = plan_path("tuned", plan.dataset, plan.loss)
    write_plan(path, plan, search)
    if search is None:
        write_plan(tuned_plan_path(plan.dataset, plan.loss), plan)
    losses = {file.stem.partition("-")[2]: {"target": "made:Up"} for file in path.parent.glob("*.json")}
    settings = SMALL | {"datasets": {"emoji": {}}, "losses": losses, "recipe": RECIPE}
    settings |= {"noise": {"levels": [0]}, "tuning": {"trials": 2, "folds": 2}}
    Path("params.yaml").write_text(yaml.safe_dump(settings))
    return plan


def grid(cluster, *, patience=60.0, **selection):
    """Run a grid in this process; gives what it printed, and the runs that raised."""
    console = silent()
    where = Where(address=cluster.address, patience=patience)
    failures = run_grid(Selection(**selection), where, console)
    return SimpleNamespace(printed=console.file.getvalue(), failures=failures)


def local(plan):
    """What a stage on this machine leaves; nothing of it stays in the cache."""
    clear(plan.dataset, plan.loss)
    train(plan.dataset, plan.loss, silent())
    found = outputs(plan)
    clear(plan.dataset, plan.loss)
    shutil.rmtree(RUNS_FOLDER)
    return found


def from_cache(plan):
    """What the stage leaves that finds all runs in the cache."""
    console = silent()
    train(plan.dataset, plan.loss, console)
    assert f"{len(runs_of(plan))} of {len(runs_of(plan))} runs are in the run cache" in console.file.getvalue()
    return outputs(plan)


def outputs(plan):
    folder = RUNS_FOLDER / f"{plan.dataset}-{plan.loss}"
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def cached(loss):
    return sorted((RUN_CACHE_FOLDER / f"emoji-{loss}").glob("*.json"))


def test_the_bytes_are_those_of_the_local_executor(dask, one_worker):
    expected = {loss: local(planned(loss, target)) for loss, target in TARGETS.items()}
    done = grid(dask)
    assert done.failures == []
    assert "12 computed, 0 failed, 0 not run" in done.printed
    for loss, target in TARGETS.items():
        assert from_cache(planned(loss, target)) == expected[loss]
    assert "12 from the run cache, 0 computed" in grid(dask).printed


def test_the_dashboard_is_told_and_a_line_for_each_run(dask):
    planned()
    printed = grid(dask).printed
    assert f"scheduler {dask.address}, dashboard http://" in printed
    assert printed.count("emoji-contrastive noise 0.4 seed ") == 3


def test_a_search_runs_on_the_cluster_and_tune_finds_its_trials(dask, one_worker):
    search = Search({"pos_margin": {"low": 0.0, "high": 0.5}}, {}, trials=3, folds=2)
    write(replace(frozen_plan(seeds=1), noise_levels=LEVELS), search)
    resolve_hyperparameters("emoji", "contrastive", silent())
    expected = tuned_plan_path("emoji", "contrastive").read_bytes()
    shutil.rmtree("tuned")
    done = grid(dask)
    assert done.failures == []
    assert done.printed.count("emoji contrastive tuned 0 trial") == 3
    console = silent()
    resolve_hyperparameters("emoji", "contrastive", console)
    assert "resuming, 3 of 3 trials are done" in console.file.getvalue()
    assert tuned_plan_path("emoji", "contrastive").read_bytes() == expected
    console = silent()
    train("emoji", "contrastive", console)
    assert "2 of 2 runs are in the run cache" in console.file.getvalue()
    again = grid(dask)  # what tune has found is taken
    assert "trial" not in again.printed
    assert "2 from the run cache" in again.printed


def test_loss_files_are_sent_with_what_they_import_and_sent_anew_after_an_edit(dask, one_worker):
    helper = Path("my_losses/weights.py")
    helper.parent.mkdir()
    body = "from weights import WEIGHT\nreturn value * WEIGHT"
    found = []
    for weight in (1.0, 0.5):
        helper.write_text(f"WEIGHT = {weight}\n")
        plan = users(body)
        expected = local(plan)
        assert grid(dask).failures == []
        assert from_cache(plan) == expected
        found.append(expected)
    assert found[0] != found[1]


def test_a_run_that_raises_is_told_at_the_end_and_cancels_nothing(dask, command):
    planned()
    seed = str(torch_seed("loss", "emoji", 1))
    users(FAILING_SEED.replace("SEED", seed) + "raise ValueError('not\\nthis one')\nreturn value")
    done = command("grid", "--address", dask.address)
    assert done.status == 1
    text = Path("my_losses/own.py").read_text()
    raised = f"ValueError: not this one (own.py, line {1 + text[: text.index('raise')].count(chr(10))}) (worker tcp:"
    lines = done.err.splitlines()
    assert len(lines) == 2
    for level, line in zip(("0", "0.4"), sorted(lines), strict=True):
        assert line.startswith(
            f"failed: emoji own (my_losses/own.py:Own) noise {level} seed 1: the run raised {raised}"
        )
    assert (len(cached("own")), len(cached("contrastive"))) == (4, 6)
    assert "10 computed, 2 failed, 0 not run" in done.out


def test_a_failed_training_is_a_record_and_no_failure_of_the_grid(dask, command):
    users("return value * float('nan')")
    assert command("grid", "--address", dask.address).status == 0
    records = [json.loads(path.read_text())["record"] for path in cached("own")]
    assert {record["status"] for record in records} == {"failed"}


def test_a_run_that_kills_its_workers_is_given_up_after_three_more(dask):
    seed = str(torch_seed("loss", "emoji", 1))
    users(FAILING_SEED.replace("SEED", seed) + "import os; os._exit(1)\nreturn value", noise_levels=(0.4,))
    done = grid(dask)
    assert done.failures == ["emoji-own noise 0.4 seed 1: its worker died, 4 times"]
    assert len(cached("own")) == 2


def worker_processes(dask):
    """The processes that compute, whose nannies start them again."""
    nannies = [psutil.Process(process.pid) for process in dask.workers]
    return [child for nanny in nannies for child in nanny.children(recursive=True) if computes(child)]


def computes(process):
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # it ended just now
        return False


def test_workers_killed_at_random_cost_no_run_and_no_byte(dask, tmp_path):
    kills = int(os.environ.get("SUITE_TEST_KILLS", "2"))
    plan = users("time.sleep(0.01)\nreturn value", seeds=4 + kills)
    random = np.random.default_rng(kills)
    process = start_driver(dask, tmp_path / "log.txt")
    for number in range(kills):
        wait_for(lambda number=number: len(cached("own")) > number or process.poll() is not None)
        assert process.poll() is None, (tmp_path / "log.txt").read_text()
        wait_for(lambda: worker_processes(dask))
        random.choice(worker_processes(dask)).kill()
    assert process.wait(timeout=300) == 0, (tmp_path / "log.txt").read_text()
    printed = (tmp_path / "log.txt").read_text()
    total = 2 * (4 + kills)
    assert f"{total} computed, 0 failed, 0 not run" in printed
    assert len(cached("own")) == total == printed.count(": R@1 ")
    assert "is gone" in printed
    found = from_cache(plan)
    assert found == local(plan)


def start_driver(dask, log, *options):
    code = "from suite.cli.main import main; main()"
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-c", code, "grid", "--address", dask.address, *options],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=output,
        )


def test_a_driver_that_was_killed_goes_on(dask, tmp_path):
    plan = users("time.sleep(0.01)\nreturn value")
    process = start_driver(dask, tmp_path / "log.txt")
    wait_for(lambda: cached("own"))
    process.kill()
    process.wait()
    done = len(cached("own"))
    assert 1 <= done < 6
    printed = grid(dask).printed
    assert f"{done} from the run cache, {6 - done} computed, 0 failed, 0 not run" in printed
    assert from_cache(plan) == local(plan)


def test_a_scheduler_that_goes_is_one_clear_line(tmp_path):
    own = DaskCluster(tmp_path / "dask", workers=1)
    try:
        users("time.sleep(0.01)\nreturn value")
        process = start_driver(own, tmp_path / "log.txt")
        wait_for(lambda: cached("own"))
        own.kill_scheduler()
        assert process.wait(timeout=60) == 2
    finally:
        own.close()
    last = (tmp_path / "log.txt").read_text().splitlines()[-1]
    assert last == ("error: the scheduler is gone; finished runs are kept: start a scheduler and run the command again")


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """A scheduler and a worker whose sampler is another."""
    folder = tmp_path_factory.mktemp("others")
    for package in ("suite", "pfml", "baselines"):
        shutil.copytree(ROOT / package, folder / "tree" / package, ignore=shutil.ignore_patterns("__pycache__"))
    loop = folder / "tree/suite/training/run/loop.py"
    loop.write_text(loop.read_text() + "\n# edited\n")
    cluster = DaskCluster(folder / "dask", workers=0)
    cluster.add_worker(root=folder / "tree")
    yield cluster
    cluster.close()


def test_a_worker_with_other_code_is_refused_by_name_unless_that_is_allowed(others):
    planned()
    wait_for_workers(others)
    with pytest.raises(
        SuiteError, match=r"no worker to run on for 3 s; 1 refused: code of training \w{8} \(here \w{8}\)"
    ):
        grid(others, patience=3.0)
    assert cached("contrastive") == []
    done = grid(others, allow_versions=True)
    assert "differs, and is allowed to: code of training" in done.printed
    told = [json.loads(path.read_text())["record"]["versions"][ALLOWED_TO_DIFFER] for path in cached("contrastive")]
    assert len(told) == 6
    assert all(text.startswith("code of training ") for text in told)
    train("emoji", "contrastive", silent())
    read_records([RUNS_FOLDER / "emoji-contrastive/records.jsonl"])


def wait_for_workers(cluster, count=1):
    with connected(Where(address=cluster.address)) as client:
        wait_for(lambda: len(client.scheduler_info()["workers"]) >= count)


def test_a_worker_of_several_threads_is_refused(tmp_path):
    planned()
    own = DaskCluster(tmp_path / "dask", workers=0)
    try:
        own.add_worker("--nthreads", "2")
        wait_for_workers(own)
        with pytest.raises(SuiteError, match=r"1 refused: it has 2 threads; start it with --nthreads 1; start some"):
            grid(own, patience=2.0)
    finally:
        own.close()


def test_no_workers_at_all(tmp_path):
    planned()
    own = DaskCluster(tmp_path / "dask", workers=0)
    try:
        with pytest.raises(SuiteError, match=r"no worker to run on for 1 s; start some with: dask worker --nthreads 1"):
            grid(own, patience=1.0)
        stale = own.folder / "stale.json"
        stale.write_text(json.dumps({"address": "tcp://127.0.0.1:1"}))
        with pytest.raises(SuiteError, match=r"tcp://127.0.0.1:1, which .* names: the file is stale; start one with"):
            run_grid(Selection(), Where(scheduler_file=stale), silent())
    finally:
        own.close()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "allowed: exactly one of --scheduler-file FILE, --address ADDRESS and --local N"),
        (["--local", "1", "--address", "tcp://a:1"], "allowed: exactly one of --scheduler-file"),
        (
            ["--address", "tcp://127.0.0.1:1"],
            "no scheduler answers at tcp://127.0.0.1:1; start one with: dask scheduler",
        ),
        (["--address", "magic://a"], "no scheduler answers at magic://a (unknown address scheme 'magic'"),
        (["--scheduler-file", "no.json", "--patience", "0"], "scheduler file no.json does not exist after 0 s; start"),
        (["--scheduler-file", "params.yaml"], "params.yaml is no scheduler file: "),
        (["--local", "1", "--dataset", "cub"], "params.yaml: --dataset cub is not there; allowed: emoji"),
        (["--local", "1", "--loss", "magic"], "params.yaml: --loss magic is not there; allowed: contrastive"),
        (["--local", "1", "--regime", "finetuned"], "--regime finetuned: allowed: frozen, published"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_clear_line(command, arguments, told):
    planned()
    done = command("grid", *arguments)
    assert done.status == 2
    assert done.err.startswith("error: ")
    assert told in done.err
    assert done.err.count("\n") == 1


def test_a_plan_or_features_that_are_missing(command):
    planned()
    features_path().unlink()
    assert "error: feature file features/emoji.safetensors is missing" in command("grid", "--local", "1").err
    shutil.rmtree("plan")
    assert "error: plan plan/tuned/emoji-contrastive.json is missing" in command("grid", "--local", "1").err


def test_a_loss_file_by_an_absolute_path_is_refused(command):
    plan = users("return value")
    write(replace(plan, target=str(Path("my_losses/own.py").resolve()) + ":Own"))
    assert "on a cluster, allowed are paths from the project's folder" in command("grid", "--local", "1").err


def test_features_are_packed_once_and_opened_as_they_were(tmp_path):
    array = np.random.default_rng(0).normal(size=(200, 100)).astype(np.float32)
    packer = Packer()
    digest, parcels = packer.pack(len, {"features": array, "name": "a"})
    other, more = packer.pack(len, {"features": array, "name": "b"})
    assert other != digest
    assert len(set(parcels) | set(more)) == 3  # the array, and a small one of each
    for each, content in parcels.items():
        store(tmp_path, each, content())
    function, shared = opened(tmp_path, digest)
    assert function is len
    assert np.array_equal(shared["features"], array)
    assert shared["features"].flags.writeable
    assert max(len(content()) for each, content in parcels.items() if each == digest) < 2000


def test_files_are_packed_with_what_they_import():
    target = own_loss("import beside\nreturn value")
    Path("my_losses/beside.py").write_text("VALUE = 1\n")
    Path("my_losses/other.py").write_text("VALUE = 1\n")
    digest, content = pack_files({"a loss": target})
    assert [name for name, _ in pickle.loads(content)] == ["my_losses/beside.py", "my_losses/own.py"]
    Path("my_losses/beside.py").write_text("VALUE = 2\n")
    assert pack_files({"a loss": target})[0] != digest


def test_what_differs_is_named():
    expected = {"python": "3.11.7", "torch": "2.4.1", "code of training": "0123456789"}
    assert differences(expected, expected) == ""
    found = {"python": "3.11.7", "torch": "2.3.0", "code of training": "abcdefghij"}
    assert differences(expected, found) == "torch 2.3.0 (here 2.4.1), code of training abcdefgh (here 01234567)"
    assert differences(expected, {"python": "3.11.7", "torch": "2.4.1"}) == "code of training none (here 01234567)"


def test_targets_whose_code_is_installed_apart():
    targets = [
        "pfml:PotentialFieldLoss",
        "my_losses/own.py:Own",
        "lib.losses:A + lib.miners:B",
        "baselines.hist:HISTLoss",
    ]
    assert installed_targets(targets) == ["lib.losses:A", "lib.miners:B"]


def test_a_terminal_shows_what_is_done_running_and_failed():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with GridView(console, 10, lambda: 2) as view:
        view.count(cached=4, computed=3, failed=1)
        assert view.told().startswith("runs, 2 running, 1 failed, ")
        assert "a minute, " in view.told()
        assert view.told().endswith("min left")
        view.as_console().print("a line of a search")
        view.refresh()
    printed = console.file.getvalue()
    assert "8/10" in printed
    assert "a line of a search" in printed
    assert view.conclusion().startswith("grid: 10 runs: 4 from the run cache, 3 computed, 1 failed, 2 not run; ")
