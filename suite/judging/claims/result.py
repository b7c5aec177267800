"""A result of a claim: what the records say on one data set, before a verdict is given."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from suite.judging.claims.evidence import Evidence, Verdict
from suite.judging.claims.measured import NotRunError
from suite.judging.claims.schema import Claim, ClaimOnRecords
from suite.judging.statistics.estimates import Array


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """One claim on one data set.

    Attributes:
        claim: the claim.
        dataset: the data set; empty for a claim on none.
        part: what else tells it from the claim's other results, e.g. a metric or the classes that meet a premise.
        evidence: what the numbers say; None where there are no numbers to test.
        state: the verdict where no numbers decide it: not run, premise not met, or inconclusive because runs failed.
        reason: what is missing, where something is.
        counts: whether it counts for the claim. Results of classes that do not meet a premise are only shown.
        premise: share of classes or embeddings that meet the premise, None without one.
        gains: points above the frozen backbone of what is compared, by name, at the highest noise; empty if not known.
    """

    claim: Claim
    dataset: str
    part: str = ""
    evidence: Evidence | None = None
    state: Verdict | None = None
    reason: str = ""
    counts: bool = True
    premise: float | None = None
    gains: Mapping[str, float] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """Its family: results that do not count for their claim make a family of their own."""
        return self.claim.family if self.counts else f"{self.claim.family} (premise not met)"

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies it, whatever the view of the records."""
        return self.claim.id, self.dataset, self.part


class FailedRunsError(Exception):
    """So many runs failed that nothing can be compared: inconclusive."""


@dataclass(frozen=True, slots=True)
class FinishedSeeds:
    """Values (conditions, seeds) of the seeds that finished in all conditions, and failed runs of each condition."""

    values: Array
    failed: list[int] = field(default_factory=list)


def finished_seeds(table: Array, names: Iterable[str]) -> FinishedSeeds:
    """Leave out seeds with a failed run (NaN) in any condition of a table (conditions, seeds).

    Args:
        table: a metric of each run.
        names: what to call the conditions in messages.

    Raises:
        FailedRunsError: fewer than two seeds are left.
    """
    failed = np.isnan(table)
    kept = ~failed.any(axis=0)
    if kept.sum() < 2:
        counts = ", ".join(f"{name} {int(row.sum())}" for name, row in zip(names, failed, strict=True))
        raise FailedRunsError(f"too many failed runs of {table.shape[1]}: {counts}")
    return FinishedSeeds(table[:, kept], [int(row.sum()) for row in failed])


def on_each_dataset(claim: ClaimOnRecords, assess: Callable[[str], list[ClaimResult]]) -> list[ClaimResult]:
    """Results on all data sets of a claim; where nothing can be tested, a result that says why."""
    results: list[ClaimResult] = []
    for dataset in claim.datasets:
        try:
            results += assess(dataset)
        except NotRunError as missing:
            results.append(ClaimResult(claim, dataset, state=Verdict.NOT_RUN, reason=str(missing)))
        except FailedRunsError as failures:
            results.append(ClaimResult(claim, dataset, state=Verdict.INCONCLUSIVE, reason=str(failures)))
    return results
