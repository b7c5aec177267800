"""Would another reasonable look at the records have changed a verdict? Then it is fragile."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from suite.judging.claims.evidence import Verdict
from suite.judging.claims.judge import Judged, assess, judge
from suite.judging.claims.measured import SWAPPED, Measured, View
from suite.judging.claims.schema import Claim, ClaimOnAblation, ClaimOnRecords, ClaimOnRuns, Reproduction, Robustness

VALIDATION_EPOCH = "validation epoch"
SWAPPED_METRIC = "R@1 and MAP@R swapped"
SHARES = "shares of the gain"


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Verdicts of one result under other views, by the view's name; views that do not concern it are left out.

    Attributes:
        verdict: by all seeds, the last epoch and the claim's own metric.
        others: verdicts under the other views.
        swapped: the result by the other metric, where the claim is judged by two.
        fresh: the result on fresh seeds alone; None where it was not run there.
        splits: the effect under each further split of the classes, by the split's number; empty if it was not measured.
    """

    verdict: Verdict
    others: dict[str, Verdict]
    swapped: Judged | None = None
    fresh: Judged | None = None
    splits: dict[int, float] = field(default_factory=dict)

    @property
    def flips(self) -> dict[str, Verdict]:
        """Views under which the verdict is another. Where the view was not measured, nothing is known."""
        return {name: other for name, other in self.others.items() if other not in {self.verdict, Verdict.NOT_RUN}}


def views(measured: Measured) -> dict[str, View]:
    """The other views: the validation epoch, the metric swapped, shares in place of points, and each seed left out."""
    seeds = {seed for runs in measured.runs.values() for seed in runs}
    seeds |= {seed for by_value in measured.ablations.values() for runs in by_value.values() for seed in runs}
    seeds |= {seed for by_loss in measured.all_geometry for runs in by_loss.values() for seed in runs}
    named = {
        VALIDATION_EPOCH: View(validation_epoch=True),
        SWAPPED_METRIC: View(swap=True),
        SHARES: View(shares=True),
    }
    return named | {f"without seed {seed}": View(without_seed=seed) for seed in sorted(seeds)}


def sensitivity(claims: Sequence[Claim], measured: Measured, base: Sequence[Judged]) -> list[Sensitivity]:
    """Judge everything under every view, families and all; one entry for each of ``base``."""
    under = {
        name: {other.result.key: other for other in judge(claims, measured.seen_as(view))}
        for name, view in views(measured).items()
    }
    on_fresh = {other.result.key: other for other in judge(claims, measured.fresh)} if measured.fresh else {}
    over_splits = {
        split: {
            each.key: each.evidence for claim in claims for each in assess(claim, found) if each.evidence is not None
        }
        for split, found in measured.splits.items()
    }
    return [
        Sensitivity(
            one.verdict,
            {
                name: found[one.result.key].verdict
                for name, found in under.items()
                if one.verdict != Verdict.NOT_RUN and one.result.key in found and _concerns(name, one)
            },
            under[SWAPPED_METRIC].get(one.result.key) if _concerns(SWAPPED_METRIC, one) else None,
            on_fresh.get(one.result.key),
            {
                split: float(found[one.result.key].effect)
                for split, found in over_splits.items()
                if one.result.evidence is not None and one.result.key in found
            },
        )
        for one in base
    ]


def _concerns(view: str, judged: Judged) -> bool:
    claim = judged.result.claim
    if view == VALIDATION_EPOCH:
        return isinstance(claim, ClaimOnRuns | ClaimOnAblation | Reproduction)
    if view == SWAPPED_METRIC:
        return isinstance(claim, ClaimOnRuns | ClaimOnAblation) and claim.estimand in SWAPPED
    if view == SHARES:
        return isinstance(claim, Robustness)
    return isinstance(claim, ClaimOnRecords)
