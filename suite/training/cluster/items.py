"""What the executor holds of its tasks, and how it tells of those that raised."""

from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from suite.errors import SuiteError


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
    results: "SimpleQueue[tuple[Any, Any]]" = field(compare=False)
    began: int = field(compare=False, default=0)
    blamed: int = field(compare=False, default=0)
    missed: dict[str, int] = field(compare=False, default_factory=dict)
    """How often each worker did not have its parcel."""
    future: Any = field(compare=False, default=None)
