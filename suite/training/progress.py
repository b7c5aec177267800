"""Progress of long commands: a live bar with the time left on a terminal, nothing elsewhere."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from suite.training.time_left import NOTHING_AFTER, After, after_stage, time_left


def progress_bar(console: Console, unit: str = "", stage: str = "") -> Progress:
    """The suite's progress bar; invisible where the console is no terminal.

    Args:
        console: where it is shown.
        unit: what its tasks count.
        stage: name of the stage at work, as in ``times/``, so that the time left is also told of the whole run.
    """
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn(unit),
        _TimeLeft(after_stage(stage) if stage and console.is_terminal else NOTHING_AFTER),
        console=console,
        disable=not console.is_terminal,
        auto_refresh=False,  # no second thread: workers are forked from this process
    )


class _TimeLeft(ProgressColumn):
    """Time left by the mean speed of this command so far."""

    def __init__(self, after: After) -> None:
        self._after = after
        self._first: dict[int, float] = {}
        super().__init__()

    def render(self, task: Task) -> Text:
        """The time left of a task, and of what comes after it."""
        resumed = self._first.setdefault(task.id, task.completed)
        done, total = task.completed - resumed, (task.total or 0) - resumed
        return Text(time_left(task.elapsed or 0.0, done / total if total else 1.0, self._after), style="cyan")
