"""A few runs computed anew, past the run cache: what a doubter compares with the records in git."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console

from suite.errors import SuiteError, allowed
from suite.evaluation.cells import cell_files
from suite.evaluation.records import read_records
from suite.evaluation.retrieval import MAIN_METRIC
from suite.processes import in_parallel
from suite.settings.params import Settings
from suite.settings.paths import EXTENDED
from suite.settings.plans import FinetunedPlan, Run, plan_path, read_plan_file, runs_of, studies_of, tuned_plan_path
from suite.training.finetuned.planner import REGIME
from suite.training.finetuned.run import run_finetuned
from suite.training.finetuned.stage import make_views, views_of
from suite.training.finetuned.views import Source
from suite.training.stage import read_tuned_plans
from suite.training.studies.extended import extended_parts


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run of a record.

    Attributes:
        dataset: name of the data set.
        loss: name of the loss.
        name: of the run, for messages.
        config_sha256: digest of its settings, code included.
    """

    dataset: str
    loss: str
    name: str
    config_sha256: str


def rerun(wanted: Sequence[Wanted], settings: Settings, console: Console) -> list[float | None]:
    """Compute runs anew, in parallel processes; gives R@1 of each in [0, 1], None for one that failed.

    Views that lack are made. Where the code of a loss is another than that of its record, this is told: what is compared is
    what it does.

    Args:
        wanted: the runs, of the grid or of the study ``extended``.
        settings: of the regime.
        console: where progress is shown.

    Raises:
        SuiteError: a run is not planned: its settings, its loss or the code that trains are others now.
    """
    runs = [_planned(each, settings) for each in wanted]
    changed = sorted(
        {run.plan.loss for run, each in zip(runs, wanted, strict=True) if run.config_sha256 != each.config_sha256}
    )
    if changed:
        console.print(f"note: the code of {allowed(changed)} is another than that of the records; it runs as it is now")
    found: dict[int, float | None] = {}
    for dataset in dict.fromkeys(each.dataset for each in wanted):
        make_views(dataset, console)
        places = [place for place, each in enumerate(wanted) if each.dataset == dataset]
        for place, recall in in_parallel(_recall, (views_of(dataset), runs), places):
            found[place] = recall
            told = "failed" if recall is None else f"R@1 {100 * recall:.2f} %"
            console.print(f"{wanted[place].name}: {told}", markup=False)
    return [found[place] for place in range(len(wanted))]


def _planned(wanted: Wanted, settings: Settings) -> Run[FinetunedPlan]:
    code_then = _loss_code(wanted)
    for run in _runs_of(wanted.dataset, wanted.loss, settings):
        then = run if code_then is None else replace(run, plan=replace(run.plan, loss_sha256=code_then))
        if wanted.config_sha256 in (run.config_sha256, then.config_sha256):
            return run
    raise SuiteError(
        f"{wanted.name} is not planned: its settings, its loss or the code that trains are others than those of the "
        "record, or its values are neither in git nor searched here; check out the commit of the records"
    )


def _loss_code(wanted: Wanted) -> str | None:
    """Digest of the loss's code in the record of a run, where this checkout has it."""
    name = f"{wanted.dataset}-{wanted.loss}"
    study = studies_of(REGIME) / EXTENDED / f"{name}.jsonl"
    records = read_records([*cell_files([name], REGIME), *([study] if study.is_file() else [])])
    return next((each.loss_sha256 for each in records if each.config_sha256 == wanted.config_sha256), None)


def _runs_of(dataset: str, loss: str, settings: Settings) -> Iterator[Run[Any]]:
    """Runs of a loss in the grid, by recipes in git, then by searches here, then those of the study ``extended``.

    Those of the study that await a search have no values yet.
    """
    grid, study = (plan_path(kind, dataset, loss, REGIME) for kind in ("tuned", "extended"))
    for plan, _ in read_plan_file(grid) if grid.is_file() else ():
        yield from runs_of(plan)
    if tuned_plan_path(dataset, loss, REGIME).is_file():
        for plan, _ in read_tuned_plans(dataset, loss, REGIME):
            yield from runs_of(plan)
    for part in extended_parts(dataset, loss, settings, REGIME) if study.is_file() else ():
        if part.search is None:
            yield from part.runs(part.plan)


def _recall(shared: tuple[Source, Sequence[Run[FinetunedPlan]]], place: int) -> float | None:
    views, runs = shared
    found = run_finetuned(runs[place], views).found
    return None if found is None else found.metrics[MAIN_METRIC]


def wanted_of(rows: Iterable[Mapping[str, object]]) -> list[Wanted]:
    """The runs of rows of ``records.csv``."""
    return [
        Wanted(
            str(row["dataset"]),
            str(row["loss"]),
            f"{row['dataset']} {row['loss']} {row['track']} noise {row['noise_level']:g} seed {row['seed']}",
            str(row["config_sha256"]),
        )
        for row in rows
    ]
