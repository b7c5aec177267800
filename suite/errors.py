"""The one exception that a user is meant to read, and errors in one line."""

import traceback
from collections.abc import Iterable
from pathlib import Path

from rich.markup import escape

_TORCH = "torch"
"""Its folder: the line there at which one of its functions raises tells less than the line that calls it."""
_LONGEST = 1000
"""Characters of an error's line."""


class SuiteError(Exception):
    """Bad input or a missing file. The command line prints it as one line and exits with status 2."""


class Interrupted(BaseException):
    """Ctrl-C; unlike ``KeyboardInterrupt`` it passes through the library that reads the command line."""


def allowed(values: Iterable[object]) -> str:
    """List allowed values for an error message, e.g. ``emoji, furniture``."""
    return ", ".join(str(value) for value in values)


def told(error: BaseException, most: int = 300) -> str:
    """An exception of somebody else's code in one line: its type, its message, and the last line outside torch."""
    text = shortened(str(error), most)
    text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    every = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in every if _TORCH not in Path(frame.filename).parts] or every
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else text


def as_markup(error: BaseException) -> str:
    """Render an error as one line that rich prints literally."""
    return escape(shortened(str(error), _LONGEST))


def shortened(text: str, most: int) -> str:
    """Text in one line of what can be printed, cut in its middle where it is long: its end says what to do."""
    line = " ".join(text.encode("utf-8", "backslashreplace").decode().split())
    return line if len(line) <= most else f"{line[: most * 2 // 3]} ... {line[-most // 3 :]}"
