"""Parallel tasks: results, errors, killed workers and killed parents."""

import multiprocessing
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool

import psutil
import pytest

from suite.errors import SuiteError
from suite.processes import in_parallel, worker_count
from tests.helpers import tasks
from tests.helpers.paths import ROOT

PARENT = """
import sys
from suite.processes import in_parallel
from tests.helpers import tasks
list(in_parallel(tasks.{}, sys.argv[1], [{}]))
"""


@pytest.mark.parametrize("workers", ["1", "2", "3"])
def test_results_and_one_thread_each(monkeypatch, workers):
    monkeypatch.setenv("SUITE_WORKERS", workers)
    found = dict(in_parallel(tasks.square, 100, [1, 2, 3, 4]))
    assert {task: value for task, (value, _, _) in found.items()} == {1: 101, 2: 104, 3: 109, 4: 116}
    assert {threads for _, _, threads in found.values()} == {1}
    assert 1 <= len({process for _, process, _ in found.values()}) <= int(workers)


def test_no_tasks():
    assert list(in_parallel(tasks.square, 0, [])) == []


def test_an_error_for_the_user_comes_out_of_a_worker():
    with pytest.raises(SuiteError, match="task 7 is wrong"):
        list(in_parallel(tasks.refuse, None, [7]))


def test_a_killed_worker_is_an_error_for_the_user():
    told = r"a worker process was killed by SIGKILL, perhaps because memory ran out; what has.*run the command again"
    with pytest.raises(SuiteError, match=told):
        list(in_parallel(tasks.die, None, [1, 2]))


THREAD_DIES = pytest.mark.filterwarnings("ignore:Exception in thread:pytest.PytestUnhandledThreadExceptionWarning")
"""The thread of CPython 3.11's pool may, by a race, where a worker dies while a task is handed over."""


@THREAD_DIES
def test_a_worker_that_dies_while_tasks_are_handed_over_is_one_too():
    with pytest.raises(SuiteError, match=r"a worker process was killed by SIGKILL"):
        list(in_parallel(tasks.die, None, range(30_000)))


@THREAD_DIES
@pytest.mark.parametrize("task", [tasks.linger_or_die, tasks.linger_or_die_slowly])
def test_workers_end_where_the_thread_that_ends_them_has_died(monkeypatch, tmp_path, task):
    """The command would never end otherwise."""

    def broken(manager, cause):
        for item in manager.pending_work_items.values():
            item.future.set_exception(BrokenProcessPool("a worker died"))
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setenv("SUITE_WORKERS", "2")
    monkeypatch.setattr("concurrent.futures.process._ExecutorManagerThread.terminate_broken", broken)
    before = multiprocessing.active_children()
    with pytest.raises(SuiteError, match=r"^task 2 was killed, with its process, by SIGKILL, perhaps"):
        list(in_parallel(task, str(tmp_path), [1, 2]))
    ended = time.monotonic() + 30
    while (
        left := [each for each in multiprocessing.active_children() if each not in before]
    ) and time.monotonic() < ended:
        time.sleep(0.05)
    for each in left:
        each.kill()
    assert not left


def test_processes_of_others_are_left_alone():
    other = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    other.start()
    try:
        results = in_parallel(tasks.square, 0, [1, 2, 3])
        next(results)
        results.close()
        assert other.is_alive()
    finally:
        other.kill()


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("killed", "by SIGKILL, perhaps because memory ran out; what has finished"),
        ("faulty", "by SIGSEGV; what has finished"),
        ("terminated", "by SIGTERM; what has finished"),
        ("left", "by an exit with status 3; what has finished"),
        ("left without a word", "by an exit with status 0; what has finished"),
    ],
)
def test_the_code_that_kills_a_worker_is_named(monkeypatch, how, told):
    """And what has finished before was given."""
    monkeypatch.setenv("SUITE_WORKERS", "1")
    results = in_parallel(tasks.die_guarded, how, [1, 2, 3])
    assert next(results) == (1, 1)
    with pytest.raises(SuiteError) as caught:
        next(results)
    assert str(caught.value).startswith(f"task 2 was killed, with its process, {told}")


@pytest.mark.parametrize("task", [tasks.linger_or_die, tasks.linger_or_die_slowly])
def test_a_worker_beside_the_killed_one_is_not_blamed(tmp_path, monkeypatch, task):
    monkeypatch.setenv("SUITE_WORKERS", "2")
    with pytest.raises(SuiteError) as caught:
        list(in_parallel(task, str(tmp_path), [1, 2]))
    assert str(caught.value).startswith("task 2 was killed, with its process, by SIGKILL")
    assert "task 1" not in str(caught.value)


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "²"])
def test_bad_number_of_workers(monkeypatch, value):
    monkeypatch.setenv("SUITE_WORKERS", value)
    with pytest.raises(SuiteError, match=f"SUITE_WORKERS = '{value}'; allowed: whole numbers from 1"):
        worker_count(4)


def test_no_more_workers_than_tasks(monkeypatch):
    monkeypatch.setenv("SUITE_WORKERS", "8")
    assert worker_count(3) == 3
    monkeypatch.delenv("SUITE_WORKERS")
    assert worker_count(1) == 1


# In the second case a worker has finished its task and waits for another one.
@pytest.mark.parametrize("tasks_of_parent", ["1, 2", "0, 2"])
@pytest.mark.parametrize("task", ["linger", "linger_guarded"])
def test_workers_end_when_their_parent_is_killed(tmp_path, monkeypatch, task, tasks_of_parent):
    monkeypatch.setenv("SUITE_WORKERS", "2")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    parent = subprocess.Popen([sys.executable, "-c", PARENT.format(task, tasks_of_parent), tmp_path])
    workers = []
    try:
        wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
        workers = [psutil.Process(int(path.name)) for path in tmp_path.iterdir()]
        assert all(worker.ppid() == parent.pid for worker in workers)
        time.sleep(0.3)  # for task 0 to end
        parent.kill()
        parent.wait()
        wait_for(lambda: all(has_ended(worker) for worker in workers))
    finally:
        parent.kill()
        parent.wait()
        for worker in workers:
            if not has_ended(worker):
                worker.kill()


def has_ended(process):
    """Whether a process is gone, or is a zombie that its new parent has not collected yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.05)


def test_workers_at_work_end_when_their_parent_is_interrupted(tmp_path, monkeypatch):
    """Task 1 would go on for ever; it is not waited for."""
    monkeypatch.setenv("SUITE_WORKERS", "2")
    results = in_parallel(tasks.linger, str(tmp_path), [0, 1])
    next(results)
    with pytest.raises(KeyboardInterrupt):
        results.throw(KeyboardInterrupt)
    assert not [path.name for path in tmp_path.iterdir() if psutil.pid_exists(int(path.name))]
