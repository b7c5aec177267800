"""The one exception that a user is meant to read, several of them told together, and errors in one line."""

import re
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from rich.markup import escape

_TORCH = "torch"
_SUITE = Path(__file__).parent
"""Its folder: the line there at which one of its functions raises tells less than the line that calls it."""
_LONGEST = 1000
"""Characters of an error's line."""


_MOST = 20
"""Problems that are told at once."""


class SuiteError(Exception):
    """Bad input or a missing file, or several of them. The command line prints a line for each and exits with status 2."""

    def __str__(self) -> str:
        """All problems in one line."""
        return "; ".join(map(str, self.args))


class Problems:
    """Collects errors that are told together: within ``with problems:`` one is taken up, and the program goes on."""

    def __init__(self) -> None:
        self._found: dict[str, None] = {}

    def __enter__(self) -> Self:
        """Begin what may fail."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """Take up an error for the user; others pass."""
        if isinstance(error, SuiteError):
            self._found |= dict.fromkeys(map(str, error.args))
        return isinstance(error, SuiteError)

    def about(self, setting: str) -> bool:
        """Whether a problem names a setting or one below it: what follows from it need not be told."""
        return any(re.search(rf"{re.escape(setting)}(?![A-Za-z0-9_])", text) for text in self._found)

    def tell(self) -> None:
        """Tell all that was found, the first ones where they are many.

        Raises:
            SuiteError: there was something.
        """
        if self._found:
            raise several(list(self._found))


def several(problems: Sequence[str]) -> SuiteError:
    """One error of several problems; of very many the first are told."""
    more = len(problems) - _MOST
    return SuiteError(*problems[:_MOST], *([f"... and {more} more problems like these"] if more > 0 else []))


class Interrupted(BaseException):
    """Ctrl-C; unlike ``KeyboardInterrupt`` it passes through the library that reads the command line."""


def allowed(values: Iterable[object]) -> str:
    """List allowed values for an error message, e.g. ``emoji, furniture``."""
    return ", ".join(str(value) for value in values)


def named(values: Mapping[str, Any]) -> str:
    """What tells runs apart, in words: ``dataset emoji, seed 3``."""
    return allowed(f"{key} {each:g}" if isinstance(each, float) else f"{key} {each}" for key, each in values.items())


def counted_noun(number: int, noun: str, nouns: str = "") -> str:
    """A number with its noun, e.g. ``3 runs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {nouns or noun + 's'}"


def all_of(number: int, noun: str) -> str:
    """All of so many, e.g. ``all 3 runs``, or ``the run`` where there is one."""
    return f"the {noun}" if number == 1 else f"all {number} {noun}s"


def told(error: BaseException, most: int = 300) -> str:
    """An exception of somebody else's code in one line: its type, its message, and the last line outside torch.

    No line is told where that is one of the suite's: it is not where the fault lies.
    """
    try:
        text = shortened(str(error), most)
    except Exception:  # its own message raises: its type says what there is
        text = ""
    text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    every = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in every if _TORCH not in Path(frame.filename).parts] or every
    if not frames or Path(frames[-1].filename).is_relative_to(_SUITE):
        return text
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


def as_markup(text: str) -> str:
    """Render a problem as one line that rich prints literally."""
    return escape(shortened(text, _LONGEST))


def shortened(text: str, most: int) -> str:
    """Text in one line of what can be printed, cut in its middle where it is long: its end says what to do."""
    line = " ".join(text.encode("utf-8", "backslashreplace").decode().split())
    line = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)
    return line if len(line) <= most else f"{line[: most * 2 // 3]} ... {line[-most // 3 :]}"
