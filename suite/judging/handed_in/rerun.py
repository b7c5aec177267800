"""``suite rerun``: some runs of a bundle, drawn at random, are computed anew by the code in it, and compared.

This is the one place where code of a bundle runs. It runs in worker processes, in a folder of its own that is deleted
afterwards; that is order, and no protection.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from suite.data.catalog import verified
from suite.data.features import Features, load_features, save_features
from suite.data.table import read_table
from suite.errors import SuiteError
from suite.evaluation.records import Record
from suite.evaluation.retrieval import MAIN_METRIC
from suite.hashing import sha256_file
from suite.judging.handed_in.bundle import Bundle
from suite.judging.handed_in.check import check_bundle
from suite.judging.handed_in.code import write_code
from suite.judging.handed_in.protocol import suite_version
from suite.judging.handed_in.standing import Rerun, SpotCheck, drawn, made_here, shown_records
from suite.processes import guarded, in_parallel, processor_kind
from suite.settings.finetuned import load_finetuned
from suite.settings.params import Settings
from suite.settings.paths import FEATURES
from suite.settings.plans import Run, SomePlan
from suite.training.cache import record_of, versions
from suite.training.features import features_of
from suite.training.finetuned.planner import write_finetuned_plans
from suite.training.finetuned.run import run_finetuned
from suite.training.finetuned.stage import VERSIONED, make_views, views_of
from suite.training.run.frozen import run_frozen

RunFunction = Callable[[Any, Any], Any]
"""Computes a run from the data of its data set."""
Place = tuple[str, str]
"""Regime and data set."""


def sample_of(bundle: Bundle, settings: Settings, count: int, seed: int) -> list[Run[SomePlan]]:
    """Runs that a spot check draws.

    Raises:
        SuiteError: the bundle does not fit this board.
    """
    due = {run.config_sha256: run for run in check_bundle(bundle, settings)}
    return [due[record.config_sha256] for record in drawn(bundle, count, seed)]


def spot_check(
    bundle: Bundle, settings: Settings, runs: Sequence[Run[SomePlan]], seed: int, margin: float, console: Console
) -> SpotCheck:
    """Compute a sample of ``sample_of`` anew. What the code raises, and a killed process, are part of what is found.

    Args:
        bundle: the bundle, whose code runs.
        settings: of the board.
        runs: the sample.
        seed: by which it was drawn.
        margin: points up to which a mean difference counts as none.
        console: where progress is shown.

    Raises:
        SuiteError: features or views are missing.
    """
    found: dict[int, Rerun] = {}
    groups: dict[Place, list[int]] = {}
    for number, run in enumerate(runs):
        groups.setdefault((run.plan.regime, run.plan.dataset), []).append(number)
    loaded, features_sha256 = _loaded(bundle, groups, settings, console)
    with TemporaryDirectory() as folder, chdir(folder):
        write_code(bundle.code, Path())
        for place, numbers in groups.items():
            try:
                for number, (here, raised) in in_parallel(_record, (*loaded[place], runs), numbers):
                    found[number] = Rerun.of(runs[number].config_sha256, here, raised)
                    told = raised or _shown(here)
                    run = runs[number]
                    where = f"{bundle.loss} {run.plan.regime} {run.plan.track} {run.plan.dataset} {run.name}"
                    console.print(f"{where}: {told}", markup=False)
            except SuiteError as error:  # a worker was killed
                console.print(str(error), markup=False)
    return SpotCheck(
        draw=seed,
        margin=margin,
        reruns=tuple(
            found.get(number, Rerun(config_sha256=run.config_sha256, found=None)) for number, run in enumerate(runs)
        ),
        suite_version=suite_version(),
        processor=processor_kind(),
        versions=versions(*VERSIONED),
        features_sha256=features_sha256,
    )


def _shown(record: Record | None) -> str:
    return "failed" if record is None or record.status == "failed" else f"R@1 {100 * record.metrics[MAIN_METRIC]:.2f} %"


def _loaded(
    bundle: Bundle, groups: Mapping[Place, object], settings: Settings, console: Console
) -> tuple[dict[Place, tuple[RunFunction, Any]], dict[str, str]]:
    """The run function and the data of each regime and data set, and digests of features; views that lack are made."""
    loaded: dict[Place, tuple[RunFunction, Any]] = {}
    digests: dict[str, str] = {}
    if any(regime == "finetuned" for regime, _ in groups):
        write_finetuned_plans(settings, load_finetuned())
    for regime, dataset in groups:
        if regime == "finetuned":
            make_views(dataset, console)
            loaded[regime, dataset] = run_finetuned, views_of(dataset)
        else:
            features, digests[dataset] = _features(bundle, dataset, settings, console)
            loaded[regime, dataset] = run_frozen, features
    return loaded, digests


def _features(bundle: Bundle, dataset: str, settings: Settings, console: Console) -> tuple[Features, str]:
    """The features of a data set with the digest of their file.

    Where they should be those that the bundle names, and are not, they are made anew: the file here may be old.
    """
    path = Path(FEATURES.format(dataset=dataset))
    features, digest = load_features(path), sha256_file(path)
    records = shown_records(bundle)
    alike = all(made_here(bundle, record, processor_kind(), versions(*VERSIONED)) for record in records)
    if not alike or digest == bundle.manifest.features_sha256.get(dataset):
        return features, digest
    data = verified(dataset)
    table = read_table(data.path, settings.datasets[dataset].max_classes)
    with TemporaryDirectory() as folder:
        anew = Path(folder) / path.name
        save_features(anew, features_of(table, dataset, data.sha256, settings.backbone, console))
        features, fresh = load_features(anew), sha256_file(anew)
    if fresh != digest:
        console.print(f"{path} is none that this suite makes; make it anew with: dvc repro -f features@{dataset}")
    return features, fresh


def _record(shared: tuple[RunFunction, Any, Sequence[Run[SomePlan]]], number: int) -> tuple[Record | None, str]:
    """What a run gives, or what its code raised."""
    function, data, runs = shared
    run = runs[number]
    try:
        with guarded(f"{run.plan.dataset} {run.plan.loss} ({run.plan.target}) {run.name}: the run"):
            return record_of(run, function(run, data), {}), ""
    except SuiteError as error:
        return None, str(error)
