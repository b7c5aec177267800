"""Progress of runs that train in other processes: a live bar on a terminal, plain lines elsewhere."""

from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Report = Callable[[int, int], None]
"""Called with a seed and its number of finished epochs."""


def progress_bar(console: Console, unit: str = "") -> Progress:
    """The suite's progress bar; invisible where the console is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        auto_refresh=False,  # no second thread: workers are forked from this process
    )
