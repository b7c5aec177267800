"""Judges all claims together: families share an adjustment, so no claim is judged alone."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from suite.judging.claims.kinds import weigh
from suite.judging.claims.lines import Line
from suite.judging.claims.measured import Measured
from suite.judging.claims.schema import Claim
from suite.judging.claims.verdict import LEVEL, adjusted, decide
from suite.judging.claims.vocabulary import Verdict


@dataclass(frozen=True, slots=True)
class Judged:
    """A line with its verdict.

    Attributes:
        line: the line.
        verdict: the verdict.
        p: Holm-adjusted p for each verdict that the line's numbers could give.
        detectable: smallest effect, or margin, that the family's first step would show with 80 % power; None where not
        asked. family_size: lines of its family that were tested together.
    """

    line: Line
    verdict: Verdict
    p: dict[Verdict, float]
    detectable: float | None
    family_size: int

    @property
    def shown_p(self) -> float | None:
        """The p of the verdict given; of support where there is no verdict."""
        name = self.verdict if self.verdict in self.p else Verdict.SUPPORTED
        deterministic = self.line.evidence is not None and math.isnan(float(self.line.evidence.error))
        return None if deterministic else self.p.get(name)


def judge(claims: Iterable[Claim], measured: Measured) -> list[Judged]:
    """Weigh every claim, adjust p within each family, and give the verdicts, in the order of the claims.

    Raises:
        SuiteError: rows contradict each other.
    """
    lines = [line for claim in claims for line in weigh(claim, measured)]
    judged: dict[int, Judged] = {}
    families: dict[str, list[int]] = {}
    for place, line in enumerate(lines):
        if line.evidence is None:
            judged[place] = Judged(line, line.state or Verdict.NOT_RUN, {}, None, 0)
        else:
            families.setdefault(line.family, []).append(place)
    for places in families.values():
        members = [lines[place] for place in places]
        judged |= dict(zip(places, _judge_family(members), strict=True))
    return [judged[place] for place in range(len(lines))]


def _judge_family(lines: list[Line]) -> list[Judged]:
    evidence = [line.evidence for line in lines if line.evidence is not None]
    p = adjusted(evidence)
    verdicts = decide(p)
    results = []
    for i, (line, found) in enumerate(zip(lines, evidence, strict=True)):
        inconclusive = verdicts[i] == Verdict.INCONCLUSIVE and not math.isnan(float(found.error))
        detectable = found.detectable(LEVEL / len(lines)) if inconclusive else None
        mine = {verdict: float(p[verdict][i]) for verdict in found.p}
        results.append(Judged(line, Verdict(verdicts[i]), mine, detectable, len(lines)))
    return results
