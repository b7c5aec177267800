"""A line of the verdict table: one claim on one data set, before and after it is judged."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from suite.judging.claims.evidence import Evidence
from suite.judging.claims.measured import NotRunError
from suite.judging.claims.schema import Claim
from suite.judging.claims.vocabulary import Verdict
from suite.judging.statistics.estimate import Array


@dataclass(frozen=True, slots=True)
class Line:
    """One claim on one data set.

    Attributes:
        claim: the claim.
        dataset: the data set; empty for a claim on none.
        part: what else tells it from the claim's other lines, e.g. a metric or the classes that meet a premise.
        evidence: what the numbers say; None where there is nothing to weigh.
        state: the verdict where no numbers decide it: not run, premise not met, or inconclusive because runs failed.
        reason: what is missing, where something is.
        counts: whether the line counts for the claim. Classes that do not meet a premise are shown beside it.
        premise: share of classes or embeddings that meet the premise, None without one.
    """

    claim: Claim
    dataset: str
    part: str = ""
    evidence: Evidence | None = None
    state: Verdict | None = None
    reason: str = ""
    counts: bool = True
    premise: float | None = None

    @property
    def family(self) -> str:
        """Its family: lines that do not count for their claim make a family of their own."""
        return self.claim.family if self.counts else f"{self.claim.family} (premise not met)"

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is called over several ways to look at the records."""
        return self.claim.id, self.dataset, self.part


class FailedRunsError(Exception):
    """So many runs failed that there is nothing to compare: inconclusive."""


@dataclass(frozen=True, slots=True)
class Finished:
    """Values (cells, seeds) of the seeds that finished in all cells, and how many runs of each cell failed."""

    values: Array
    failed: list[int] = field(default_factory=list)


def finished(table: Array, names: Iterable[str]) -> Finished:
    """Leave out seeds with a failed run (NaN) in any cell of a table (cells, seeds).

    Raises:
        FailedRunsError: fewer than two seeds are left.
    """
    failed = np.isnan(table)
    kept = ~failed.any(axis=0)
    if kept.sum() < 2:
        counts = ", ".join(f"{name} {int(row.sum())}" for name, row in zip(names, failed, strict=True))
        raise FailedRunsError(f"too many failed runs of {table.shape[1]}: {counts}")
    return Finished(table[:, kept], [int(row.sum()) for row in failed])


def on_each_dataset(claim: Claim, weigh: Callable[[str], list[Line]]) -> list[Line]:
    """Lines of all data sets of a claim; where nothing can be weighed, a line that says why."""
    lines: list[Line] = []
    for dataset in claim.datasets:
        try:
            lines += weigh(dataset)
        except NotRunError as missing:
            lines.append(Line(claim, dataset, state=Verdict.NOT_RUN, reason=str(missing)))
        except FailedRunsError as failures:
            lines.append(Line(claim, dataset, state=Verdict.INCONCLUSIVE, reason=str(failures)))
    return lines
