"""What a number of units could find, family by family: to be read before runs, and beside their results.

In standard deviations of what one unit (a search, or a seed) gives, e.g. of one paired difference: the smallest effect that
the first step of Holm's adjustment finds with 80 % power, or the smallest margin that it confirms. The scatter at which that
is the smallest effect of interest follows: where units scatter more, there are too few of them.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from suite.judging.claims.judge import Judged
from suite.judging.claims.planned import count_held
from suite.judging.claims.schema import Claim, ClaimOnRecords, Equivalence, InfluenceDecay, Insensitivity, Reproduction
from suite.judging.statistics.estimates import LEVEL
from suite.judging.statistics.power import detectable_in_errors, equivalence_margin_in_errors
from suite.settings.params import Settings

UNITS = (5, 10, 20)
"""Numbers of units that are compared."""


@dataclass(frozen=True, slots=True)
class FamilyPlan:
    """What a family of claims could find.

    Attributes:
        family: its name.
        tests: results that are tested together, if all of them are run.
        smallest: the least of its smallest effects of interest.
        shows: whether a margin is confirmed or a difference found.
        detectable: for each of ``UNITS``, in standard deviations of a unit.
        scatter: median standard deviation of a unit in the records, in the units of the effect; None before runs.
    """

    family: str
    tests: int
    smallest: float
    shows: str
    detectable: tuple[float, ...]
    scatter: float | None = None

    @property
    def tolerable(self) -> tuple[float, ...]:
        """For each of ``UNITS``, the standard deviation of a unit up to which the smallest effect is found."""
        return tuple(self.smallest / each for each in self.detectable)


def plan_families(
    claims: Iterable[Claim], judged: Sequence[Judged] = (), settings: Settings | None = None
) -> list[FamilyPlan]:
    """A plan for each family that has something to test, in the order of the claims; what is measured exactly has nothing.

    Args:
        claims: the claims.
        judged: their results, for the scatter in the records.
        settings: of the regime, which may plan several results of a data set; without them there is one.
    """
    families: dict[str, list[Claim]] = {}
    for claim in claims:
        if not isinstance(claim, InfluenceDecay):
            families.setdefault(claim.family, []).append(claim)
    seen: dict[str, list[float]] = {}
    lines = Counter(one.result.family for one in judged if one.result.counts)
    for one in judged:
        found = one.result.evidence
        if one.result.counts and found is not None and math.isfinite(float(found.error)):
            seen.setdefault(one.result.family, []).append(float(found.error) * math.sqrt(found.n))
    plans = []
    for name, mine in families.items():
        planned = sum(_lines(claim) + (count_held(claim, settings) if settings else 0) for claim in mine)
        plans.append(_planned(name, mine, seen.get(name, []), max(lines[name], planned)))
    return plans


def _planned(name: str, claims: Sequence[Claim], scatter: Sequence[float], tests: int) -> FamilyPlan:
    margin = all(isinstance(claim, Equivalence | Insensitivity | Reproduction) for claim in claims)
    find, level = (equivalence_margin_in_errors, LEVEL) if margin else (detectable_in_errors, LEVEL / 2)
    detectable = tuple(find(n - 1, level / tests) / math.sqrt(n) for n in UNITS)
    smallest = min(claim.smallest_effect.value for claim in claims)
    shows = "margin" if margin else "difference"
    return FamilyPlan(name, tests, smallest, shows, detectable, float(np.median(scatter)) if scatter else None)


def _lines(claim: Claim) -> int:
    if isinstance(claim, Reproduction):
        return len(claim.estimand)
    return len(claim.datasets) if isinstance(claim, ClaimOnRecords) else 1
