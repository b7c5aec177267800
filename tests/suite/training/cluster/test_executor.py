"""What goes wrong on a cluster: runs that raise, workers, drivers and schedulers that are killed."""

import json
import os
import re
import shutil
import signal
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import psutil
import pytest

from suite.errors import SuiteError
from suite.randomness import torch_seed
from suite.settings.plans import Search
from suite.training.cluster.connection import Where, connected
from suite.training.cluster.deliveries import Deliveries
from suite.training.cluster.executor import Cluster
from suite.training.cluster.items import Item
from suite.training.cluster.parcels import pack_files
from suite.training.cluster.workers import Demand, Workers
from tests.helpers import tasks
from tests.helpers.dask_cluster import DaskCluster, wait_for
from tests.suite.training.cluster.grids import (
    cached,
    from_cache,
    grid,
    local,
    planned,
    start_driver,
    users,
    wait_for_workers,
    write,
)

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
    assert set(lines) <= set(done.out.splitlines())  # told when it happened, too


def test_a_search_that_raises_is_told_at_the_end_and_cancels_nothing(dask, command):
    planned()
    plan = users("raise ValueError('not in searches')")
    write(plan, Search({"weight": {"low": 0.5, "high": 1.0}}, {}, trials=2, folds=2))
    done = command("grid", "--address", dask.address)
    assert done.status == 1
    lines = done.err.splitlines()
    assert len(lines) == 2  # the folds of the first trial
    for line in lines:
        start = r"failed: tuning own \(my_losses/own\.py:Own\) on emoji in \d+ epochs with \{'weight': "
        assert re.match(start, line)
        assert "raised ValueError: not in searches (own.py, line 18) (worker tcp:" in line
    assert "6 computed, 0 failed, 6 not run" in done.out
    assert (len(cached("own")), len(cached("contrastive"))) == (0, 6)


def test_a_failed_training_is_a_record_and_no_failure_of_the_grid(dask, command):
    users("return value * float('nan')")
    assert command("grid", "--address", dask.address).status == 0
    records = [json.loads(path.read_text())["record"] for path in cached("own")]
    assert {record["status"] for record in records} == {"failed"}


@pytest.mark.parametrize("slowly", [0.0, 0.5])
def test_a_run_that_kills_its_workers_is_given_up_after_three_more(dask, monkeypatch, slowly):
    """And not before all four deaths are told; all workers may go while the driver asks which there are."""
    count = Workers.count
    monkeypatch.setattr(Workers, "count", lambda self: (time.sleep(slowly), count(self))[1])
    seed = str(torch_seed("loss", "emoji", 1))
    users(FAILING_SEED.replace("SEED", seed) + "import os; os.kill(os.getpid(), 9)\nreturn value", noise_levels=(0.4,))
    done = grid(dask)
    run = "emoji own (my_losses/own.py:Own) noise 0.4 seed 1"
    assert done.failures == [f"{run}: its worker died, 4 times; the worker's log may say of what"]
    printed = done.printed.splitlines()
    before = printed[: printed.index(f"failed: {done.failures[0]}")]
    told = [line for line in before if " is gone; " in line and run in line]
    assert len(told) == 4, done.printed  # another run may have begun there, too
    assert len(cached("own")) == 2


def test_what_a_loss_leaves_behind_or_ends_meets_no_other_run(dask, one_worker):
    """Folder and settings of torch are those of a process, which computes runs of other losses, too."""
    seed = str(torch_seed("loss", "emoji", 1))
    users("import os; os.chdir(os.sep)\ntorch.set_default_dtype(torch.float64)\nreturn value", "leaves")
    users(FAILING_SEED.replace("SEED", seed) + "import os; os._exit(1)\nreturn value", "ends")
    plan = users("return value * 0.5", "other")
    expected = local(plan)
    done = grid(dask)
    assert from_cache(plan) == expected
    ended = [line for line in done.failures if "noise" in line and "os._exit(1)" in line]
    assert len(ended) == 2
    left = [line for line in done.failures if "left torch.set_default_dtype(torch.float64) behind" in line]
    assert len(left) == 6
    assert len(done.failures) == 8
    assert "is gone" not in done.printed


def test_memory_that_was_freed_is_kept_for_the_next_batch(dask):
    """Dask's nanny has glibc give it back at once, so that each batch faults it in again."""
    with connected(Where(address=dask.address)) as client, closing(demanding(client)) as cluster:
        ((_, faults, _),) = cluster.execute(tasks.fault_in, 100, [1 << 20])
    assert faults < 100 * (1 << 20) / 4096 / 2


def demanding(client):
    return Cluster(client, Demand("frozen", [], pack_files({})), print)


def test_a_worker_that_cannot_keep_what_runs_read_is_refused_and_others_compute(dask):
    planned()
    nanny = dask.add_worker()
    try:
        wait_for_workers(dask, 3)
        (folder,) = (dask.folder / f"worker-{len(dask.processes) - 1}").glob("dask-scratch-space/worker-*/")
        (folder / "suite").write_text("no folder")
        done = grid(dask)
    finally:
        for each in (*psutil.Process(nanny.pid).children(recursive=True), nanny):
            each.kill()
    told = re.findall(r"worker tcp:\S+ is refused: it cannot keep what runs read: \w.*: /\S+", done.printed)
    assert len(told) == 1  # not once for each run that lacked something there
    assert done.failures == []
    assert "6 computed, 0 failed, 0 not run" in done.printed


def test_workers_whose_folder_of_runs_cannot_be_made_fail_no_run(dask):
    planned()
    grid(dask)  # so that they have all else
    users("return value * 0.5")
    projects = [
        path for path in dask.folder.glob("worker-*/dask-scratch-space/worker-*/suite/project") if path.is_dir()
    ]
    for path in projects:
        shutil.rmtree(path)
        path.write_text("no folder")
    try:
        with pytest.raises(
            SuiteError, match=r"for 1 s; 2 refused: it cannot keep what runs read: File exists: /\S+; start"
        ):
            grid(dask, patience=1.0)
    finally:
        for path in projects:
            path.unlink()
    assert cached("own") == []
    assert "6 computed, 0 failed, 0 not run" in grid(dask, losses=("own",)).printed


def test_a_run_whose_folder_is_removed_under_it_is_computed_again(tmp_path):
    once = f"if not os.path.exists({str(tmp_path / 'flag')!r}):\n"
    remove = f"    open({str(tmp_path / 'flag')!r}, 'w').close()\n    shutil.rmtree(os.pardir)\n"
    plan = users(f"import os, shutil\n{once}{remove}return value", seeds=1)
    own = DaskCluster(tmp_path / "dask", workers=1)
    try:
        assert grid(own).failures == []
    finally:
        own.close()
    assert from_cache(plan) == local(plan)


def test_a_worker_that_is_stopped_holds_nobody_up(dask, monkeypatch):
    """Dask waits for it whenever all workers are to be asked, up to worker-ttl."""
    monkeypatch.setattr("suite.training.cluster.asking._SILENT_SECONDS", 1.0)
    monkeypatch.setattr("suite.training.cluster.workers._DISMISSAL_SECONDS", 1.0)
    planned()
    stopped = dask.add_worker(nanny=False)
    try:
        wait_for_workers(dask, 3)
        stopped.send_signal(signal.SIGSTOP)
        done = grid_within(120.0, dask)  # worker-ttl is 300 s
    finally:
        stopped.kill()
    assert "6 computed, 0 failed, 0 not run" in done.printed
    assert re.search(r"worker tcp:\S+ has not answered for 1 s; it loads the suite, or is stopped", done.printed)


def test_a_worker_that_loads_the_suite_is_waited_for(tmp_path, monkeypatch):
    planned()
    monkeypatch.setattr(Workers, "_check_loading", lambda _: None)  # as where it comes a little later
    own = DaskCluster(tmp_path / "dask", workers=1)
    try:
        wait_for_workers(own)
        assert grid(own, patience=0.0).failures == []
    finally:
        own.close()


def test_an_interrupted_driver_names_the_runs_under_way_and_the_next_one_does_not_wait_for_them(
    dask, tmp_path, monkeypatch
):
    path = tmp_path / "go"
    users(
        f"import os\nwhile not os.path.exists({str(path)!r}): time.sleep(0.05)\nreturn value",
        seeds=1,
        noise_levels=(0.4,),
    )
    process = start_driver(dask, tmp_path / "log.txt")
    try:
        wait_for(lambda: running(dask))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        monkeypatch.setattr("suite.training.cluster.workers._BUSY_SECONDS", 0.1)
        users("return value * 0.5", "following")
        done = grid_within(120.0, dask, losses=("following",))  # its runs do not wait for the one that stays at work
    finally:
        path.touch()
    assert re.search(r"worker tcp:\S+ is still at a run of another command; it is taken when that ends", done.printed)
    assert "6 computed, 0 failed, 0 not run" in done.printed
    *_, named, interrupted = (tmp_path / "log.txt").read_text().splitlines()
    assert re.fullmatch(r"under way: emoji own \(my_losses/own.py:Own\) noise 0.4 seed 0, \d+ s", named)
    assert interrupted.startswith("interrupted: what has finished is kept")


def grid_within(seconds, dask, **selection):
    """As ``grid``, in a thread that is not waited for if it never ends."""
    found = SimpleQueue()
    threading.Thread(target=lambda: found.put(grid(dask, **selection)), daemon=True).start()
    return found.get(timeout=seconds)


def running(dask):
    with connected(Where(address=dask.address)) as client:
        return sum(map(len, client.call_stack().values()))


def test_a_parcel_that_reaches_no_worker_is_told(dask, monkeypatch):
    users("return value * 0.5", seeds=1, noise_levels=(0.4,))
    monkeypatch.setattr(Deliveries, "_send", lambda *_: set())
    done = grid(dask)
    assert len(done.failures) == 1
    assert re.fullmatch(
        r"emoji own \(my_losses/own.py:Own\) noise 0.4 seed 0: parcel \w{8} does not reach worker tcp:\S+, "
        "or vanishes there; sent 5 times",
        done.failures[0],
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
    assert re.search(r"worker tcp:\S+ is gone", printed), printed
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
    *before, last = (tmp_path / "log.txt").read_text().splitlines()
    assert last == (
        "error: the scheduler is gone; finished runs are kept: start scheduler and workers, and run the command again"
    )
    assert [line for line in before if not line.startswith(("scheduler tcp", "emoji-own ", "worker tcp"))] == []


def test_workers_are_seen_although_what_dask_knows_may_have_none(dask, monkeypatch):
    """Its client renews that without workers, in a thread of its own; they once seemed to be gone, and lost their runs."""
    said = []
    with workers_of(dask, said) as (own, workers):
        monkeypatch.setattr(own, "scheduler_info", lambda **_: {"workers": {}})
        wait_for(lambda: workers.count() or len(workers.addresses) == 2)
    assert said == []


def test_a_worker_counts_until_the_scheduler_has_told_what_it_held(dask, monkeypatch):
    """Otherwise its runs are handed out again before anybody is told that they ran there."""
    with workers_of(dask, []) as (own, workers):
        wait_for(lambda: workers.count() or len(workers.addresses) == 2)
        first, second = sorted(workers.addresses)
        monkeypatch.setattr("suite.training.cluster.workers.seen", lambda client: {})
        workers.count()
        assert workers.addresses == {first, second}
        log(own, "all", {"action": "remove-worker", "worker": first, "processing-tasks": {"run"}})
        wait_for(lambda: workers.count() or workers.addresses == {second})
        assert [item.task for item in workers.gone()] == ["run"]


def test_workers_that_have_gone_have_a_line_each_unless_they_are_many(dask):
    """Of a worker that this driver never admitted, as one that another test has killed, nothing is told."""
    said = []
    with workers_of(dask, said) as (own, workers):
        for count, lines in (
            (3, [f"worker {each} is gone; run-{each} ran there" for each in range(3)]),
            (4, ["4 workers are gone: 0, ...; run-0, run-1, run-2, ... ran there"]),
        ):
            for each in map(str, range(count)):
                log(
                    own,
                    workers.topic,
                    {"admission": {"worker": each, "different": "", "refused": "", "memory_limit": 0}},
                )
            log(own, "all", {"action": "remove-worker", "worker": "a stranger", "processing-tasks": set()})
            for each in map(str, range(count)):
                log(own, "all", {"action": "remove-worker", "worker": each, "processing-tasks": {f"run-{each}"}})
            wait_for(lambda last=str(count - 1): last in workers._departed)
            assert [item.task for item in workers.gone()] == [f"run-{each}" for each in range(count)]
            assert said == lines
            said.clear()


@contextmanager
def workers_of(dask, said):
    with connected(Where(address=dask.address)) as own:
        workers = Workers(own, Demand("frozen", [], pack_files({})), said.append, said.append, items_of)
        try:
            yield own, workers
        finally:
            workers.dismiss()


def items_of(keys):
    return [Item(0, number, "", key, str, SimpleQueue()) for number, key in enumerate(sorted(keys))]


def log(client, topic, message):
    """Log what schedulers and workers log."""
    client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.log_event(topic, message))
