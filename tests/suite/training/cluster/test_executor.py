"""What goes wrong on a cluster: runs that raise, workers, drivers and schedulers that are killed."""

import json
import os
import re
from pathlib import Path

import numpy as np
import psutil
import pytest

from suite.randomness import torch_seed
from suite.settings.plans import Search
from suite.training.cluster.connection import Where, connected
from suite.training.cluster.deliveries import Deliveries
from suite.training.cluster.parcels import pack_files
from suite.training.cluster.workers import Demand, Workers
from tests.helpers.dask_cluster import DaskCluster, wait_for
from tests.suite.training.cluster.grids import cached, from_cache, grid, local, planned, start_driver, users, write

pytestmark = pytest.mark.usefixtures("features")
FAILING_SEED = "if torch.initial_seed() == SEED and self.calls == 3: "


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


def test_a_search_that_raises_is_told_at_the_end_and_cancels_nothing(dask, command):
    planned()
    plan = users("raise ValueError('not in searches')")
    write(plan, Search({"weight": {"low": 0.5, "high": 1.0}}, {}, trials=2, folds=2))
    done = command("grid", "--address", dask.address)
    assert done.status == 1
    lines = done.err.splitlines()
    assert len(lines) == 2  # the folds of the first trial
    for line in lines:
        assert line.startswith("failed: tune emoji-own: tuning own (my_losses/own.py:Own) on emoji with {'weight': ")
        assert "raised ValueError: not in searches (own.py, line 18) (worker tcp:" in line
    assert "6 computed, 0 failed, 6 not run" in done.out
    assert (len(cached("own")), len(cached("contrastive"))) == (0, 6)


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


def test_a_parcel_that_reaches_no_worker_is_told(dask, monkeypatch):
    users("return value * 0.5", seeds=1, noise_levels=(0.4,))
    monkeypatch.setattr(Deliveries, "_send", lambda *_: set())
    done = grid(dask)
    assert len(done.failures) == 1
    assert re.fullmatch(
        r"emoji-own noise 0.4 seed 0: parcel \w{8} does not reach worker tcp:\S+, sent 5 times", done.failures[0]
    )
    assert cached("own") == []


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


def test_workers_are_seen_although_what_dask_knows_may_have_none(dask, monkeypatch):
    """Its client renews that without workers, in a thread of its own; they once seemed to be gone, and lost their runs."""
    said = []
    with connected(Where(address=dask.address)) as own:
        monkeypatch.setattr(own, "scheduler_info", lambda **_: {"workers": {}})
        workers = Workers(own, Demand("frozen", [], pack_files({})), said.append, said.append)
        wait_for(lambda: workers.count() or len(workers.addresses) == 2)
        workers.dismiss()
    assert said == []
