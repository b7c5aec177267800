"""What a stage keeps of each run until it ends, and what it leaves behind then.

Each finished run is kept in ``partial/`` under a key that covers everything it depends on: plan, data, noise, code and
versions. A stage that was killed takes up the runs whose key still fits; one that ends deletes them, so that a later,
deliberate rerun computes afresh. The outputs are written at the end, in the order of runs, and so have the same bytes
however often the stage was interrupted and whatever the number of processes. Nothing here loads torch.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic

from rich.console import Console

from suite.settings.plans import Plan
from suite.settings.grid import CURVES_NAME, EMBEDDINGS_NAME, RECORDS_NAME, runs_folder
from suite.files import replacing, write_json, write_lines
from suite.hashing import sha256_source, sha256_value
from suite.training.view import RunsView
from suite.training.executors import Message
from suite.training.times import StageClock
from suite.training.outcome import Outcome, P_co, Run, config_sha256

PARTIAL_FOLDER = Path("partial")
Execute = Callable[[Sequence[int], Callable[[Message], None]], Iterator[tuple[int, Outcome]]]
"""Runs those of these numbers; gives number and outcome as they finish, and (number, finished epochs) as messages."""

_CODE = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Slot(Generic[P_co]):
    """A run, and where its outcome is kept.

    Attributes:
        run: the run.
        stage: name of the stage that it belongs to.
        number: its place in that stage.
        key: digest of all it depends on.
        epochs: how many it has.
    """

    run: Run[P_co]
    stage: str
    number: int
    key: str
    epochs: int

    @property
    def path(self) -> Path:
        """File of its outcome."""
        return partial_folder(self.stage) / f"run-{self.number}.json"

    def keep(self, outcome: Outcome) -> None:
        """Keep its outcome."""
        write_json(self.path, {"key": self.key} | asdict(outcome))

    def kept(self) -> Outcome | None:
        """Its outcome, if one is kept that it would have today."""
        embeddings = self.run.embeddings
        if not self.path.is_file() or (embeddings is not None and not embeddings.is_file()):
            return None
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
        except json.JSONDecodeError:
            return None
        return Outcome(kept["record"], kept["curve"], kept["seconds"]) if kept["key"] == self.key else None


def partial_folder(stage: str) -> Path:
    """Where a stage keeps what it has finished."""
    return PARTIAL_FOLDER / stage


def slots_of(
    stage: str, runs: Sequence[Run[P_co]], data: str, versions: dict[str, str], epochs: Sequence[int]
) -> list[Slot[P_co]]:
    """The slots of all runs of a stage.

    Args:
        stage: its name.
        runs: all its runs, in order.
        data: digest of the data that they read.
        versions: of what they are computed with.
        epochs: how many each of them has.
    """
    shared = [data, sha256_source(_CODE), versions]
    keys = [sha256_value([*shared, config_sha256(run)]) for run in runs]
    return [
        Slot(run, stage, number, key, count)
        for number, (run, key, count) in enumerate(zip(runs, keys, epochs, strict=True))
    ]


def finished(slots: Sequence[Slot[Plan[Any]]]) -> dict[int, Outcome]:
    """The outcomes that are kept, by place among the slots."""
    return {place: outcome for place, slot in enumerate(slots) if (outcome := slot.kept())}


def resume_all(
    slots: Sequence[Slot[P_co]], execute: Execute, console: Console, ahead: Sequence[Slot[P_co]] = ()
) -> list[Outcome]:
    """Take up what an interrupted stage left, and run the rest.

    Args:
        slots: the runs of the stage.
        execute: runs some of these, then some of those ahead.
        console: where progress is shown.
        ahead: runs of later stages that are not kept yet, and will be; one that ``execute`` leaves out is theirs to run.

    Returns:
        Outcomes of the stage's own runs, in their order.
    """
    outcomes = finished(slots)
    places = [*slots, *ahead]
    waiting = [place for place in range(len(places)) if place not in outcomes]
    runs, epochs = [slot.run for slot in places], [slot.epochs for slot in places]
    with RunsView(slots[0].stage, runs, epochs, outcomes, console, {slot.stage for slot in ahead}) as view:
        for place, outcome in execute(waiting, view.on_epoch):
            outcomes[place] = outcome
            places[place].keep(outcome)
            view.finish(place, outcome)
    return [outcomes[place] for place in range(len(slots))]


def forget(stage: str) -> None:
    """Delete what was kept for resuming a stage."""
    shutil.rmtree(partial_folder(stage), ignore_errors=True)


def write_outputs(
    stage: str, runs: Sequence[Run[Plan[Any]]], outcomes: Sequence[Outcome], clock: StageClock, root: Path = Path()
) -> None:
    """Write what a stage leaves below ``root``; forget what was kept for resuming it.

    That is ``runs/NAME`` with records, curves and, where a run kept them, embeddings; and ``times/NAME.json``.
    """
    folder = runs_folder(stage, root)
    curves = [
        {"noise_level": run.noise_level, "seed": run.seed, "epoch": epoch, "loss": value}
        for run, outcome in zip(runs, outcomes, strict=True)
        for epoch, value in enumerate(outcome.curve, 1)
    ]
    shutil.rmtree(folder, ignore_errors=True)
    write_lines(folder / CURVES_NAME, curves)
    write_lines(folder / RECORDS_NAME, [outcome.record for outcome in outcomes])
    for kept in [run.embeddings for run in runs if run.embeddings is not None]:
        with replacing(folder / EMBEDDINGS_NAME) as temporary:
            shutil.copyfile(kept, temporary)
    clock.write(stage, {run.name: outcome.seconds for run, outcome in zip(runs, outcomes, strict=True)}, root)
    forget(stage)
