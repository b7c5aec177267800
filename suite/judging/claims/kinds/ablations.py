"""Claims along a hyper-parameter: insensitivity, ordered trend, saturation."""

from collections.abc import Callable

import numpy as np

from suite.judging.claims.evidence import Evidence, difference, flatness, saturation
from suite.judging.claims.lines import Line, finished, on_each_dataset
from suite.judging.claims.measured import Measured, NotRunError
from suite.judging.claims.schema import Insensitivity, OnAblation, Saturation, Trend
from suite.judging.claims.vocabulary import Verdict
from suite.judging.statistics.estimate import Array
from suite.judging.statistics.trend import change_over_range

_POINTS = 3
"""Least number of values that a claim along a hyper-parameter needs; for a saturation the start and two on the plateau."""

Judge = Callable[[Array, list[float]], Evidence]


def weigh_insensitivity(claim: Insensitivity, measured: Measured) -> list[Line]:
    """All pairs of values within the range."""
    inside = claim.within
    return _along(
        claim,
        measured,
        lambda value, _: inside.low <= value <= inside.high,
        lambda values, _: flatness(values.T, claim.smallest_effect.value),
    )


def weigh_trend(claim: Trend, measured: Measured) -> list[Line]:
    """The change over the range, by the least-squares line of each seed."""
    inside = claim.within

    def judge(values: Array, grid: list[float]) -> Evidence:
        change = change_over_range(values.T, grid)
        return difference(change, claim.smallest_effect.value, higher=claim.direction == "higher")

    return _along(claim, measured, lambda value, _: inside.low <= value <= inside.high, judge)


def weigh_saturation(claim: Saturation, measured: Measured) -> list[Line]:
    """The rise from the start to the plateau, and the plateau's flatness; values in between are not used."""
    return _along(
        claim,
        measured,
        lambda value, dataset: value == claim.start or value >= claim.plateau_from[dataset],  # type: ignore[index]
        lambda values, _: saturation(values[0], values[1:].T, claim.smallest_effect.value),
    )


def _along(claim: OnAblation, measured: Measured, used: Callable[[float, str], bool], judge: Judge) -> list[Line]:
    def weigh(dataset: str) -> list[Line]:
        axis = claim.contrast.axis
        if dataset in measured.cut:
            raise NotRunError(f"params.yaml cuts {dataset} down (datasets.{dataset}.max_classes)")
        by_value = measured.ablations.get((dataset, axis))
        if not by_value:
            raise NotRunError(f"no ablation of {axis} on {dataset}")
        grid = sorted(value for value in by_value if used(value, dataset))
        if len(grid) < _POINTS or (isinstance(claim, Saturation) and grid[0] != claim.start):
            shown = ", ".join(f"{value:g}" for value in sorted(by_value))
            raise NotRunError(f"the ablation of {axis} on {dataset} has too few values for this claim: {shown}")
        cells = [by_value[value] for value in grid]
        table = measured.table(cells, claim.estimand, claim.minimum_seeds)
        done = finished(table, [f"{axis} {value:g}" for value in grid])
        evidence = judge(done.values, grid)
        if np.any(done.failed):
            remark = f"{sum(done.failed)} runs failed; their seeds are left out: no support"
            evidence = evidence.barring(Verdict.SUPPORTED, Verdict.EQUIVALENT, remark=remark)
        return [Line(claim, dataset, evidence=evidence)]

    return on_each_dataset(claim, weigh)
