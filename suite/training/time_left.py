"""How long a run of the pipeline still takes: what the stage at work has left, and the stages after it.

Which stages of the grid are left follows from the plans: those whose records were made by another plan, or are missing. How
long each takes, from ``times/``, which stages of this machine wrote, and where they say nothing from ``results/times.csv``:
the mean of the nearest relatives that have a time. An estimate for the eye, which nothing depends on.
"""

import csv
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from suite.settings.plans import CellPlan, cell_plan_path, read_cell, tuned_plan_path
from suite.settings.grid import Cell
from suite.settings.params import Settings, load_settings
from suite.settings.tuned_recipes import shared_training
from suite.errors import SuiteError
from suite.settings.feature_paths import features_path
from suite.training.times import TIMES_FOLDER
from suite.training.outcome import is_done

COMMITTED_TIMES = Path("results/times.csv")


@dataclass(frozen=True, slots=True)
class After:
    """What a run does after the stage at work.

    Attributes:
        stages: number of stages that compute.
        seconds: how long those take that can be told.
        unknown: how long the others take, in units of the stage at work.
    """

    stages: int = 0
    seconds: float = 0.0
    unknown: float = 0.0


NOTHING_AFTER = After()


def time_left(elapsed: float, share: float, after: After = NOTHING_AFTER) -> str:
    """The time left, as text.

    Args:
        elapsed: seconds since the stage at work began.
        share: share of it that is done.
        after: what comes after it.
    """
    if share <= 0:
        return "–"
    whole = elapsed / share
    here = whole - elapsed
    if not after.stages:
        return _clock(here)
    together = _clock(here + after.seconds + after.unknown * whole)
    return f"{_clock(here)}, whole run {together}"


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(max(0.0, seconds))))


@dataclass(frozen=True, slots=True)
class _Stage:
    """A stage that computes: the name of its times, its data set and loss, how many train stages it is worth."""

    name: str
    kind: str
    dataset: str
    loss: str = ""
    worth: float = 1.0
    left: bool = True


def after_stage(name: str, ahead: Collection[str] = ()) -> After:
    """What the pipeline runs after a stage, named as in ``times/``; nothing for one that is not of the grid.

    Args:
        name: of the stage at work.
        ahead: stages whose runs it trains besides its own: they have next to nothing left.

    Files that are missing or cannot be read count as not there: this is for display alone.
    """
    try:
        stages = list(_stages(load_settings()))
    except (SuiteError, KeyError, TypeError, ValueError):
        return NOTHING_AFTER
    if name not in {stage.name for stage in stages}:
        return NOTHING_AFTER
    known = _known()
    left = [stage for stage in stages if stage.left and stage.name not in {name, *ahead}]
    seconds = [_estimate(stage, stages, known) for stage in left]
    told = [value for value in seconds if value is not None]
    unknown = [stage.worth for stage, value in zip(left, seconds, strict=True) if value is None]
    return After(len(left), sum(told), sum(unknown))


def _stages(settings: Settings) -> Iterator[_Stage]:
    for dataset in settings.datasets:
        yield _Stage(f"features-{dataset}", "features", dataset, left=not features_path(dataset).is_file())
        for loss in settings.losses:
            planned, search = read_cell(cell_plan_path(dataset, loss))
            plan: CellPlan | None = planned
            if search is not None:
                worth = search.trials * (search.folds - 1) / settings.seeds
                plan = _settled(planned)
                yield _Stage(f"tune-{dataset}-{loss}", "tune", dataset, loss, worth, left=plan is None)
            for level in settings.noise.levels:
                cell = Cell(dataset, loss, level)
                yield _Stage(cell.name, "train", dataset, loss, left=plan is None or not is_done(cell, plan))


def _settled(planned: CellPlan) -> CellPlan | None:
    """The plan that a search completed, if it was made from this one."""
    path = tuned_plan_path(planned.dataset, planned.loss)
    if not path.is_file():
        return None
    found, _ = read_cell(path)
    return found if _core(found) == _core(planned) else None


def _core(plan: CellPlan) -> list[object]:
    return [
        plan.target,
        plan.source_sha256,
        plan.code_sha256,
        plan.noise_kind,
        plan.seeds,
        shared_training(plan.recipe),
    ]


def _known() -> dict[str, float]:
    """Seconds of stages by name: of this machine, else as committed."""
    known: dict[str, float] = {}
    if COMMITTED_TIMES.is_file():
        with COMMITTED_TIMES.open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                known[row["name"]] = float(row["start_up_seconds"]) + float(row["work_seconds"])
    for path in TIMES_FOLDER.glob("*.json"):
        try:
            times = json.loads(path.read_text(encoding="utf-8"))
            known[path.stem] = times["start_up"] + times["work"]
        except (KeyError, TypeError, ValueError):
            continue
    return known


def _estimate(stage: _Stage, stages: list[_Stage], known: dict[str, float]) -> float | None:
    """Seconds of a stage: its own, else the mean of relatives; of a search, what as much training takes."""
    if stage.name in known:
        return known[stage.name]
    kind = "train" if stage.kind == "tune" else stage.kind
    alike = [other for other in stages if other.kind == kind and other.name in known]
    for relatives in (
        [other for other in alike if (other.dataset, other.loss) == (stage.dataset, stage.loss)],
        [other for other in alike if other.dataset == stage.dataset],
        alike,
    ):
        if relatives:
            return stage.worth * sum(known[other.name] for other in relatives) / len(relatives)
    return None
