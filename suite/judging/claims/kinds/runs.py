"""Claims about the metrics of trained models: superiority, robustness as interaction, reproduction of published numbers."""

from suite.judging.claims.evidence import difference, reproduction, superiority_with_failures
from suite.judging.claims.lines import FailedRunsError, Line, finished, on_each_dataset
from suite.judging.claims.measured import Measured, NotRunError
from suite.judging.claims.rows import RunRow
from suite.judging.claims.schema import Reproduction, Robustness, Superiority
from suite.judging.claims.vocabulary import Metric, Verdict
from suite.judging.statistics.trend import change_over_range


def weigh_superiority(claim: Superiority, measured: Measured) -> list[Line]:
    """The paired difference at one noise level."""

    def weigh(dataset: str) -> list[Line]:
        cells = [
            measured.cell(claim.track, dataset, claim.backbone, loss, claim.noise.kind, claim.noise.level)
            for loss in (claim.contrast.subject, claim.contrast.reference)
        ]
        subject, reference = measured.table(cells, claim.estimand, claim.minimum_seeds)
        evidence = superiority_with_failures(subject, reference, claim.smallest_effect.value)
        return [Line(claim, dataset, evidence=evidence)]

    return on_each_dataset(claim, weigh)


def weigh_robustness(claim: Robustness, measured: Measured) -> list[Line]:
    """The change of the paired difference from no noise to the highest level, by the line through all levels.

    With two levels it is the difference in differences, with more the slope times the range.
    """

    def weigh(dataset: str) -> list[Line]:
        levels = claim.noise.levels
        losses = (claim.contrast.subject, claim.contrast.reference)
        cells = [
            measured.cell(claim.track, dataset, claim.backbone, loss, claim.noise.kind, level)
            for loss in losses
            for level in levels
        ]
        table = measured.table(cells, claim.estimand, claim.minimum_seeds)
        names = [f"{loss} at noise {level:g}" for loss in losses for level in levels]
        done = finished(table, names)
        by_loss = done.values.reshape(2, len(levels), -1)
        # (seeds, levels): what the subject has over the reference at each level.
        lead = (by_loss[0] - by_loss[1]).T
        evidence = difference(change_over_range(lead, levels), claim.smallest_effect.value)
        half = len(levels)
        for failed, loss, verdict in (
            (sum(done.failed[:half]), losses[0], Verdict.SUPPORTED),
            (sum(done.failed[half:]), losses[1], Verdict.CONTRADICTED),
        ):
            if failed:
                remark = f"{failed} runs of {loss} failed; their seeds are left out: no verdict in its favour"
                evidence = evidence.barring(verdict, Verdict.EQUIVALENT, remark=remark)
        return [Line(claim, dataset, evidence=evidence)]

    return on_each_dataset(claim, weigh)


def weigh_reproduction(claim: Reproduction, measured: Measured) -> list[Line]:
    """Our mean against the published one, a line for each metric."""
    (dataset,) = claim.datasets
    loss, level = claim.contrast.subject, claim.noise.level
    try:
        cell = measured.cell(claim.track, dataset, claim.backbone, loss, claim.noise.kind, level)
    except NotRunError as missing:
        return [Line(claim, dataset, metric, state=Verdict.NOT_RUN, reason=str(missing)) for metric in claim.estimand]
    return [_reproduced(claim, dataset, cell, metric, measured) for metric in claim.estimand]


def _reproduced(claim: Reproduction, dataset: str, cell: dict[int, RunRow], metric: Metric, measured: Measured) -> Line:
    try:
        done = finished(measured.table([cell], metric, claim.minimum_seeds), [claim.contrast.subject])
    except NotRunError as missing:
        return Line(claim, dataset, metric, state=Verdict.NOT_RUN, reason=str(missing))
    except FailedRunsError as failures:
        return Line(claim, dataset, metric, state=Verdict.INCONCLUSIVE, reason=str(failures))
    evidence = reproduction(done.values[0], claim.published[metric], claim.smallest_effect.value)
    if done.failed[0]:
        remark = f"{done.failed[0]} runs failed and are left out: not to be called reproduced"
        evidence = evidence.barring(Verdict.SUPPORTED, remark=remark)
    return Line(claim, dataset, metric, evidence=evidence)
