"""The claim that the field of trained models has its minima near the embeddings (Proposition 1, see docs/theory.md).

Embeddings that meet condition (*) of the proposition and those that do not are judged apart.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from suite.errors import SuiteError
from suite.judging.claims.evidence import share_reached
from suite.judging.claims.kinds.models import models_of
from suite.judging.claims.lines import Line, on_each_dataset
from suite.judging.claims.measured import Measured
from suite.judging.claims.rows import GeometryRow
from suite.judging.claims.schema import Minima
from suite.judging.claims.vocabulary import Verdict
from suite.judging.statistics.estimate import Array


def weigh_minima(claim: Minima, measured: Measured) -> list[Line]:
    """Share of flows that end within delta of the embedding they start at, for embeddings with condition (*) and without."""

    def weigh(dataset: str) -> list[Line]:
        lines: list[Line] = []
        for count, by_loss in models_of(claim.contrast.subject, dataset, measured):
            rows = by_loss[claim.contrast.subject]
            seeds = measured.seeds([rows], claim.minimum_seeds)
            lines += _minima(claim, dataset, count, [rows[seed] for seed in seeds])
        return lines

    return on_each_dataset(claim, weigh)


def _minima(claim: Minima, dataset: str, count: int, rows: list[GeometryRow]) -> list[Line]:
    done = [row for row in rows if row.status == "ok"]
    share = float(np.mean([_share(row) for row in done])) if done else 0.0
    groups = (("(*) holds", "minima_met", True), ("the rest", "minima_unmet", False))
    lines = []
    for group, field, counts in groups:
        line = Line(claim, dataset, f"M = {count}, {group}", counts=counts, premise=share)
        flows = [getattr(row, field) or (0, 0) for row in done]
        lines.append(_judged(line, claim, np.array(flows, dtype=np.int64).reshape(-1, 2), len(rows) - len(done)))
    return lines


def _judged(line: Line, claim: Minima, flows: NDArray[np.int64], failed: int) -> Line:
    """Weigh flows (seeds, 2), started and ended."""
    flowing = flows[flows[:, 0] > 0]
    premise = line.premise or 0.0
    if line.counts and len(flows) and (premise < claim.premise.minimum_share or len(flowing) < len(flows)):
        reason = f"{premise:.1%} of the embeddings meet (*); allowed: {claim.premise.minimum_share:.0%} or more"
        return replace(line, state=Verdict.PREMISE_NOT_MET, reason=reason)
    if len(flowing) < 2:
        state = Verdict.INCONCLUSIVE if failed else Verdict.NOT_RUN
        reason = f"{failed} runs failed" if failed else "no flows from such embeddings in two seeds"
        return replace(line, state=state, reason=reason)
    evidence = share_reached(flowing[:, 1], flowing[:, 0], claim.target, claim.smallest_effect.value)
    if failed:
        remark = f"{failed} runs failed and are left out: no support"
        evidence = evidence.barring(Verdict.SUPPORTED, remark=remark)
    return replace(line, evidence=evidence)


def _share(row: GeometryRow) -> float:
    """Share of a model's embeddings that meet condition (*)."""
    if row.condition is None:
        raise SuiteError(f"{row.where}: condition = null; allowed: a share for each class, which the premise asks for")
    size: Array = np.array(row.size, dtype=np.float64)
    return float((np.array(row.condition) * size).sum() / size.sum())
