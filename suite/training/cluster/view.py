"""The view of a grid: a bar on a terminal, and everywhere a line for each run that ends."""

import threading
import time
from collections.abc import Callable, Sequence
from io import TextIOBase
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from suite.evaluation.retrieval import MAIN_METRIC
from suite.training.cache import CachedRun, Finished
from suite.training.cluster.items import Item

_MINUTE = 60.0
_SILENCE_SECONDS = 600.0
_MOST_TOLD = 3


class GridView(Progress):
    """Runs done, running and failed, runs a minute, and the time left.

    Args:
        console: where it is shown.
        total: number of runs.
        running: gives the runs that are being computed, the longest first.
    """

    def __init__(self, console: Console, total: int, running: Callable[[], Sequence[Item]]) -> None:
        self.total, self.cached, self.computed, self.failed = total, 0, 0, 0
        self._running, self._started, self._lock_counts = running, time.monotonic(), threading.Lock()
        self._said = self._started
        super().__init__(
            TextColumn("grid", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._bar = self.add_task("", total=total)

    @property
    def a_minute(self) -> float:
        """Runs computed a minute, so far."""
        return self.computed / max((time.monotonic() - self._started) / _MINUTE, 1e-9)

    def told(self) -> str:
        """What the bar says beside itself."""
        left = self.total - self.cached - self.computed - self.failed
        time_left = f"{left / self.a_minute:.0f} min left" if self.computed else "time left unknown"
        counts = f"runs, {len(self._running())} running, {self.failed} failed"
        return f"{counts}, {self.a_minute:.1f} a minute, {time_left}"

    def conclusion(self) -> str:
        """What was done, in a line."""
        seconds = time.monotonic() - self._started
        missing = self.total - self.cached - self.computed - self.failed
        return (
            f"grid: {self.total} runs: {self.cached} from the run cache, {self.computed} computed, {self.failed} failed, "
            f"{missing} not run; {seconds:.1f} s, {self.a_minute:.1f} runs a minute"
        )

    def say(self, line: str) -> None:
        """Show a line above the bar."""
        self._said = time.monotonic()
        self.console.print(line, markup=False, highlight=False)

    def stage(self, name: str, places: Sequence[CachedRun[Any]], _: Console) -> "StageOfGrid":
        """The view of one of its stages."""
        return StageOfGrid(self, name, places)

    def count(self, *, cached: int = 0, computed: int = 0, failed: int = 0) -> None:
        """Take up how many runs ended, and how."""
        with self._lock_counts:
            self.cached, self.computed, self.failed = (
                self.cached + cached,
                self.computed + computed,
                self.failed + failed,
            )
        self.refresh_now()

    def under_way(self) -> str:
        """Names of runs that are being computed, and for how long: the longest ones."""
        running = self._running()
        told = [f"{item.told()}, {time.monotonic() - (item.since or 0.0):.0f} s" for item in running[:_MOST_TOLD]]
        return "; ".join(told + ([f"{len(running) - _MOST_TOLD} more"] if running[_MOST_TOLD:] else []))

    def refresh_now(self) -> None:
        """Renew the bar; where there is none, say after a silence that there is work under way."""
        if not self.console.is_terminal and time.monotonic() - self._said > _SILENCE_SECONDS:
            self.say(f"grid: {self.told()}; under way: {self.under_way() or 'nothing'}")
        self.update(self._bar, completed=self.cached + self.computed + self.failed, description=self.told())

    def as_console(self) -> Console:
        """A console without bars of its own, whose lines appear above this one."""
        return Console(file=_Lines(self.say), force_terminal=False, soft_wrap=True)  # type: ignore[arg-type]


class StageOfGrid:
    """The view of a stage: its lines, and its share of the grid's counts."""

    def __init__(self, grid: GridView, name: str, places: Sequence[CachedRun[Any]]) -> None:
        self._grid, self._name, self._places = grid, name, places

    def __enter__(self) -> Self:
        done = sum(place.find() is not None for place in self._places)
        if done:
            self._grid.say(f"{self._name}: {done} of {len(self._places)} runs are in the run cache")
            self._grid.count(cached=done)
        return self

    def __exit__(self, *_: object) -> None: ...

    def finish(self, number: int, finished: Finished) -> None:
        """Take up what a run left."""
        run, record = self._places[number].run, finished.record
        result = f"failed, {record.failure}" if record.failure else "done"
        if MAIN_METRIC in record.metrics:
            result = f"R@1 {100 * record.metrics[MAIN_METRIC]:.1f} %"
        self._grid.say(f"{self._name} {run.name}: {result} in {finished.seconds:.1f} s")
        self._grid.count(computed=1)


class _Lines(TextIOBase):
    """Passes on whole lines."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._rest = say, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip():
                self._say(line)
        return len(text)
