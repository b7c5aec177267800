"""The stages of the regime: views of a data set, searches of a loss, its runs."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from suite.data.catalog import verified
from suite.data.table import ImageTable, read_table
from suite.errors import SuiteError
from suite.files import alone, write_json
from suite.hashing import sha256_code
from suite.settings.finetuned import ViewPlan
from suite.settings.paths import LOCKS_FOLDER, TIMES_FOLDER
from suite.settings.plans import P, Run, folder_of, runs_of
from suite.training.backbone import load_backbone
from suite.training.cache import CachedRun, Finished, cached_runs, clear, versions
from suite.training.finetuned.images import load_images
from suite.training.finetuned.making import write_views
from suite.training.finetuned.planner import REGIME, finetuned_code_sha256, load_view_plan
from suite.training.finetuned.run import run_finetuned
from suite.training.finetuned.validation import validate_finetuned
from suite.training.finetuned.views import Source, load_views
from suite.training.run.frozen import Outcome
from suite.training.stage import check_code, read_tuned_plans, run_stage, write_runs
from suite.training.tuning.resolve import Tools

VERSIONED = ("timm",)
"""Libraries that runs on views depend on besides those of all runs."""


def make_views(dataset: str, console: Console) -> None:
    """Make the views of a planned data set; a second command at the same ones waits. Writes the seconds, if any lacked.

    Raises:
        SuiteError: there is no plan, the data are others now, the backbone cannot be cut there, the disk has too little
            room, or float16 cannot hold a value.
    """
    plan, place = load_view_plan(dataset), folder_of(REGIME)
    times = place / TIMES_FOLDER / f"views-{dataset}.json"
    with alone(place / LOCKS_FOLDER / f"views-{dataset}.lock", console):
        started = time.perf_counter()
        made = write_views(plan, _table_of(plan), load_backbone(plan.backbone), console)
        if made or not times.is_file():
            write_json(times, {"runs": {"views": round(time.perf_counter() - started, 3)}})


def views_of(dataset: str) -> Source:
    """The views of a planned data set, or its images where the whole network learns.

    Raises:
        SuiteError: they are missing, stale, incomplete, cut short or altered, or the data are others now.
    """
    plan = load_view_plan(dataset)
    load = load_images if plan.whole_network else load_views
    return load(plan, _table_of(plan), load_backbone(plan.backbone))


def _table_of(plan: ViewPlan) -> ImageTable:
    """The data that a plan is for.

    Raises:
        SuiteError: they are missing, or others now.
    """
    file = verified(plan.dataset)
    if file.sha256 != plan.data_sha256:
        raise SuiteError(
            f"the data of {plan.dataset} have changed since the plan was made; run: suite plan --regime {REGIME}"
        )
    return read_table(file.path, plan.max_classes)


def tools() -> Tools:
    """What searches and studies of the regime need."""
    return Tools(
        REGIME,
        finetuned_code_sha256,
        views_of,
        lambda views: views.sha256,
        _training_labels,
        validate_finetuned,
        run_finetuned_stage,
    )


def _training_labels(views: Source, split: int) -> NDArray[np.int64]:
    assert split == 0  # views are of the stored split
    return views.labels[views.training_rows]


def train_finetuned(dataset: str, loss: str, console: Console, *, anew: bool = False) -> None:
    """Run what is missing of a loss on a data set; writes ``runs`` and ``times`` below ``finetuned/``.

    ``anew`` deletes finished runs once nothing stands in the way of new ones.

    Raises:
        SuiteError: the plan or the views are missing or stale, or code is not the planned one.
    """
    name = f"{dataset}-{loss}"
    runs = [run for plan, _ in read_tuned_plans(dataset, loss, REGIME) for run in runs_of(plan, keep_embeddings=True)]
    places, finished = run_finetuned_stage(name, runs, console, anew=anew)
    write_runs(name, places, finished, folder_of(REGIME))


def run_finetuned_stage(
    name: str,
    runs: Sequence[Run[P]],
    console: Console,
    function: Callable[..., Outcome] = run_finetuned,
    *,
    anew: bool = False,
) -> tuple[list[CachedRun[P]], list[Finished]]:
    """Run those of one data set that are not in the run cache.

    Args:
        name: of the stage.
        runs: what to run.
        console: where progress is shown.
        function: computes a run from views.
        anew: delete what the run cache has of their loss first, once all is checked.

    Returns:
        The runs with their places in the cache, and what each left.

    Raises:
        SuiteError: the views are missing or stale, or code is not the planned one.
    """
    (dataset,) = {run.plan.dataset for run in runs}
    for plan in {id(run.plan): run.plan for run in runs}.values():
        check_code(plan, finetuned_code_sha256())
    views = views_of(dataset)
    places = cached_on(views, runs, function)
    if anew:
        clear(dataset, runs[0].plan.loss, REGIME)
    return places, run_stage(name, places, views, function, console)


def cached_on(
    views: Source, runs: Sequence[Run[P]], function: Callable[..., Outcome] = run_finetuned
) -> list[CachedRun[P]]:
    """The places in the run cache of runs on views that a function computes."""
    code = sha256_code(Path(function.__code__.co_filename))
    return cached_runs(runs, views.sha256, code, versions(*VERSIONED))
