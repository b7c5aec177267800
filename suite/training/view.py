"""The view of a train stage while it goes on: a bar for each run on a terminal, a plain line for each that ended everywhere.

``emoji pfml noise 0.2 seed 3 ━━━━━━━━━━━╸━━━━ 11/15 epochs``
``R@1 so far 47.6 % (3 of 5 seeds) · left: 0:00:12, whole run 0:14:10``
"""

import math
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from suite.settings.plans import Plan
from suite.training.time_left import NOTHING_AFTER, after_stage, time_left
from suite.training.outcome import Outcome, Run


class RunsView(Progress):
    """Shows runs that train in other processes; a context manager.

    Args:
        stage: name of the stage.
        runs: all its runs.
        epochs: how many each of them has.
        done: outcomes of those that an interrupted stage left, by place in ``runs``.
        console: where it is shown; only plain lines if that is no terminal.
        ahead: later stages to which some of the runs belong.
    """

    def __init__(
        self,
        stage: str,
        runs: Sequence[Run[Plan[Any]]],
        epochs: Sequence[int],
        done: dict[int, Outcome],
        console: Console,
        ahead: Collection[str] = (),
    ) -> None:
        self._stage = stage
        self._runs = runs
        self._epochs = epochs
        self._outcomes = dict(done)
        self._latest = max(done, default=0)
        self._started = time.monotonic()
        self._after = after_stage(stage, ahead) if console.is_terminal else NOTHING_AFTER
        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("epochs"),
            console=console,
            disable=not console.is_terminal,
            auto_refresh=False,  # no second thread: workers are forked from this process
            transient=True,
        )
        if done:
            console.print(f"{stage}: resuming, runs {sorted(done)} are done", markup=False)
        self._bars = {
            place: self.add_task(_title(run), total=epochs[place], visible=False)
            for place, run in enumerate(runs)
            if place not in done
        }

    def on_epoch(self, message: tuple[int, int]) -> None:
        """Take up (place of a run, number of its finished epochs)."""
        place, epochs = message
        self.update(self._bars[place], completed=epochs, visible=place not in self._outcomes, refresh=True)

    def finish(self, place: int, outcome: Outcome) -> None:
        """Take up the outcome of a run: its bar becomes a line."""
        self._outcomes[place] = outcome
        self._latest = place
        run = self._runs[place]
        self.update(self._bars[place], completed=self._epochs[place], visible=False)
        self.console.print(f"{self._stage} {run.name}: {_result(outcome)}", markup=False)
        self.refresh()

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bars, and the summary below them."""
        yield self.make_tasks_table(self.tasks)
        yield Text(self._summary(), style="cyan", overflow="ellipsis", no_wrap=True)

    def _summary(self) -> str:
        """R@1 of the runs like the latest, over the seeds that ended; and the time left."""
        group = self._runs[self._latest].group
        alike = [place for place, run in enumerate(self._runs) if run.group == group]
        ended = [self._outcomes[place] for place in alike if place in self._outcomes]
        found = [recall for outcome in ended if (recall := _recall(outcome)) is not None]
        mean = f"{sum(found) / len(found):.1f} %" if found else "–"
        failed = sum(outcome.record["failure"] is not None for outcome in ended)
        counted = f"{len(ended)} of {len(alike)} seeds" + (f", {failed} failed" if failed else "")
        return f"R@1 so far {mean} ({counted}) · left: {self._left()}"

    def _left(self) -> str:
        epochs = math.fsum(task.total or 0 for task in self.tasks)
        share = math.fsum(task.completed for task in self.tasks) / epochs if epochs else 1.0
        return time_left(time.monotonic() - self._started, share, self._after)


def _title(run: Run[Plan[Any]]) -> str:
    return f"{run.plan.dataset} {run.plan.loss} {run.name}"


def _recall(outcome: Outcome) -> float | None:
    """R@1 in percent; None for a failed run and for a study that does not retrieve."""
    metrics = outcome.record.get("metrics")
    return 100 * metrics["recall_at_1"] if metrics else None


def _result(outcome: Outcome) -> str:
    record, recall = outcome.record, _recall(outcome)
    result = f"failed, {record['failure']}" if record["failure"] else "done"
    if recall is not None:
        result = f"R@1 {recall:.1f} %"
    return f"{result} in {outcome.seconds:.1f} s"
