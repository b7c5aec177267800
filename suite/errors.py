"""The one exception a user is meant to read."""

from collections.abc import Iterable

from rich.markup import escape


class SuiteError(Exception):
    """Bad input or a missing file. The command line prints it as one line and exits with status 2."""


def allowed(values: Iterable[object]) -> str:
    """List allowed values for an error message, e.g. ``emoji, furniture``."""
    return ", ".join(str(value) for value in values)


def as_markup(error: BaseException) -> str:
    """Render an error as one line that rich prints literally."""
    return escape(" ".join(str(error).split()))
