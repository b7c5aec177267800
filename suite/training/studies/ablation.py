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
from suite.settings.finetuned import settings_of
from suite.settings.paths import ABLATIONS, STUDY_OUTPUTS
from suite.settings.plans import Regime, Run, SomePlan, folder_of, seeds_of
from suite.settings.studies import ABLATED, AblationAxes
from suite.training.hyperparameters import with_values
from suite.training.stage import read_tuned_plans
from suite.training.studies.parts import Part, run_parts, settings_file, tuned_on_true_labels
from suite.training.tuning.resolve import Tools


def run_ablation(dataset: str, axis: str, axes: AblationAxes, console: Console, tools: Tools | None = None) -> Path:
    """Run or resume an ablation of pfml around its tuned values; writes a record for each value and seed.

    Pipelines have a stage for each axis. Of one without values it writes an empty file, which ``suite promote`` leaves.

    Args:
        dataset: name of the data set.
        axis: name of the axis.
        axes: values of each axis.
        console: where progress is shown.
        tools: of another regime than the frozen one.

    Returns:
        The file written.

    Raises:
        SuiteError: the axis is unknown, or pfml has no complete plan of the track ``tuned``.
    """
    regime: Regime = tools.regime if tools else "frozen"
    path = f"{ABLATIONS}/{dataset}-{axis}.jsonl"
    if getattr(axes, axis, None) == ():
        told = f"{settings_file(regime)}: ablation.{dataset}.{axis} has no values: nothing is run"
        console.print(f"[yellow]note:[/] {told}", highlight=False, soft_wrap=True)
        written = folder_of(regime) / STUDY_OUTPUTS / path
        write_records(written, [])
        return written
    return run_parts(f"ablation-{dataset}-{axis}", path, ablation_parts(dataset, axis, axes, regime), console, tools)


def is_left_out(path: Path, regime: Regime) -> bool:
    """Whether a file is the empty one of an axis that has no values in the settings.

    Raises:
        SuiteError: the settings are missing or wrong.
    """
    if path.parent.name != ABLATIONS or path.stat().st_size:
        return False
    dataset, _, axis = path.stem.rpartition("-")
    return getattr(settings_of(regime).ablation.get(dataset), axis, None) == ()


def ablation_parts(dataset: str, axis: str, axes: AblationAxes, regime: Regime = "frozen") -> list[Part]:
    """The runs at each value of an ablation.

    Raises:
        SuiteError: as ``run_ablation``, or the axis has no values.
    """
    values = values_of(axis, axes, f"{settings_file(regime)}: ablation.{dataset}")
    plans = tuned_on_true_labels(read_tuned_plans(dataset, ABLATED, regime), regime)
    return [
        Part(vary(plan, axis, value), partial(_runs, f"{axis} {value:g}"), point=AblationPoint(axis=axis, value=value))
        for value in values
        for plan, _ in plans
    ]


def values_of(axis: str, axes: AblationAxes, setting: str) -> tuple[float, ...]:
    """The values of an axis.

    Raises:
        SuiteError: the axis is unknown or has none.
    """
    if axis not in AblationAxes.model_fields:
        raise SuiteError(f"unknown axis {axis!r}; allowed: {allowed(AblationAxes.model_fields)}")
    values: tuple[float, ...] = getattr(axes, axis)
    if not values:
        raise SuiteError(f"{setting}.{axis} has no values; allowed: a list of numbers")
    return values


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
