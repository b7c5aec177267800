"""Runs of a bundle beside what the same runs gave here: all that a record states as outcome.

Where all is the same, they are reproduced. On the same kind of processor and with the same versions a run gives the same
bits, so one that differs there is not reproduced. Elsewhere last bits differ, and by chance in either direction. TOST asks
of each metric, also at the validation epoch, whether its mean difference is within a margin; a sign test and a t-test,
whether all differences point one way, as those of raised numbers do; a chi-square test of homogeneity, whether the hits of
the classes could be those of one model. Each must hold.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from suite.errors import all_of, allowed
from suite.evaluation.records import Record
from suite.evaluation.retrieval import METRICS
from suite.judging.statistics.estimates import LEVEL, PERCENT, mean_of
from suite.judging.verify import RerunOutcome

FIXED = ("data_sha256", "noise_sha256", "noise_realised", "class_queries")
"""Fields that no processor changes."""
MEASURED = ("status", "failure", "metrics", "class_hits", "validation_epoch", "hubness", "views_sha256")
"""Fields that a run measures, or learned from."""
HUBNESS = 10.0
"""A tenth of hubness counts as a point."""
MARGIN = 0.5
"""Points up to which a mean difference counts as none: the smallest effect of interest of the claims on R@1."""
_ROUNDING = 0.01
"""A difference below this share of the margin is one of rounding, whichever way it points."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A record and what its run gave here.

    Attributes:
        record: as it was handed in.
        here: as it was computed here; None if it was not to be had.
        raised: what the code raised in its place; empty if nothing.
        same_machine: whether the record was computed on the kind of processor and with the versions that are here.
    """

    record: Record
    here: Record | None
    raised: str = ""
    same_machine: bool = False


@dataclass(frozen=True, slots=True)
class _Tests:
    """P-values of a measure.

    Attributes:
        within: of a mean that is at least the margin away from none.
        beyond: of a mean within the margin.
        shift: of differences that point either way by chance.
        one_way: whether all of them point the same way.
    """

    within: float
    beyond: float
    shift: float
    one_way: bool


def judge(pairs: Sequence[Pair], margin: float) -> tuple[RerunOutcome, str]:
    """Whether reruns reproduce the records that they are of, and why.

    Args:
        pairs: at least one.
        margin: points up to which a mean difference counts as none.
    """
    both = [(pair.record, pair.here) for pair in pairs if pair.here is not None]
    differing = [[name for name in MEASURED if getattr(a, name) != getattr(b, name)] for a, b in both]
    names = allowed(dict.fromkeys(name for each in differing for name in each))
    told = f"{sum(map(bool, differing))} of {len(both)} runs differ, in {names}"
    if raised := sum(bool(pair.raised) for pair in pairs):
        return RerunOutcome.NOT_REPRODUCED, f"{raised} of {len(pairs)} runs raised an error here"
    if wrong := _impossible(both):
        return RerunOutcome.NOT_REPRODUCED, wrong
    alike = [pair.same_machine for pair in pairs if pair.here is not None]
    if count := sum(bool(each) and same for each, same in zip(differing, alike, strict=True)):
        why = "of them on the records' kind of processor and versions, where a run gives the same bits"
        return RerunOutcome.NOT_REPRODUCED, f"{told}; {count} {why}"
    if killed := len(pairs) - len(both):
        return RerunOutcome.CANNOT_TELL, f"{killed} of {len(pairs)} runs did not end here: their process was killed"
    if not any(differing):
        return RerunOutcome.REPRODUCED, f"{all_of(len(both), 'run')} gave the same values"
    return _tested([(before, after) for before, after in both if before.status == "ok"], margin, told)


def _impossible(pairs: Sequence[tuple[Record, Record]]) -> str:
    """What no other processor explains; empty if nothing."""
    if any(before.status != after.status for before, after in pairs):
        return "a run failed in the records or here, and not in both"
    others = [name for name in FIXED if any(getattr(a, name) != getattr(b, name) for a, b in pairs)]
    return f"{allowed(others)} of the records are others than here" if others else ""


def _tested(pairs: Sequence[tuple[Record, Record]], margin: float, told: str) -> tuple[RerunOutcome, str]:
    """The tests, and the measure that is furthest from being the same."""
    if len(pairs) < 2:
        return RerunOutcome.CANNOT_TELL, f"{told}; one run cannot tell chance from a fault"
    found = {name: _tests(np.array(differences), margin) for name, differences in _differences(pairs).items()}
    worst = max(found, key=lambda name: found[name].within)
    way = min(found, key=lambda name: found[name].shift)
    within, shift = found[worst].within, found[way].shift
    hits = min(p_of_hits(before, after) for before, after in pairs) * len(pairs)
    told += f"; most in {worst}: margin {margin:g}, TOST p {within:.4f}"
    told += f"; one way most in {way}: p {shift:.4f}; class hits p {min(1.0, hits):.4f}"
    least = min(shift, *(tests.beyond for tests in found.values()))
    if least * len(found) <= LEVEL or hits <= LEVEL:
        return RerunOutcome.NOT_REPRODUCED, told
    one_way = shift <= LEVEL or any(tests.one_way for tests in found.values())
    return (RerunOutcome.REPRODUCED if within <= LEVEL and not one_way else RerunOutcome.CANNOT_TELL), told


def _differences(pairs: Sequence[tuple[Record, Record]]) -> dict[str, list[float]]:
    """Of each measure, here less record, a number a pair, in points."""
    found: dict[str, list[float]] = {}
    for before, after in pairs:
        there, here = dict(_measures(before)), dict(_measures(after))
        for name in dict.fromkeys((*there, *here)):
            found.setdefault(name, []).append(here.get(name, np.inf) - there.get(name, 0.0))
    return found


def _measures(record: Record) -> Iterator[tuple[str, float]]:
    for name, value in record.metrics.items():
        yield METRICS[name].label, PERCENT * value
    later = record.validation_epoch
    for name, value in later.metrics.items() if later else ():
        yield f"{METRICS[name].label} at the validation epoch", PERCENT * value
    if record.hubness is not None:
        yield "hubness", HUBNESS * record.hubness


def _tests(differences: "np.ndarray[tuple[int], np.dtype[np.float64]]", margin: float) -> _Tests:
    """The tests of a measure's differences; of fewer than two of them nothing can be said."""
    if not np.isfinite(differences).all():
        return _Tests(1.0, 0.0, 1.0, one_way=False)
    if len(differences) < 2:
        return _Tests(1.0, 1.0, 1.0, one_way=False)
    estimate = mean_of(pd.Series(differences))
    if estimate.error == 0:  # no scatter to test against
        within, beyond = (0.0, 1.0) if abs(estimate.mean) < margin else (1.0, 0.0)
    else:
        within, beyond = float(estimate.p_within(margin)), float(estimate.p_beyond(margin))
    real = np.where(np.abs(differences) < _ROUNDING * margin, 0.0, differences)
    up, down = int((real > 0).sum()), int((real < 0).sum())
    by_sign = float(stats.binomtest(up, up + down).pvalue) if up + down else 1.0
    by_mean = float(mean_of(real).p_beyond(0.0))
    return _Tests(within, beyond, min(1.0, 2 * min(by_sign, by_mean)), one_way=max(up, down) == len(real))


def p_of_hits(before: Record, after: Record) -> float:
    """P of class hits as different as these, if both runs find a query of a class with the same probability.

    A chi-square test of homogeneity with a degree of freedom for each class in which not all or none are hits.
    """
    hits, others, queries = (
        np.array(each, float) for each in (before.class_hits, after.class_hits, before.class_queries)
    )
    if len(hits) != len(others):
        return 0.0
    share = np.divide(hits + others, 2 * queries, out=np.zeros_like(queries), where=queries > 0)
    variance = 2 * queries * share * (1 - share)
    open_ = variance > 0
    statistic = np.sum((hits - others)[open_] ** 2 / variance[open_])
    return float(stats.chi2.sf(statistic, open_.sum())) if open_.any() else 1.0
