"""A few runs computed anew, past the run cache: what a doubter compares with the records in git."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from suite.errors import SuiteError
from suite.evaluation.retrieval import MAIN_METRIC
from suite.processes import in_parallel
from suite.settings.plans import FinetunedPlan, Run, plan_path, read_plan_file, runs_of
from suite.training.finetuned.planner import REGIME
from suite.training.finetuned.run import run_finetuned
from suite.training.finetuned.stage import make_views, views_of
from suite.training.finetuned.views import Source


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


def rerun(wanted: Sequence[Wanted], console: Console) -> list[float | None]:
    """Compute runs anew, in parallel processes; gives R@1 of each in [0, 1], None for one that failed.

    Views that lack are made.

    Raises:
        SuiteError: a run is not planned: its settings, its loss or the code that trains are others now.
    """
    runs = [_planned(each) for each in wanted]
    found: dict[int, float | None] = {}
    for dataset in dict.fromkeys(each.dataset for each in wanted):
        make_views(dataset, console)
        places = [place for place, each in enumerate(wanted) if each.dataset == dataset]
        for place, recall in in_parallel(_recall, (views_of(dataset), runs), places):
            found[place] = recall
            told = "failed" if recall is None else f"R@1 {100 * recall:.2f} %"
            console.print(f"{wanted[place].name}: {told}", markup=False)
    return [found[place] for place in range(len(wanted))]


def _planned(wanted: Wanted) -> Run[FinetunedPlan]:
    for plan, _ in read_plan_file(plan_path("tuned", wanted.dataset, wanted.loss, REGIME)):
        assert isinstance(plan, FinetunedPlan)
        for run in runs_of(plan):
            if run.config_sha256 == wanted.config_sha256:
                return run
    raise SuiteError(
        f"{wanted.name} is not planned: its settings, its loss or the code that trains are others than those of the "
        "record; check out the commit of the records"
    )


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
