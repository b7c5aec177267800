"""A bar for long commands: what is done, and the time left; nothing where the console is no terminal."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def progress_bar(console: Console, unit: str) -> Progress:
    """The suite's progress bar.

    Args:
        console: where it is shown.
        unit: what its tasks count.
    """
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{unit}, time left"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        auto_refresh=False,  # no second thread: workers are forked from this process
    )
