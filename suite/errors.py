"""The one exception a user is meant to read."""

import traceback
from collections.abc import Iterable
from pathlib import Path

from rich.markup import escape


class SuiteError(Exception):
    """Bad input or a missing file. The command line prints it as one line and exits with status 2."""


def allowed(values: Iterable[object]) -> str:
    """List allowed values for an error message, e.g. ``emoji, furniture``."""
    return ", ".join(str(value) for value in values)


def told(error: BaseException, most: int = 300) -> str:
    """An exception of somebody else's code in one line: its type, its message, and the line that raised it."""
    text = " ".join(str(error).split())
    text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    text = text if len(text) <= most else f"{text[:most]} ..."
    frames = traceback.extract_tb(error.__traceback__)
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else text


def as_markup(error: BaseException) -> str:
    """Render an error as one line that rich prints literally."""
    return escape(" ".join(str(error).split()))
