"""Tasks in parallel processes with one thread each.

One thread a process is what makes results independent of the number of processes: a sum split over threads rounds
differently. Workers are forked where the platform allows it, so that they start with all modules loaded, and end by
themselves when their parent was killed.
"""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from typing import Any, TypeVar

from suite.errors import SuiteError

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")
Message = tuple[int, int]
"""(key of a task, units of it that are done)."""

_POLL_SECONDS = 0.2
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass
class _Worker:
    """What a worker process holds from its start to its end."""

    messages: "SimpleQueue[Message]"
    parent: int
    function: Callable[[Any, Any], Any]
    shared: Any


_worker: _Worker | None = None


def worker_count(tasks: int) -> int:
    """Processes to use: ``SUITE_WORKERS`` or the number of usable cores, at most one a task.

    Raises:
        SuiteError: ``SUITE_WORKERS`` is no whole number of at least 1.
    """
    value = os.environ.get("SUITE_WORKERS", "")
    if value and not (value.isdecimal() and int(value) >= 1):
        raise SuiteError(f"environment variable SUITE_WORKERS = {value!r}; allowed: whole numbers from 1")
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(int(value) if value else available, tasks))


def limit_threads() -> None:
    """One thread for torch and faiss in this process and, through the environment, for those it starts."""
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    import torch

    torch.set_num_threads(1)
    if "faiss" in sys.modules:
        sys.modules["faiss"].omp_set_num_threads(1)


def in_parallel(
    function: Callable[[Shared, Task], Result],
    shared: Shared,
    tasks: Sequence[Task],
    on_message: Callable[[Message], None] | None = None,
) -> Iterator[tuple[Task, Result]]:
    """Run ``function(shared, task)`` for each task in worker processes; yields (task, result) as they finish.

    ``shared`` reaches a worker once, through the fork. Within ``function``, ``report`` sends messages to ``on_message``.

    Raises:
        SuiteError: a worker was killed, or ``function`` raised one.
    """
    if not tasks:
        return
    limit_threads()
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    messages: SimpleQueue[Message] = context.SimpleQueue()
    with ProcessPoolExecutor(
        worker_count(len(tasks)),
        context,
        initializer=_start_worker,
        initargs=(_Worker(messages, os.getpid(), function, shared),),
    ) as pool:
        running: dict[Future[Result], Task] = {pool.submit(_run, task): task for task in tasks}
        try:
            while running:
                done, _ = wait(running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
                while not messages.empty():
                    message = messages.get()
                    if on_message is not None:
                        on_message(message)
                for future in done:
                    task = running.pop(future)
                    yield task, future.result()
        except BrokenProcessPool as error:
            raise SuiteError(
                "a worker process was killed, perhaps for want of memory; run the command again"
            ) from error
        finally:
            for future in running:
                future.cancel()


def _start_worker(worker: _Worker) -> None:
    global _worker  # noqa: PLW0603 - a worker process has one task at a time and one state
    _worker = worker
    limit_threads()
    threading.Thread(target=_end_with, args=(worker.parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process soon after its parent: one that waits for a task would else wait for ever."""
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(1)


def _run(task: Any) -> Any:
    assert _worker is not None
    return _worker.function(_worker.shared, task)


def report(key: int, done: int) -> None:
    """Send progress from within a worker. Does nothing outside a worker."""
    if _worker is not None:
        _worker.messages.put((key, done))
