"""Functions run in parallel processes with one thread each, and code of others inside a process.

One thread a process makes results independent of the number of processes: a sum split over threads rounds differently.
Forked workers start with what their parent has loaded, end when it was killed, and tell it what they run of others' code.
"""

import contextlib
import io
import mmap
import multiprocessing
import os
import platform
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar

from suite.errors import Interrupted, SuiteError, shortened, told

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")

MOST_LINES = 20
"""Lines that code of others may print at a time; further ones are left out."""
_PRINTED = "the last line that it printed"
_POLL_SECONDS, _PATIENCE_SECONDS = 0.2, 5.0
_PLACES, _BYTES = 1024, 1024
_WORDS = mmap.mmap(-1, _PLACES * _BYTES)
"""Memory that forked processes share: a place for each, by its number, with what it runs of others' code."""
_CURE = "what has finished is kept; repair it, or give it more memory, and run the command again"
_LAYOUT = f"<q{_BYTES - 8}s"
_END = os._exit
"""Ends this process, also while code of others is kept from it."""
_CONTAINING = threading.local()
"""Has ``here`` in a thread beside the main one that alone runs code of others in its process."""
_work: tuple[Callable[[Any, Any], Any], Any] | None = None
"""In a worker process: the function, and what its tasks share."""


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


@cache
def processor_kind() -> str:
    """The kind of this machine's processor, e.g. ``AMD EPYC 7B13``: another kind may round differently."""
    lines = list[str]()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def limit_threads() -> None:
    """One thread for torch and faiss in this process and, through the environment, for those that it starts."""
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    if "faiss" in sys.modules:
        sys.modules["faiss"].omp_set_num_threads(1)


def in_parallel(
    function: Callable[[Shared, Task], Result], shared: Shared, tasks: Sequence[Task]
) -> Iterator[tuple[Task, Result]]:
    """Run ``function(shared, task)`` for each task in worker processes; yields (task, result) as they finish.

    Args:
        function: a function of a module, which workers find by its name.
        shared: reaches a worker once, through the fork.
        tasks: hashable and picklable.

    Raises:
        SuiteError: a worker was killed; the message names what it was at.
        Exception: what ``function`` raised first. Tasks that had begun then are given before it; others are not begun.
    """
    limit_threads()
    others, workers = multiprocessing.active_children(), list[BaseProcess]()
    with ProcessPoolExecutor(
        worker_count(len(tasks)),
        multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn"),
        initializer=_start_worker,
        initargs=(os.getpid(), function, shared),
    ) as pool:
        running: dict[Future[Result], Task] = {}
        with contextlib.suppress(BrokenProcessPool):  # a worker has died meanwhile
            for task in tasks:
                running[pool.submit(_run, task)] = task
                workers = workers or [each for each in multiprocessing.active_children() if each not in others]
        complete = len(running) == len(tasks)
        workers += [each for each in multiprocessing.active_children() if each not in (*others, *workers)]
        try:
            failure = yield from _as_they_finish(running)
        except BaseException:  # interrupted, or left by the caller: those at work are not waited for
            for worker in workers:
                worker.terminate()
            wait(running)  # the pool ends each as broken; one cancelled before would make its thread fail
            raise
    if isinstance(failure, BrokenProcessPool) or not complete:
        for worker in workers:  # the pool's thread may have died before it ended them
            worker.terminate()
        for worker in workers:  # the system tells how one has ended a while after its files have closed
            worker.join(_PATIENCE_SECONDS)
        raise SuiteError(f"{killed(workers)}; {_CURE}") from failure
    if failure is not None:
        raise failure


def _as_they_finish(
    running: dict["Future[Result]", Task],
) -> Generator[tuple[Task, Result], None, BaseException | None]:
    """Give results as they finish; returns the first exception. After it only those that have begun are waited for."""
    failure: BaseException | None = None
    while running:
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            task, error = running.pop(future), future.exception()
            if error is None:
                yield task, future.result()
            elif failure is None:
                failure = error
                for other in [other for other in running if other.cancel()]:
                    del running[other]
    return failure


def killed(workers: Sequence[BaseProcess], otherwise: str = "a worker process") -> str:
    """What was at work in processes that were killed, in a line; those that were ended for that are not counted."""
    ended = [worker for worker in workers if worker.exitcode is not None]
    dead = [worker for worker in ended if worker.exitcode != -signal.SIGTERM] or ended
    told = []
    for worker in dead:
        words = _words_of(worker.pid or 0)
        what = f"{words} was killed, with its process," if words else f"{otherwise} was killed"
        told.append(f"{what} by {_ending(worker.exitcode or 0)}")
    return "; ".join(dict.fromkeys(told)) or f"{otherwise} was killed"


def _ending(status: int) -> str:
    if status >= 0:
        return f"an exit with status {status}"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    return f"{name}, perhaps because memory ran out" if -status == signal.SIGKILL else name


def _say(words: str) -> None:
    """Say what this process runs of others' code; nothing where the words are empty."""
    place = os.getpid() % _PLACES * _BYTES
    struct.pack_into(_LAYOUT, _WORDS, place, os.getpid(), words.encode(errors="backslashreplace"))


def _words_of(process: int) -> str:
    """What a process, dead perhaps, has said last."""
    said_by, words = struct.unpack_from(_LAYOUT, _WORDS, process % _PLACES * _BYTES)
    return words.rstrip(b"\0").decode(errors="ignore") if said_by == process else ""


def _start_worker(parent: int, function: Callable[[Any, Any], Any], shared: Any) -> None:
    global _work  # noqa: PLW0603 - a worker process has one function for all its tasks
    _work = function, shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends its workers
    limit_threads()
    threading.Thread(target=end_with, args=(parent,), daemon=True).start()


def end_with(parent: int) -> None:
    """End this process soon after its parent: one that waits for a task would else wait for ever."""
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    _END(1)


def _run(task: Any) -> Any:
    assert _work is not None
    function, shared = _work
    try:
        return function(shared, task)
    except SuiteError as error:
        error.__cause__ = error.__context__ = None  # exceptions of users: their classes may be unknown to the parent
        raise


def contain_here() -> None:
    """Say that this thread alone runs code of others in this process: ``guarded`` then contains it as in a main thread."""
    _CONTAINING.here = True


@contextlib.contextmanager
def guarded(where: str) -> Iterator[None]:
    """Run code of others: whatever it raises ends in one line, and the current folder is afterwards what it was.

    Of what it prints, the first lines are passed on; an attempt to end the process is an error. Folder, output and process
    are the whole process's, so a thread that is neither the main one nor has called ``contain_here`` leaves them alone.

    Args:
        where: what is run, for error messages.

    Raises:
        SuiteError: it raised something, or tried to end the process; the message has the last line that it printed.
    """
    out, err = _Beginning(sys.stdout), _Beginning(sys.stderr)
    try:
        with (
            _contained(where, out, err)
            if threading.current_thread() is threading.main_thread() or hasattr(_CONTAINING, "here")
            else contextlib.nullcontext()
        ):
            yield
    except Interrupted:
        raise
    except BaseException as error:
        text = str(error) if isinstance(error, SuiteError) else f"{where} raised {told(error)}"
        last = err.last or out.last
        if last and _PRINTED not in text:
            text = f"{text}; {_PRINTED}: {shortened(last, 200)}"
        raise SuiteError(text) from error


@contextlib.contextmanager
def _contained(where: str, out: "_Beginning", err: "_Beginning") -> Iterator[None]:
    folder, end, mine = Path.cwd(), os._exit, (os.getpid(), threading.get_ident())
    before, state = _words_of(mine[0]), _state_of_torch()

    def refuse(status: int) -> NoReturn:
        if (os.getpid(), threading.get_ident()) != mine:  # a process that it has forked, or a thread beside it
            end(status)
        raise SystemExit(f"os._exit({status})")

    try:
        os._exit = refuse
        _say(where)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            yield
    finally:
        os._exit = end
        _say(before)
        os.chdir(folder)
        _put_right(where, state)


def _state_of_torch() -> dict[str, Any]:
    """Settings of torch that hold for all that runs after a loss in the same process: other runs, other losses."""
    if (torch := sys.modules.get("torch")) is None:
        return {}
    device, same = torch.get_default_device(), torch.are_deterministic_algorithms_enabled()
    state = {"set_default_device": None if device.type == "cpu" else device, "use_deterministic_algorithms": same}
    return state | {"set_default_dtype": torch.get_default_dtype(), "set_grad_enabled": torch.is_grad_enabled()}


def _put_right(where: str, state: dict[str, Any]) -> None:
    """Set torch back to a state; raises a ``SuiteError`` where code has changed it."""
    now = _state_of_torch()
    changed = [name for name in state if now[name] != state[name]]
    for name in changed:
        getattr(sys.modules["torch"], name)(state[name])
    if changed:
        calls = ", ".join(f"torch.{name}({now[name]})" for name in changed)
        raise SuiteError(f"{where} left {calls} behind, which what runs after it would meet; allowed is to set it back")


class _Beginning(io.TextIOBase):
    """Passes the first lines on to a stream, and knows the last one."""

    def __init__(self, stream: TextIO) -> None:
        self.last = ""
        self._open = ""
        self._stream = stream
        self._lines = 0

    def write(self, text: str) -> int:
        lines = (self._open + text).splitlines(keepends=True)
        for line in text.splitlines(keepends=True):
            if self._lines < MOST_LINES:
                self._stream.write(line)
            elif self._lines == MOST_LINES and line.endswith("\n"):
                self._stream.write(f"... further lines are left out, after {MOST_LINES}\n")
            self._lines += line.endswith("\n")
        self._open = lines[-1] if lines and not lines[-1].endswith("\n") else ""
        self.last = next((line.strip() for line in reversed(lines) if line.strip()), self.last)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()
