"""Ablations of pfml crossed with label noise: one value held, the rates searched anew at each of its values."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from suite.errors import SuiteError, allowed
from suite.evaluation.record_parts import AblationPoint
from suite.settings.paths import CROSSED
from suite.settings.plans import Regime, Run, Search, SomePlan, fresh_seeds, plan_path, read_plan_file
from suite.settings.studies import ABLATED, CrossedSettings
from suite.training.stage import read_tuned_plans
from suite.training.studies.ablation import values_of, vary
from suite.training.studies.parts import Part, run_parts, settings_file, tuned_on_true_labels
from suite.training.tuning.resolve import Tools


def run_crossed(
    dataset: str, axis: str, crossed: CrossedSettings, console: Console, tools: Tools | None = None
) -> Path:
    """Run or resume a crossed ablation of pfml; writes a record for each value, noise level and seed.

    Each tuned search of pfml is the start of a replicate: at each value of the axis the rates are searched on true labels,
    all else stays as that search found it. Its share of the fresh seeds, as many as the grid has, runs at all noise levels.

    Args:
        dataset: name of the data set.
        axis: name of the axis.
        crossed: values of each axis, and the searches.
        console: where progress is shown.
        tools: of another regime than the frozen one.

    Returns:
        The file written.

    Raises:
        SuiteError: the axis is unknown or has no values, pfml has no complete plan of the track ``tuned``, or a name to
            search is not in its search space.
    """
    parts = crossed_parts(dataset, axis, crossed, tools.regime if tools else "frozen")
    return run_parts(f"crossed-{dataset}-{axis}", f"{CROSSED}/{dataset}-{axis}.jsonl", parts, console, tools)


def crossed_parts(dataset: str, axis: str, crossed: CrossedSettings, regime: Regime = "frozen") -> list[Part]:
    """A search for each replicate at each value of a crossed ablation, and the runs that follow.

    Raises:
        SuiteError: as ``run_crossed``.
    """
    values = values_of(axis, crossed.values, f"{settings_file(regime)}: crossed.values")
    space = _space(dataset, axis, crossed, regime)
    plans = tuned_on_true_labels(read_tuned_plans(dataset, ABLATED, regime), regime)
    parts = []
    for value in values:
        point = AblationPoint(axis=axis, value=value, crossed=True)
        for plan, _ in plans:
            search = Search(space, {}, crossed.trials, crossed.folds, number=plan.search or 0)
            held, label = replace(vary(plan, axis, value), track="tuned"), f"{axis} {value:g}"
            parts.append(Part(held, partial(_runs, label), search, label, "crossed", point))
    return parts


def _runs(label: str, plan: SomePlan) -> list[Run[SomePlan]]:
    found = replace(plan, track="ablation", validation_epoch=None)
    return [
        Run(found, level, seed, label=f"{label} noise {level:g}")
        for level in plan.noise_levels
        for seed in fresh_seeds(plan, plan.seeds)
    ]


def _space(dataset: str, axis: str, crossed: CrossedSettings, regime: Regime) -> dict[str, dict[str, object]]:
    """What is searched at each value: entries of pfml's search space."""
    planned = read_plan_file(plan_path("searches", dataset, ABLATED, regime))
    declared = next((search.space for _, search in planned if search is not None), {})
    file = f"{settings_file(regime)}: crossed.searched"
    if unknown := [name for name in crossed.searched if name not in declared]:
        raise SuiteError(f"{file}: {unknown[0]!r} is not searched for {ABLATED}; allowed: {allowed(declared)}")
    if axis in crossed.searched:
        raise SuiteError(f"{file}: {axis!r} is what the ablation holds; allowed: others of {ABLATED}'s search space")
    return {name: declared[name] for name in crossed.searched}
