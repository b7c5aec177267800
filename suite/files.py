"""Writing files so that a killed process leaves the old file or the new one, never half of one; reading them back.

Also locks, by which one of several commands waits for another.
"""

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from suite.errors import SuiteError

ANEW = "delete it and run: dvc repro"
"""What to do where a file that the pipeline makes is damaged."""

_LOOK_SECONDS = 0.2
_taking = Lock()
"""Threads of one process share its locks; one at a time takes or gives back."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and move it there when the block ends without an error.

    Raises:
        OSError: the system refuses it, e.g. because the disk is full; it names the file, whichever library has met it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except Exception as error:
        number, name = _refused(error), getattr(error, "filename", None)
        if number is None or name not in (None, str(temporary), temporary):
            raise
        raise OSError(number, os.strerror(number), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _refused(error: Exception) -> int | None:
    """The system's number of an error, which some libraries leave in the message alone."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = re.search(r"\(os error (\d+)\)|\[errno (\d+)\]", str(error))
    return int(found[1] or found[2]) if found else None


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON with a closing line break, atomically."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows as JSON lines, atomically."""
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def clear(folder: Path, *patterns: str) -> None:
    """Delete the files of a folder that patterns of names tell to be the suite's; the folder stays where it holds others."""
    for pattern in patterns:
        for path in folder.glob(pattern):
            path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def clear_unfinished(folder: Path) -> None:
    """Delete what killed processes were writing to a folder; for work that one process does at a time, as in ``alone``."""
    for path in folder.glob(".*.tmp"):
        path.unlink()


def shown(path: Path) -> Path:
    """A path as it is told: from the current folder, where it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_absolute() and path.is_relative_to(Path.cwd()) else path


def read_text(path: Path, cure: str) -> str:
    """Read a text file.

    Args:
        path: the file.
        cure: what to do where it is damaged, for the error message.

    Raises:
        SuiteError: it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SuiteError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); {cure}") from error


def read_lines(path: Path, cure: str = ANEW) -> list[dict[str, Any]]:
    """Read rows of a JSON-lines file.

    Raises:
        SuiteError: it is damaged.
    """
    rows = []
    for number, line in enumerate(read_text(path, cure).splitlines(), 1):
        rows.append(_parsed(line, f"{path}, line {number}", cure))
        if not isinstance(rows[-1], dict):
            raise SuiteError(f"{path}, line {number} holds {type(rows[-1]).__name__}; allowed: a mapping; {cure}")
    return rows


def read_json(path: Path, cure: str = ANEW) -> Any:
    """Read a JSON file.

    Raises:
        SuiteError: it is damaged.
    """
    return _parsed(read_text(path, cure), str(path), cure)


def _parsed(text: str, where: str, cure: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SuiteError(f"{where} is not valid JSON: {error}; {cure}") from error


@contextmanager
def alone(path: Path, console: Console) -> Iterator[None]:
    """Work that no other process does at the same time; threads of one process may share it.

    The system frees the lock of a process that was killed. Where locks cannot be kept, nothing is waited for.

    Args:
        path: of the lock's file, which stays; its name says what the work is.
        console: where it is said that this process waits.
    """
    lock = FileLock(path.resolve(), timeout=0, thread_local=False, is_singleton=True)
    told = False
    while (taken := _taken(lock, path.parent)) is False:
        if not told:
            console.print(f"{path.stem}: another command is at it; waiting until that ends", markup=False)
            told = True
        time.sleep(_LOOK_SECONDS)
    try:
        yield
    finally:
        if taken:
            with _taking:
                lock.release()


def _taken(lock: FileLock, folder: Path) -> bool | None:
    """Whether it is this process's now; None where no lock can be kept: the disk is full, read-only, or knows none."""
    with _taking:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            return False
        except (OSError, NotImplementedError):
            return None
    return True
