"""Claims about retrieval metrics: superiority, robustness, reproduction, and what ablations show."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from suite.errors import counted_noun
from suite.judging.claims.evidence import (
    Evidence,
    Verdict,
    difference,
    flatness,
    reproduction,
    saturation,
    steps,
    superiority_with_failures,
    within_margin,
)
from suite.judging.claims.measured import BySeed, Condition, Measured, NotRunError
from suite.judging.claims.result import ClaimResult, FailedRunsError, finished_seeds, on_each_dataset
from suite.judging.claims.schema import (
    ClaimOnAblation,
    ClaimOnRuns,
    Equivalence,
    Insensitivity,
    Interaction,
    Reproduction,
    Robustness,
    Saturation,
    Superiority,
    Trend,
)
from suite.judging.statistics.estimates import PERCENT, Array, change_over_range

_LEAST_VALUES = 3
"""Least number of values that a claim along a hyper-parameter needs; for a saturation the start and two on the plateau."""

EvidenceAlong = Callable[[Array, list[float]], Evidence]
"""From a metric (values, seeds) and the values of the hyper-parameter to evidence."""


def assess_superiority(claim: Superiority, measured: Measured) -> list[ClaimResult]:
    """The paired difference at one noise level."""

    def assess(dataset: str) -> list[ClaimResult]:
        losses = claim.contrast.subject, claim.contrast.reference
        runs = [
            measured.runs_of(_condition(claim, dataset, loss, claim.noise.kind, claim.noise.level)) for loss in losses
        ]
        subject, reference = measured.table(runs, claim.estimand, claim.minimum_seeds)
        evidence = superiority_with_failures(subject, reference, claim.smallest_effect.value)
        ends = dict(zip(losses, (subject, reference), strict=True))
        gains = measured.gains(ends, dataset, claim.regime, claim.estimand)
        return [ClaimResult(claim, dataset, evidence=evidence, gains=gains)]

    return on_each_dataset(claim, assess)


def assess_equivalence(claim: Equivalence, measured: Measured) -> list[ClaimResult]:
    """The paired difference at one noise level against the margin; a method with a failed run is like no other."""

    def assess(dataset: str) -> list[ClaimResult]:
        losses = claim.contrast.subject, claim.contrast.reference
        runs = [
            measured.runs_of(_condition(claim, dataset, loss, claim.noise.kind, claim.noise.level)) for loss in losses
        ]
        done = finished_seeds(measured.table(runs, claim.estimand, claim.minimum_seeds), losses)
        evidence = within_margin(done.values[0] - done.values[1], claim.smallest_effect.value)
        gains = measured.gains(dict(zip(losses, done.values, strict=True)), dataset, claim.regime, claim.estimand)
        return [ClaimResult(claim, dataset, evidence=_without_support(evidence, done.failed), gains=gains)]

    return on_each_dataset(claim, assess)


def assess_robustness(claim: Robustness, measured: Measured) -> list[ClaimResult]:
    """The change of the paired difference from no noise to the highest level, by the line through all levels.

    With two levels it is the difference in differences, with more the slope times the range.
    """

    def assess(dataset: str) -> list[ClaimResult]:
        levels = claim.noise.levels
        losses = claim.contrast.subject, claim.contrast.reference
        runs = [
            measured.runs_of(_condition(claim, dataset, loss, claim.noise.kind, level))
            for loss in losses
            for level in levels
        ]
        table = measured.table(runs, claim.estimand, claim.minimum_seeds)
        done = finished_seeds(table, [f"{loss} at noise {level:g}" for loss in losses for level in levels])
        by_loss = done.values.reshape(2, len(levels), -1)
        shares = shares_of_gain(by_loss, measured.frozen_backbone(dataset, claim.regime, claim.estimand))
        if measured.view.shares and shares is None:
            raise NotRunError(
                f"{losses[0]} or {losses[1]} gains nothing over the frozen backbone in a run without noise"
            )
        compared = shares if measured.view.shares and shares is not None else by_loss
        # (seeds, levels): what the subject has over the reference at each level.
        lead = (compared[0] - compared[1]).T
        evidence = difference(change_over_range(lead, levels), claim.smallest_effect.value)
        if shares is not None:
            left = ", ".join(f"{loss} {each[-1].mean():.0f} %" for loss, each in zip(losses, shares, strict=True))
            evidence = replace(evidence, remarks=(*evidence.remarks, f"left of those without noise: {left}"))
        half = len(levels)
        failed = sum(done.failed[:half]), sum(done.failed[half:])
        ends = dict(zip(losses, by_loss[:, -1], strict=True))
        gains = measured.gains(ends, dataset, claim.regime, claim.estimand)
        return [ClaimResult(claim, dataset, evidence=without_failed_seeds(evidence, failed, losses), gains=gains)]

    return on_each_dataset(claim, assess)


def shares_of_gain(values: Array, backbone: float | None) -> Array | None:
    """What noise leaves of the points above the frozen backbone, in percent of those without noise.

    A method that learns little has little to lose, and loses little of it in points.

    Args:
        values: (losses, levels, units) in percent, the first level without noise.
        backbone: the frozen backbone's value in percent, which no label noise reaches; None if it is not known.

    Returns:
        (losses, levels, units), 100 at the first level; None where a unit of a loss gains nothing without noise.
    """
    if backbone is None or not (values[:, :1] > backbone).all():
        return None
    gains = values - backbone
    shares: Array = PERCENT * gains / gains[:, :1]
    return shares


def without_failed_seeds(evidence: Evidence, failed: Iterable[int], names: Iterable[str]) -> Evidence:
    """Evidence on the seeds that finished: a method with failed runs gets no verdict in its favour.

    Args:
        evidence: of the seeds that finished.
        failed: failed runs of the subject and of the reference.
        names: what to call the two.
    """
    for number, name, verdict in zip(failed, names, (Verdict.SUPPORTED, Verdict.CONTRADICTED), strict=True):
        if number:
            told = f"{counted_noun(number, 'run')} of {name} failed; seeds with a failed run are left out"
            evidence = evidence.barring(verdict, Verdict.EQUIVALENT, remark=f"{told}: no verdict in its favour")
    return evidence


def assess_reproduction(claim: Reproduction, measured: Measured) -> list[ClaimResult]:
    """Our mean against the reported one, a result for each metric."""
    (dataset,) = claim.datasets
    condition = _condition(claim, dataset, claim.contrast.subject, claim.noise.kind, claim.noise.level)
    try:
        runs = measured.runs_of(condition)
    except NotRunError as missing:
        state = Verdict.NOT_RUN
        return [ClaimResult(claim, dataset, metric, state=state, reason=str(missing)) for metric in claim.estimand]
    return [_reproduced(claim, dataset, runs, metric, measured) for metric in claim.estimand]


def _reproduced(claim: Reproduction, dataset: str, runs: BySeed, metric: str, measured: Measured) -> ClaimResult:
    try:
        done = finished_seeds(measured.table([runs], metric, claim.minimum_seeds), [claim.contrast.subject])
    except NotRunError as missing:
        return ClaimResult(claim, dataset, metric, state=Verdict.NOT_RUN, reason=str(missing))
    except FailedRunsError as failures:
        return ClaimResult(claim, dataset, metric, state=Verdict.INCONCLUSIVE, reason=str(failures))
    evidence = reproduction(done.values[0], claim.reported[metric], claim.smallest_effect.value)
    if done.failed[0]:
        remark = f"{counted_noun(done.failed[0], 'run')} failed, left out here: not to be called reproduced"
        evidence = evidence.barring(Verdict.SUPPORTED, remark=remark)
    return ClaimResult(claim, dataset, metric, evidence=evidence)


def _condition(claim: ClaimOnRuns | Reproduction, dataset: str, loss: str, kind: str, level: float) -> Condition:
    return Condition(claim.regime, claim.track, dataset, claim.backbone, loss, kind, level)


def assess_insensitivity(claim: Insensitivity, measured: Measured) -> list[ClaimResult]:
    """All pairs of values within the range."""
    inside = claim.within
    return _along(
        claim,
        measured,
        lambda value, _: inside.low <= value <= inside.high,
        lambda values, _: flatness(values.T, claim.smallest_effect.value),
    )


def assess_trend(claim: Trend, measured: Measured) -> list[ClaimResult]:
    """Every step from one of the claim's values to the next."""
    return _along(
        claim,
        measured,
        lambda value, _: value in claim.values,
        lambda values, grid: stepwise(values.T, grid, claim),
        values=claim.values,
    )


def assess_interaction(claim: Interaction, measured: Measured) -> list[ClaimResult]:
    """Every step of what noise takes: the fall from no noise to the highest level, by the line through all levels."""
    levels = claim.noise.levels

    def assess(dataset: str) -> list[ClaimResult]:
        axis = claim.contrast.axis
        measured.check_whole(dataset)
        clean = Condition(claim.regime, "ablation", dataset, claim.backbone, claim.contrast.subject)
        noisy = [clean._replace(noise_kind=claim.noise.kind, noise_level=level) for level in levels]
        places = [each if each.noise_level else clean for each in noisy]
        by_level = [measured.crossed_ablation(place, axis) for place in places]
        runs = [by_value[value] for value in claim.values for by_value in by_level if value in by_value]
        if len(runs) < len(levels) * len(claim.values):
            asked = ", ".join(f"{value:g}" for value in claim.values)
            raise NotRunError(f"the ablation of {axis} on {dataset} lacks a value of {asked} at a level of noise")
        table = measured.table(runs, claim.estimand, claim.minimum_seeds)
        names = [f"{axis} {value:g} at noise {level:g}" for value in claim.values for level in levels]
        done = finished_seeds(table, names)
        by_value = done.values.reshape(len(claim.values), len(levels), -1)
        # (units, values): points lost to noise.
        lost = -change_over_range(np.moveaxis(by_value, 1, -1), levels).T
        evidence = _without_support(stepwise(lost, claim.values, claim), done.failed)
        ends = {f"{axis} {value:g}": runs[-1] for value, runs in zip(claim.values, by_value, strict=True)}
        gains = measured.gains(ends, dataset, claim.regime, claim.estimand)
        return [ClaimResult(claim, dataset, evidence=evidence, gains=gains)]

    return on_each_dataset(claim, assess)


def stepwise(values: Array, grid: Sequence[float], claim: Trend | Interaction) -> Evidence:
    """Evidence of values (units, k) along k settings, with a remark that gives each step and its sign."""
    found = steps(values, claim.smallest_effect.value, higher=claim.direction == "higher")
    each = np.diff(values.mean(axis=0)).round(2) + 0.0
    told = ", ".join(f"{low:g} to {high:g} {step:+.2f}" for low, high, step in zip(grid, grid[1:], each, strict=False))
    return replace(found, remarks=(*found.remarks, f"steps: {told}"))


def assess_saturation(claim: Saturation, measured: Measured) -> list[ClaimResult]:
    """The rise from the start to the plateau, and the plateau's flatness; values in between are not used."""
    return _along(
        claim,
        measured,
        lambda value, dataset: value == claim.start or value >= claim.plateau_from[dataset],
        lambda values, _: saturation(values[0], values[1:].T, claim.smallest_effect.value),
    )


def _along(
    claim: ClaimOnAblation,
    measured: Measured,
    used: Callable[[float, str], bool],
    test: EvidenceAlong,
    values: Sequence[float] = (),
) -> list[ClaimResult]:
    """Results of a test along the values that are used; not run where one of ``values`` was not."""

    def assess(dataset: str) -> list[ClaimResult]:
        axis = claim.contrast.axis
        measured.check_whole(dataset)
        condition = Condition(claim.regime, "ablation", dataset, claim.backbone, claim.contrast.subject)
        by_value = measured.ablation(condition, axis)
        grid = sorted(value for value in by_value if used(value, dataset))
        short = len(grid) < max(_LEAST_VALUES, len(values))
        if short or (isinstance(claim, Saturation) and grid[0] != claim.start):
            shown = ", ".join(f"{value:g}" for value in sorted(by_value))
            raise NotRunError(f"the ablation of {axis} on {dataset} has too few values for this claim: {shown}")
        table = measured.table([by_value[value] for value in grid], claim.estimand, claim.minimum_seeds)
        done = finished_seeds(table, [f"{axis} {value:g}" for value in grid])
        return [ClaimResult(claim, dataset, evidence=_without_support(test(done.values, grid), done.failed))]

    return on_each_dataset(claim, assess)


def _without_support(evidence: Evidence, failed: Sequence[int]) -> Evidence:
    """Evidence on the seeds that finished: where runs failed, there is no support."""
    if not any(failed):
        return evidence
    remark = f"{counted_noun(sum(failed), 'run')} failed; seeds with a failed run are left out: no support"
    return evidence.barring(Verdict.SUPPORTED, Verdict.EQUIVALENT, remark=remark)
