"""The ablation stage: all values of one axis and all seeds on one data set, without label noise."""

from pathlib import Path

from rich.console import Console

from suite.settings.plans import read_cell, tuned_plan_path
from suite.settings.params import PARAMS_FILE, AblationAxes
from suite.errors import SuiteError, allowed
from suite.files import write_lines
from suite.training.studies.axes import vary
from suite.settings.folders import ABLATIONS_FOLDER
from suite.training.runs import run_all
from suite.training.cache import forget
from suite.training.outcome import Run

ABLATED = "pfml"


def run_ablation(dataset: str, axis: str, axes: AblationAxes, console: Console) -> Path:
    """Run or resume an ablation of pfml around its tuned values; writes a record for each value and seed.

    Args:
        dataset: name of the data set.
        axis: name of the axis.
        axes: values of each axis.
        console: where progress is shown.

    Returns:
        The file written: records with ``axis`` and ``value`` added.

    Raises:
        SuiteError: the axis is unknown or has no values, or the cell of pfml is not settled.
    """
    if axis not in AblationAxes.model_fields:
        raise SuiteError(f"unknown axis {axis!r}; allowed: {allowed(AblationAxes.model_fields)}")
    values: tuple[float, ...] = getattr(axes, axis)
    if not values:
        raise SuiteError(f"{PARAMS_FILE}: ablation.{dataset}.{axis} has no values; allowed: a list of numbers")
    plan, _ = read_cell(tuned_plan_path(dataset, ABLATED))
    name = f"ablation-{dataset}-{axis}"
    points = [(value, seed) for value in values for seed in range(plan.seeds)]
    plans = {value: vary(plan, axis, value) for value in values}
    runs = [Run(plans[value], 0.0, seed, label=f"{axis} {value:g}") for value, seed in points]
    outcomes = run_all(name, runs, console)
    path = ABLATIONS_FOLDER / f"{dataset}-{axis}.jsonl"
    rows = zip(outcomes, points, strict=True)
    write_lines(path, [outcome.record | {"axis": axis, "value": float(value)} for outcome, (value, _) in rows])
    forget(name)
    return path
