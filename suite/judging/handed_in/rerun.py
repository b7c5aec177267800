"""``suite rerun``: some runs of a bundle, drawn at random, are computed anew by the code in it, and compared.

This is the one place where code of a bundle runs. It runs in worker processes, in a folder of its own that is deleted
afterwards; that is order, and no protection.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from rich.console import Console

from suite.data.features import load_features
from suite.evaluation.retrieval import MAIN_METRIC
from suite.evaluation.tables import to_table
from suite.judging.handed_in.bundle import Bundle
from suite.judging.handed_in.check import check_bundle
from suite.judging.handed_in.code import write_code
from suite.judging.handed_in.folder import SpotCheck
from suite.judging.handed_in.protocol import REGIMES, suite_version
from suite.judging.spot_check import draw, judge_reruns
from suite.processes import guarded, in_parallel
from suite.settings.finetuned import load_finetuned
from suite.settings.params import Settings
from suite.settings.paths import FEATURES
from suite.settings.plans import Run, SomePlan
from suite.training.finetuned.planner import write_finetuned_plans
from suite.training.finetuned.run import run_finetuned
from suite.training.finetuned.stage import make_views, views_of
from suite.training.run.frozen import run_frozen

RunFunction = Callable[[Any, Any], Any]
"""Computes a run from the data of its data set."""
Place = tuple[str, str]
"""Regime and data set."""


def sample_of(
    bundle: Bundle, settings: Settings, count: int, seed: int
) -> tuple[pd.DataFrame, list[Run[SomePlan]], int]:
    """Runs of the tuning tracks drawn at random: their records, one row each, the runs, and how many there are in all.

    Raises:
        SuiteError: the bundle does not fit this board.
    """
    due = {run.config_sha256: run for runs in check_bundle(bundle, settings).values() for run in runs}
    table = to_table(
        record for regime in REGIMES for records in bundle.records_of(regime).values() for record in records
    )
    chosen = draw(table, count, seed)
    return chosen, [due[digest] for digest in chosen["config_sha256"]], len(table)


def spot_check(
    bundle: Bundle,
    settings: Settings,
    sample: tuple[pd.DataFrame, Sequence[Run[SomePlan]]],
    seed: int,
    margin: float,
    console: Console,
) -> SpotCheck:
    """Compute a sample of ``sample_of`` anew and compare it with the records.

    Args:
        bundle: the bundle, whose code runs.
        settings: of the board.
        sample: records and runs.
        seed: by which they were drawn.
        margin: points of R@1 up to which the mean difference counts as none.
        console: where progress is shown.

    Raises:
        SuiteError: features or views are missing, or the code raises.
    """
    records, runs = sample
    names = [f"{run.plan.regime} {run.plan.dataset} {run.name}" for run in runs]
    found: dict[int, float | None] = {}
    groups: dict[Place, list[int]] = {}
    for number, run in enumerate(runs):
        groups.setdefault((run.plan.regime, run.plan.dataset), []).append(number)
    loaded = _loaded(groups, settings, console)
    with TemporaryDirectory() as folder, chdir(folder):
        write_code(bundle.code, Path())
        for place, numbers in groups.items():
            for number, recall in in_parallel(_recall, (*loaded[place], runs), numbers):
                found[number] = recall
                told = "failed" if recall is None else f"R@1 {100 * recall:.2f} %"
                console.print(f"{bundle.loss} {names[number]}: {told}", markup=False)
    outcome, told = judge_reruns(records, [found[number] for number in range(len(runs))], margin)
    return SpotCheck(
        draw=seed, runs=tuple(names), margin=margin, outcome=outcome, told=told, suite_version=suite_version()
    )


def _loaded(
    groups: Mapping[Place, object], settings: Settings, console: Console
) -> dict[Place, tuple[RunFunction, Any]]:
    """The run function and the data of each regime and data set; views that lack are made."""
    loaded: dict[Place, tuple[RunFunction, Any]] = {}
    if any(regime == "finetuned" for regime, _ in groups):
        write_finetuned_plans(settings, load_finetuned())
    for regime, dataset in groups:
        if regime == "finetuned":
            make_views(dataset, console)
            loaded[regime, dataset] = run_finetuned, views_of(dataset)
        else:
            loaded[regime, dataset] = run_frozen, load_features(Path(FEATURES.format(dataset=dataset)))
    return loaded


def _recall(shared: tuple[RunFunction, Any, Sequence[Run[SomePlan]]], number: int) -> float | None:
    function, data, runs = shared
    run = runs[number]
    with guarded(f"{run.plan.dataset} {run.plan.loss} ({run.plan.target}) {run.name}: the run"):
        found = function(run, data).found
    return None if found is None else float(found.metrics[MAIN_METRIC])
