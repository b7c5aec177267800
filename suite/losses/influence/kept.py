"""Influence curves: measured in parallel, and kept until the loss, its values or the code that measures changes."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pandas as pd
from rich.console import Console

from suite.errors import SuiteError
from suite.files import write_text
from suite.hashing import sha256_code, sha256_value
from suite.losses.influence import curve
from suite.losses.influence.curve import COLUMNS, DISTANCES, as_curves, measure_curve
from suite.losses.influence.scene import PAIRS, Pair
from suite.losses.registry import LossEntry, load_target
from suite.processes import in_parallel
from suite.progress import progress_bar
from suite.settings.paths import INFLUENCE_CACHE_FOLDER

_AT_ONCE = 6
"""Distances that a task measures."""
Found: TypeAlias = pd.DataFrame | str
"""Curves with columns ``COLUMNS``, or why a loss cannot be measured."""


@dataclass(frozen=True)
class Wanted:
    """Curves that are wanted, and all that they depend on.

    Attributes:
        loss: its name.
        target: what is built.
        sha256: digest of its code.
        values: its hyper-parameters; the others keep the defaults of the class.
        embedding_dim: D.
        code_sha256: digest of the code that measures.
        torch: its version.
    """

    loss: str
    target: str
    sha256: str
    values: dict[str, Any]
    embedding_dim: int
    code_sha256: str
    torch: str

    @property
    def path(self) -> Path:
        """Where the curves are kept."""
        return INFLUENCE_CACHE_FOLDER / f"{self.loss}-{sha256_value(asdict(self))[:16]}.csv"

    def find(self) -> Found | None:
        """What was measured before, if its file is whole. A loss that cannot be measured is remembered likewise."""
        if (reason := self.path.with_suffix(".txt")).is_file():
            return reason.read_text(encoding="utf-8", errors="replace")
        return read_curves(self.path, 2 * len(DISTANCES))

    def keep(self, found: Found) -> None:
        """Keep what was measured."""
        if isinstance(found, str):
            write_text(self.path.with_suffix(".txt"), found)
        else:
            write_text(self.path, found.to_csv(index=False))


def wanted(entry: LossEntry, values: dict[str, Any], embedding_dim: int) -> Wanted:
    """The curves of a loss at these values."""
    code = sha256_value([sha256_code(Path(str(curve.__file__))), DISTANCES])
    return Wanted(entry.name, entry.target, entry.sha256, values, embedding_dim, code, version("torch"))


def as_plan(asked: Sequence[Wanted]) -> dict[str, Any]:
    """What the plan file of the stage ``influence`` holds."""
    return {"losses": [asdict(each) for each in asked]}


def read_curves(path: Path, rows: int | None = None) -> pd.DataFrame | None:
    """The curves of a file to the last digit; None where it is missing, damaged or has another number of rows."""
    try:
        found = pd.read_csv(path, dtype={"loss": str}, keep_default_na=False, na_values=[""])
    except (OSError, ValueError):
        return None
    return found if tuple(found.columns) == COLUMNS and rows in (None, len(found)) else None


class _Part(NamedTuple):
    """A task: some distances of a curve of the loss of this number."""

    number: int
    pair: Pair
    first: int


def measure(asked: Sequence[Wanted], console: Console) -> dict[str, Found]:
    """Curves of losses by name: those measured before, and the others measured in parallel and kept.

    Raises:
        SuiteError: a loss has killed its process; those that were complete are kept.
    """
    found = {each.loss: each.find() for each in asked}
    missing = [each for each in asked if found[each.loss] is None]
    for each in asked:
        if each not in missing:
            console.print(f"influence of {each.loss}: measured before", markup=False, highlight=False)
    firsts = range(0, len(DISTANCES), _AT_ONCE)
    tasks = [_Part(number, pair, first) for number in range(len(missing)) for pair in PAIRS for first in firsts]
    parts: dict[int, dict[_Part, list[float] | str]] = {number: {} for number in range(len(missing))}
    with progress_bar(console, "parts of curves") as progress:
        bar = progress.add_task("influence", total=len(tasks))
        for part, values in in_parallel(_measure, tuple(missing), tasks):
            mine, each = parts[part.number], missing[part.number]
            mine[part] = values
            progress.update(bar, advance=1, description=f"influence of {each.loss}", refresh=True)
            if len(mine) == len(PAIRS) * len(firsts):
                found[each.loss] = complete = _assembled(each.loss, mine)
                each.keep(complete)
                ended = "cannot be measured" if isinstance(complete, str) else "measured"
                console.print(f"influence of {each.loss}: {ended}", markup=False, highlight=False)
    return {loss: each for loss, each in found.items() if each is not None}


def _assembled(loss: str, parts: dict[_Part, list[float] | str]) -> Found:
    """Both curves from their parts; the reason of the first part where it could not be measured."""
    ordered = [parts[key] for key in sorted(parts, key=lambda part: (PAIRS.index(part.pair), part.first))]
    reason = next((part for part in ordered if isinstance(part, str)), None)
    if reason is not None:
        return reason
    half = len(ordered) // 2
    curves = {pair: _joined(ordered[place * half : (place + 1) * half]) for place, pair in enumerate(PAIRS)}
    return as_curves(loss, curves, DISTANCES)


def _joined(parts: Iterable[Any]) -> list[float]:
    return [value for part in parts for value in part]


def _measure(missing: tuple[Wanted, ...], part: _Part) -> list[float] | str:
    mine = missing[part.number]
    try:
        entry = _entry(mine.loss, mine.target)
        distances = DISTANCES[part.first : part.first + _AT_ONCE]
        return [float(value) for value in measure_curve(entry, mine.values, mine.embedding_dim, part.pair, distances)]
    except SuiteError as error:
        return str(error)


@cache
def _entry(loss: str, target: str) -> LossEntry:
    """The loss, loaded once in a worker."""
    return load_target(loss, target)
