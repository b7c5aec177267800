"""The one exception that a user is meant to read, and how code of others is made to end in it."""

import contextlib
import io
import os
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn, TextIO

from rich.markup import escape

MOST_LINES = 20
"""Lines that code of others may print at a time; further ones are left out."""
_LONGEST = 1000
"""Characters of an error's line."""
_PRINTED = "the last line that it printed"


class SuiteError(Exception):
    """Bad input or a missing file. The command line prints it as one line and exits with status 2."""


class Interrupted(BaseException):
    """Ctrl-C; unlike ``KeyboardInterrupt`` it passes through the library that reads the command line."""


def allowed(values: Iterable[object]) -> str:
    """List allowed values for an error message, e.g. ``emoji, furniture``."""
    return ", ".join(str(value) for value in values)


def told(error: BaseException, most: int = 300) -> str:
    """An exception of somebody else's code in one line: its type, its message, and the line that raised it."""
    text = _shortened(str(error), most)
    text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else text


def as_markup(error: BaseException) -> str:
    """Render an error as one line that rich prints literally."""
    return escape(_shortened(str(error), _LONGEST))


def _shortened(text: str, most: int) -> str:
    """Text in one line of what can be printed, cut in its middle where it is long: its end says what to do."""
    line = " ".join(text.encode("utf-8", "backslashreplace").decode().split())
    return line if len(line) <= most else f"{line[: most * 2 // 3]} ... {line[-most // 3 :]}"


@contextlib.contextmanager
def guarded(where: str) -> Iterator[None]:
    """Run code of others: whatever it raises ends in one line, and the current folder is afterwards what it was.

    Of what it prints, the first lines are passed on; an attempt to end the process is an error. Folder, output and process
    are the whole process's, so a thread that is not the main one leaves them alone.

    Args:
        where: what is run, for error messages.

    Raises:
        SuiteError: it raised something, or tried to end the process; the message has the last line that it printed.
    """
    out, err = _Beginning(sys.stdout), _Beginning(sys.stderr)
    try:
        with (
            _contained(out, err) if threading.current_thread() is threading.main_thread() else contextlib.nullcontext()
        ):
            yield
    except Interrupted:
        raise
    except BaseException as error:
        text = str(error) if isinstance(error, SuiteError) else f"{where} raised {told(error)}"
        last = err.last or out.last
        if last and _PRINTED not in text:
            text = f"{text}; {_PRINTED}: {_shortened(last, 200)}"
        raise SuiteError(text) from error


@contextlib.contextmanager
def _contained(out: "_Beginning", err: "_Beginning") -> Iterator[None]:
    folder, end, mine = Path.cwd(), os._exit, os.getpid()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != mine:  # a process that it has forked
            end(status)
        raise SystemExit(f"os._exit({status})")

    try:
        os._exit = refuse
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            yield
    finally:
        os._exit = end
        os.chdir(folder)


class _Beginning(io.TextIOBase):
    """Passes the first lines on to a stream, and knows the last one."""

    def __init__(self, stream: TextIO) -> None:
        self.last = ""
        self._stream = stream
        self._lines = 0

    def write(self, text: str) -> int:
        lines = text.splitlines(keepends=True)
        for line in lines:
            if self._lines < MOST_LINES:
                self._stream.write(line)
            elif self._lines == MOST_LINES and line.endswith("\n"):
                self._stream.write(f"... further lines are left out, after {MOST_LINES}\n")
            self._lines += line.endswith("\n")
        self.last = next((line.strip() for line in reversed(lines) if line.strip()), self.last)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()
