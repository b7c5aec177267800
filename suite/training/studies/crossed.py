"""Ablations of pfml crossed with label noise: one value held, the rates searched anew at each of its values."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from suite.data.features import load_features
from suite.errors import SuiteError, allowed
from suite.evaluation.record_parts import AblationPoint
from suite.evaluation.records import write_records
from suite.settings.paths import CROSSED, FEATURES, PARAMS_FILE, STUDY_OUTPUTS
from suite.settings.plans import Run, Search, SomePlan, fresh_seeds, plan_path, read_plan_file, tuned_plan_path
from suite.settings.studies import AblationAxes, CrossedSettings
from suite.training.stage import check_code, code_sha256, run_frozen_stage
from suite.training.studies.ablation import ABLATED, vary
from suite.training.studies.parts import Part


def run_crossed(dataset: str, axis: str, crossed: CrossedSettings, console: Console) -> Path:
    """Run or resume a crossed ablation of pfml; writes a record for each value, noise level and seed.

    Each tuned search of pfml is the start of a replicate: at each value of the axis the rates are searched on true labels,
    all else stays as that search found it. Its share of the fresh seeds, as many as the grid has, runs at all noise levels.

    Args:
        dataset: name of the data set.
        axis: name of the axis.
        crossed: values of each axis, and the searches.
        console: where progress is shown.

    Returns:
        The file written.

    Raises:
        SuiteError: the axis is unknown or has no values, pfml has no complete plan, or a name to search is not in its
            search space.
    """
    parts = crossed_parts(dataset, axis, crossed)
    for _, part in parts:
        check_code(part.plan, code_sha256())
    features = load_features(Path(FEATURES.format(dataset=dataset)))
    points = [(value, run) for value, part in parts for run in part.complete(lambda: features, console)]
    _, finished = run_frozen_stage(f"crossed-{dataset}-{axis}", [run for _, run in points], console)
    path = STUDY_OUTPUTS / CROSSED / f"{dataset}-{axis}.jsonl"
    write_records(
        path,
        [
            each.record.model_copy(update={"ablation": AblationPoint(axis=axis, value=float(value), crossed=True)})
            for each, (value, _) in zip(finished, points, strict=True)
        ],
    )
    return path


def crossed_parts(dataset: str, axis: str, crossed: CrossedSettings) -> list[tuple[float, Part]]:
    """The values of a crossed ablation, each with a search for each replicate and the runs that follow.

    Raises:
        SuiteError: as ``run_crossed``.
    """
    if axis not in AblationAxes.model_fields:
        raise SuiteError(f"unknown axis {axis!r}; allowed: {allowed(AblationAxes.model_fields)}")
    values: tuple[float, ...] = getattr(crossed.values, axis)
    if not values:
        raise SuiteError(f"{PARAMS_FILE}: crossed.values.{axis} has no values; allowed: a list of numbers")
    space = _space(dataset, axis, crossed)
    plans = [plan for plan, _ in read_plan_file(tuned_plan_path(dataset, ABLATED)) if plan.track == "tuned"]
    parts = []
    for value in values:
        for plan in plans:
            search = Search(space, {}, crossed.trials, crossed.folds, number=plan.search or 0)
            held, label = replace(vary(plan, axis, value), track="tuned"), f"{axis} {value:g}"
            parts.append((value, Part(held, partial(_runs, label), search, label, "crossed")))
    return parts


def _runs(label: str, plan: SomePlan) -> list[Run[SomePlan]]:
    found = replace(plan, track="ablation", validation_epoch=None)
    return [
        Run(found, level, seed, label=f"{label} noise {level:g}")
        for level in plan.noise_levels
        for seed in fresh_seeds(plan, plan.seeds)
    ]


def _space(dataset: str, axis: str, crossed: CrossedSettings) -> dict[str, dict[str, object]]:
    """What is searched at each value: entries of pfml's search space."""
    declared = next(
        (search.space for _, search in read_plan_file(plan_path("searches", dataset, ABLATED)) if search is not None),
        {},
    )
    file = f"{PARAMS_FILE}: crossed.searched"
    if unknown := [name for name in crossed.searched if name not in declared]:
        raise SuiteError(f"{file}: {unknown[0]!r} is not searched for {ABLATED}; allowed: {allowed(declared)}")
    if axis in crossed.searched:
        raise SuiteError(f"{file}: {axis!r} is what the ablation holds; allowed: others of {ABLATED}'s search space")
    return {name: declared[name] for name in crossed.searched}
