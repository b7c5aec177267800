"""Code of losses in a process of its own, which it may kill: by a fault in a library of its own, or by taking all memory."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TypeVar

from suite.errors import SuiteError
from suite.losses.build import load_class
from suite.processes import end_with, guarded, killed, limit_threads

Result = TypeVar("Result")
_PATIENCE = 2.0
"""Seconds for a process that has given all to write what it has printed."""


class KilledError(SuiteError):
    """A loss has killed the process that it ran in."""


def apart(what: str, function: Callable[[], Iterable[Result]]) -> Iterator[Result]:
    """Run ``function()`` in a process of its own; gives what it gives, as it comes.

    Where processes cannot be forked, it runs in this one.

    Args:
        what: is run, for error messages.
        function: gives picklable values.

    Raises:
        KilledError: the process was killed.
        SuiteError: as ``function`` raises it.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        yield from function()
        return
    receiving, sending = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_give, args=(sending, function, os.getpid()))
    child.start()
    sending.close()
    try:
        whole = yield from _received(receiving, child.sentinel)
        child.join(_PATIENCE if whole else None)
        if not whole:
            raise KilledError(killed([child], what))
    finally:
        receiving.close()
        child.terminate()
        child.join()


def must_survive(what: str, function: Callable[[], object]) -> None:
    """Run ``function()`` in a process of its own; what it gives is dropped.

    Raises:
        SuiteError: as ``apart``.
    """

    def nothing() -> Iterator[None]:
        function()
        yield from ()

    for _ in apart(what, nothing):
        pass


def survive_import(target: str, where: str) -> None:
    """Import the file of a target in a process of its own first, where this is the process of a command."""
    if not target.rpartition(":")[0].endswith(".py") or multiprocessing.parent_process() is not None:
        return

    def tried() -> None:
        with (
            Path(os.devnull).open("w", encoding="utf-8") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
            guarded(f"{where}: its import"),
        ):
            load_class(target, where)

    must_survive(f"{where}: its import", tried)


def _received(receiving: "Connection[Any, Any]", sentinel: int) -> Generator[Any, None, bool]:
    """What comes, until the end is told or the process has ended; returns whether the end was told."""
    while receiving in wait([receiving, sentinel]):
        try:
            values, problems = receiving.recv()
        except EOFError:
            return False
        if problems is not None:
            raise SuiteError(*problems)
        if not values:
            return True
        yield from values
    return False


def _give(sending: "Connection[Any, Any]", function: Callable[[], Iterable[Any]], parent: int) -> None:
    """Send what a function gives, one by one, then nothing; or what it raised for the user."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_threads()
    threading.Thread(target=end_with, args=(parent,), daemon=True).start()
    try:
        for value in function():
            sending.send(([value], None))
        sending.send(([], None))
    except SuiteError as error:
        sending.send(([], error.args))
