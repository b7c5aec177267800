"""Ablations of pfml: one hyper-parameter varied around its tuned values, all seeds, without label noise."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from suite.errors import SuiteError, allowed
from suite.evaluation.record_parts import AblationPoint
from suite.evaluation.records import write_records
from suite.losses.registry import Hyperparameters, load_target
from suite.settings.paths import ABLATIONS, PARAMS_FILE, STUDY_OUTPUTS
from suite.settings.plans import Run, SomePlan, read_plan_file, seeds_of, tuned_plan_path
from suite.settings.studies import AblationAxes
from suite.training.hyperparameters import with_values
from suite.training.stage import run_frozen_stage
from suite.training.studies.parts import Part

ABLATED = "pfml"


def run_ablation(dataset: str, axis: str, axes: AblationAxes, console: Console) -> Path:
    """Run or resume an ablation of pfml around its tuned values; writes a record for each value and seed.

    Args:
        dataset: name of the data set.
        axis: name of the axis.
        axes: values of each axis.
        console: where progress is shown.

    Returns:
        The file written.

    Raises:
        SuiteError: the axis is unknown or has no values, or pfml has no complete plan.
    """
    points = [(value, run) for value, part in ablation_parts(dataset, axis, axes) for run in part.runs(part.plan)]
    _, finished = run_frozen_stage(f"ablation-{dataset}-{axis}", [run for _, run in points], console)
    path = STUDY_OUTPUTS / ABLATIONS / f"{dataset}-{axis}.jsonl"
    records = [
        each.record.model_copy(update={"ablation": AblationPoint(axis=axis, value=float(value))})
        for each, (value, _) in zip(finished, points, strict=True)
    ]
    write_records(path, records)
    return path


def ablation_parts(dataset: str, axis: str, axes: AblationAxes) -> list[tuple[float, Part]]:
    """The values of an ablation, each with its runs.

    Raises:
        SuiteError: as ``run_ablation``.
    """
    if axis not in AblationAxes.model_fields:
        raise SuiteError(f"unknown axis {axis!r}; allowed: {allowed(AblationAxes.model_fields)}")
    values: tuple[float, ...] = getattr(axes, axis)
    if not values:
        raise SuiteError(f"{PARAMS_FILE}: ablation.{dataset}.{axis} has no values; allowed: a list of numbers")
    plans = [plan for plan, _ in read_plan_file(tuned_plan_path(dataset, ABLATED)) if plan.track == "tuned"]
    return [
        (value, Part(vary(plan, axis, value), partial(_runs, f"{axis} {value:g}")))
        for value in values
        for plan in plans
    ]


def _runs(label: str, plan: SomePlan) -> list[Run[SomePlan]]:
    return [Run(plan, 0.0, seed, label=label) for seed in seeds_of(plan)]


def vary(plan: SomePlan, axis: str, value: float) -> SomePlan:
    """The plan with one value changed, all others as they are.

    Args:
        plan: a plan of pfml.
        axis: ``proxies_per_class``, ``alpha``, ``delta`` (radius of attraction and of repulsion) or ``repulsion_margin``
            (by how much the radius of repulsion exceeds that of attraction).
        value: on that axis.
    """
    changed = with_values(plan, _CHANGES[axis](plan, value))
    return replace(changed, track="ablation", validation_epoch=None)


def _delta(plan: SomePlan) -> float:
    """Radius of attraction of a plan, the loss's default where it sets none."""
    loss = load_target(plan.loss, plan.target).build(plan.hyperparameters, num_classes=2, embedding_dim=2)
    return float(loss.delta)  # type: ignore[arg-type]


_CHANGES: dict[str, Callable[[SomePlan, float], Hyperparameters]] = {
    "proxies_per_class": lambda _, value: {"proxies_per_class": int(value)},
    "alpha": lambda _, value: {"alpha": value},
    "delta": lambda _, value: {"delta": value, "delta_repulsion": None},
    "repulsion_margin": lambda plan, value: {"delta_repulsion": _delta(plan) + value},
}
