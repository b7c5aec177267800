"""Claims about where proxies lie (Corollary 1, see docs/theory.md).

The unit is the trained model of a seed: classes of one model share a network, so they are averaged, not counted as
observations. Classes that meet the corollary's premise and those that do not are judged apart.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from suite.errors import SuiteError
from suite.judging.claims.evidence import Evidence, difference
from suite.judging.claims.kinds.models import models_of
from suite.judging.claims.lines import Line, on_each_dataset
from suite.judging.claims.measured import Measured, NotRunError
from suite.judging.claims.rows import GeometryRow
from suite.judging.claims.schema import Closeness
from suite.judging.claims.vocabulary import Verdict

_NO_SPREAD = 1e-6
"""A class whose embeddings all lie within this of their mean has no spread to be relative to."""


def weigh_closeness(claim: Closeness, measured: Measured) -> list[Line]:
    """Mean over classes of the difference of the two methods, for classes with delta below their spread and for the rest."""

    def weigh(dataset: str) -> list[Line]:
        lines: list[Line] = []
        for count, by_loss in models_of(claim.contrast.subject, dataset, measured):
            if claim.contrast.reference not in by_loss:
                _check_same_count(claim.contrast.reference, dataset, count, measured)
                raise NotRunError(f"no geometry of {claim.contrast.reference} on {dataset}")
            cells = [by_loss[claim.contrast.subject], by_loss[claim.contrast.reference]]
            seeds = measured.seeds(cells, claim.minimum_seeds)
            pairs = [(cells[0][seed], cells[1][seed]) for seed in seeds]
            lines += _closer(claim, dataset, count, pairs)
        return lines

    return on_each_dataset(claim, weigh)


def _check_same_count(reference: str, dataset: str, count: int, measured: Measured) -> None:
    for (name, other), by_loss in measured.geometry.items():
        if name == dataset and reference in by_loss:
            row = next(iter(by_loss[reference].values()))
            raise SuiteError(
                f"{row.where}: proxies_per_class = {other} for {reference}; allowed: {count}, as for the subject"
            )


def _closer(claim: Closeness, dataset: str, count: int, pairs: list[tuple[GeometryRow, GeometryRow]]) -> list[Line]:
    failed = [sum(pair[i].status == "failed" for pair in pairs) for i in (0, 1)]
    done = [pair for pair in pairs if "failed" not in {pair[0].status, pair[1].status}]
    meets = [_delta(subject) < np.array(subject.spread) for subject, _ in done]
    share = float(np.mean([mask.mean() for mask in meets])) if done else 0.0
    lines = []
    for group, masks, counts in (
        ("delta below the class's sd", meets, True),
        ("the rest", [~mask for mask in meets], False),
    ):
        line = Line(claim, dataset, f"M = {count}, {group}", counts=counts, premise=share)
        lines.append(_judged(line, claim, done, masks, failed))
    return lines


def _judged(
    line: Line,
    claim: Closeness,
    pairs: list[tuple[GeometryRow, GeometryRow]],
    masks: list[NDArray[np.bool_]],
    failed: list[int],
) -> Line:
    effects = [_effect(claim, pair, mask) for pair, mask in zip(pairs, masks, strict=True)]
    values = [effect for effect in effects if np.isfinite(effect)]
    premise = line.premise or 0.0
    if line.counts and pairs and (premise < claim.premise.minimum_share or len(values) < len(pairs)):
        reason = f"{premise:.1%} of the classes meet it; allowed: {claim.premise.minimum_share:.0%} or more"
        return replace(line, state=Verdict.PREMISE_NOT_MET, reason=reason)
    if len(values) < 2:
        state = Verdict.INCONCLUSIVE if any(failed) else Verdict.NOT_RUN
        reason = "too many failed runs" if any(failed) else "no such classes in two seeds"
        return replace(line, state=state, reason=reason)
    evidence = difference(values, claim.smallest_effect.value, higher=False)
    return replace(line, evidence=_with_failures(evidence, failed))


def _with_failures(evidence: Evidence, failed: list[int]) -> Evidence:
    for number, name, verdict in zip(
        failed, ("subject", "reference"), (Verdict.SUPPORTED, Verdict.CONTRADICTED), strict=True
    ):
        if number:
            remark = f"{number} runs of the {name} failed; their seeds are left out: no verdict in its favour"
            evidence = evidence.barring(verdict, Verdict.EQUIVALENT, remark=remark)
    return evidence


def _effect(claim: Closeness, pair: tuple[GeometryRow, GeometryRow], mask: NDArray[np.bool_]) -> float:
    if len({row.size for row in pair}) > 1:
        raise SuiteError(f"{pair[0].where}: size differs from that in {pair[1].where}: not the same training classes")
    measure, _, relative = claim.estimand.partition("_")
    values = [np.array(getattr(row, measure), dtype=np.float64) for row in pair]
    if relative:
        spreads = [np.array(row.spread, dtype=np.float64) for row in pair]
        mask = mask & (spreads[0] > _NO_SPREAD) & (spreads[1] > _NO_SPREAD)
        values = [value[mask] / spread[mask] for value, spread in zip(values, spreads, strict=True)]
    else:
        values = [value[mask] for value in values]
    return float(np.mean(values[0] - values[1])) if mask.any() else np.nan


def _delta(row: GeometryRow) -> float:
    if row.delta is None:
        raise SuiteError(f"{row.where}: delta = null; allowed: the delta of {row.loss}, which the premise asks for")
    return row.delta
