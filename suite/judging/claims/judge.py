"""Judges all claims together: from results to verdicts, by Holm's adjustment over a family and a fixed order.

A verdict is given where its adjusted p is at most 5 %. Differences are tested in both directions, so the chance of one or
more false "supported" or false "contradicted" in a family is at most 5 % for both together; that of a false "equivalent" is
at most 5 %, too. "Equivalent" comes first: a difference shown to be too small to matter supports nothing, even where it is
shown not to be zero. Whether an effect that is shown is beyond the smallest one of interest is a test of its own, adjusted
over the family in the same way.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from suite.judging.claims.evidence import Evidence, Verdict
from suite.judging.claims.measured import Measured
from suite.judging.claims.mechanism import assess_closeness, assess_decay, assess_minima
from suite.judging.claims.result import ClaimResult
from suite.judging.claims.retrieval import (
    assess_equivalence,
    assess_insensitivity,
    assess_interaction,
    assess_reproduction,
    assess_robustness,
    assess_saturation,
    assess_superiority,
    assess_trend,
)
from suite.judging.claims.schema import Claim
from suite.judging.statistics.comparisons import holm
from suite.judging.statistics.estimates import LEVEL, Array

ORDER = (Verdict.EQUIVALENT, Verdict.SUPPORTED, Verdict.CONTRADICTED)
"""The first verdict whose adjusted p is small enough counts."""
_ASSESS: dict[str, Callable[[Any, Measured], list[ClaimResult]]] = {
    "superiority": assess_superiority,
    "equivalence": assess_equivalence,
    "robustness": assess_robustness,
    "reproduction": assess_reproduction,
    "insensitivity": assess_insensitivity,
    "trend": assess_trend,
    "interaction": assess_interaction,
    "saturation": assess_saturation,
    "closeness": assess_closeness,
    "minima": assess_minima,
    "decay": assess_decay,
}
"""How each kind of claim is assessed."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A result with its verdict.

    Attributes:
        result: what the records say.
        verdict: the verdict.
        p: Holm-adjusted p for each verdict that the numbers could give.
        detectable: smallest effect, or margin, that the family's first step would show with 80 % power; None where there
            is a verdict.
        family_size: results of its family that were tested together.
        beyond: Holm-adjusted p of the minimum-effect test in the direction of the verdict; None where there is none.
    """

    result: ClaimResult
    verdict: Verdict
    p: dict[Verdict, float]
    detectable: float | None
    family_size: int
    beyond: float | None = None

    @property
    def shown_p(self) -> float | None:
        """The p of the verdict given; of support where there is no verdict."""
        name = self.verdict if self.verdict in self.p else Verdict.SUPPORTED
        deterministic = self.result.evidence is not None and math.isnan(float(self.result.evidence.error))
        return None if deterministic else self.p.get(name)


def assess(claim: Claim, measured: Measured) -> list[ClaimResult]:
    """Results of a claim, one or more for each of its data sets.

    Raises:
        SuiteError: records contradict each other, e.g. unpaired runs.
    """
    return _ASSESS[claim.kind](claim, measured)


def judge(claims: Iterable[Claim], measured: Measured) -> list[Judged]:
    """Assess every claim, adjust p within each family, and give the verdicts, in the order of the claims.

    Raises:
        SuiteError: records contradict each other.
    """
    results = [result for claim in claims for result in assess(claim, measured)]
    judged: dict[int, Judged] = {}
    families: dict[str, list[int]] = {}
    for place, result in enumerate(results):
        if result.evidence is None:
            judged[place] = Judged(result, result.state or Verdict.NOT_RUN, {}, None, 0)
        else:
            families.setdefault(result.family, []).append(place)
    for places in families.values():
        members = [results[place] for place in places]
        judged |= dict(zip(places, _judge_family(members), strict=True))
    return [judged[place] for place in range(len(results))]


def _judge_family(results: list[ClaimResult]) -> list[Judged]:
    evidence = [result.evidence for result in results if result.evidence is not None]
    p, beyond = adjusted(evidence), adjusted_beyond(evidence)
    verdicts = decide(p)
    judged = []
    for i, (result, found) in enumerate(zip(results, evidence, strict=True)):
        inconclusive = verdicts[i] == Verdict.INCONCLUSIVE and not math.isnan(float(found.error))
        detectable = found.detectable(LEVEL / len(results)) if inconclusive else None
        mine = {verdict: float(p[verdict][i]) for verdict in found.p}
        size = float(beyond[verdicts[i]][i]) if verdicts[i] in found.beyond else None
        judged.append(Judged(result, Verdict(verdicts[i]), mine, detectable, len(results), size))
    return judged


def adjusted(family: Sequence[Evidence]) -> dict[Verdict, Array]:
    """Holm-adjusted p (..., m) of each verdict for a family of m results; NaN for a verdict that a result cannot give."""
    found = [evidence.two_sided() for evidence in family]
    return {verdict: _holm_over([p.get(verdict) for p in found], family[0]) for verdict in ORDER}


def adjusted_beyond(family: Sequence[Evidence]) -> dict[Verdict, Array]:
    """The same for the minimum-effect tests of a family, in the direction of support and of contradiction.

    A result that has no such test, for its failed runs, counts with p = 1: a size would else be easier to show than the
    effect itself, for the failure of others.
    """
    none = np.ones(np.shape(family[0].effect))
    return {
        verdict: holm(np.stack([np.minimum(1.0, 2 * found.beyond.get(verdict, none)) for found in family], axis=-1))
        for verdict in (Verdict.SUPPORTED, Verdict.CONTRADICTED)
    }


def _holm_over(columns: Sequence[Array | None], shape: Evidence) -> Array:
    """Adjusted p (..., m) of m results, NaN for those that have none."""
    able = [column is not None for column in columns]
    table = np.full((*np.shape(shape.effect), len(columns)), np.nan)
    if any(able):
        table[..., able] = holm(np.stack([column for column in columns if column is not None], axis=-1))
    return table


def decide(p: dict[Verdict, Array]) -> NDArray[np.object_]:
    """Verdicts (..., m) for adjusted p."""
    verdicts = np.full(next(iter(p.values())).shape, Verdict.INCONCLUSIVE, dtype=object)
    for verdict in reversed(ORDER):
        verdicts[p[verdict] <= LEVEL] = verdict
    return verdicts


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """What the verdicts on single data sets have in common: the verdict of all of them, or "inconclusive" where they differ.

    No verdict outweighs another. It is derived from the verdicts on the data sets; it is not a separate test and needs no
    further correction. A theorem says nothing where its premise is not met: such verdicts count only if there are no others.
    Where a data set was not run, the claim was not run on all.
    """
    judged = [found for found in verdicts if found != Verdict.PREMISE_NOT_MET]
    if not judged:
        return Verdict.PREMISE_NOT_MET
    if Verdict.NOT_RUN in judged:
        return Verdict.NOT_RUN
    return judged[0] if len(set(judged)) == 1 else Verdict.INCONCLUSIVE
