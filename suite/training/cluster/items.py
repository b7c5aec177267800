"""What the executor holds of its tasks, and how it tells of those that raised."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from suite.errors import SuiteError
from suite.training.cluster.description import Description
from suite.training.cluster.worker import Raised

DEATHS = 3
"""So often a run is computed again whose worker died."""


class RunsRaisedError(SuiteError):
    """Some tasks raised; all others have been given.

    Attributes:
        raised: the tasks, with what they raised.
    """

    def __init__(self, raised: list[tuple[Any, str]]) -> None:
        super().__init__(f"{len(raised)} failed: {raised[0][1]}")
        self.raised = raised


@dataclass(order=True, slots=True)
class Item:
    """A task that has not ended: ordered by urgency, then by time."""

    urgency: int
    number: int
    parcel: str = field(compare=False)
    task: Any = field(compare=False)
    name: Callable[[Any], str] = field(compare=False)
    """Gives what a task is called."""
    results: "SimpleQueue[tuple[Any, Any]]" = field(compare=False)
    since: float | None = field(compare=False, default=None)
    """When it began, by the clock of the driver; None while it does not run."""
    deaths: int = field(compare=False, default=0)
    """So many workers have gone while it ran there."""
    blamed: int = field(compare=False, default=0)
    missed: dict[str, int] = field(compare=False, default_factory=dict)
    """How often each worker did not have its parcel."""
    future: Any = field(compare=False, default=None)

    def begin(self) -> None:
        """A worker has begun it."""
        self.since = time.monotonic()

    def stop(self) -> bool:
        """It runs no more; gives whether it did."""
        ran, self.since = self.since is not None, None
        return ran

    def die(self) -> bool:
        """Its worker has gone; gives whether it ran there."""
        ran = self.stop()
        self.deaths += ran
        return ran

    def told(self) -> str:
        """What it is called."""
        return self.name(self.task)

    def after_death(self) -> Raised | None:
        """Blame a run for workers that went while it ran there; Dask blames those that were to follow, too."""
        if self.deaths > DEATHS or self.blamed > 1:
            return Raised(f"{self.told()}: its worker died, {DEATHS + 1} times; the worker's log may say of what")
        return None


def ended(
    results: "SimpleQueue[tuple[Any, Any]]", count: int, on_raised: Callable[[Any, str], None]
) -> Iterator[tuple[Any, Any, Description]]:
    """Tasks with results and workers, as they end.

    Raises:
        RunsRaisedError: some raised; after all others were given.
        SuiteError: none ends any more.
    """
    raised: list[tuple[Any, str]] = []
    for _ in range(count):
        task, result = results.get()
        if isinstance(result, Exception):
            raise result
        if isinstance(result, Raised):
            raised.append((task, result.text))
            on_raised(task, result.text)
        else:
            yield task, result.value, result.worker
    if raised:
        raise RunsRaisedError(raised)
