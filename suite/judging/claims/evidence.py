"""What numbers say about a claim: an effect, its interval, and a p for each verdict that they could give.

The functions take arrays whose last axis is the seeds. Leading axes, if any, are independent repetitions: the
simulation that tests the verdicts (tests/suite/judging/claims/test_simulation.py) calls the same code. docs/claims.md
has an example of each.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from typing import Any, Literal

import numpy as np
from scipy import stats

from suite.judging.claims.parts import ReportedValue
from suite.judging.statistics.estimates import Array, Estimate, mean_of, minus, pairwise_differences
from suite.judging.statistics.power import detectable_in_errors, equivalence_margin_in_errors


class Verdict(StrEnum):
    """What the records say about a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"
    PREMISE_NOT_MET = "premise not met"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Effect and p-values of a claim on one data set.

    Attributes:
        effect: in the units of the estimand, subject minus reference.
        low: lower bound of its 95 % interval.
        high: upper bound.
        n: number of seeds.
        p: for each verdict that these numbers could give, the one-sided p of the null hypothesis that must fall for it.
        error: standard error of the effect.
        degrees: its degrees of freedom.
        shows: whether support means a difference or a difference that stays within a margin.
        remarks: what a reader must know, e.g. failed runs.
        beyond: one-sided p of the minimum-effect test: of the null hypothesis that the effect, in the direction of a
            verdict, is at most the smallest effect of interest. Empty where the margin is tested anyway.
    """

    effect: Array
    low: Array
    high: Array
    n: int
    p: dict[Verdict, Array]
    error: Array
    degrees: Array
    shows: Literal["difference", "margin"] = "difference"
    remarks: tuple[str, ...] = ()
    beyond: dict[Verdict, Array] = field(default_factory=dict)

    def two_sided(self) -> dict[Verdict, Array]:
        """``p`` with those of support and contradiction doubled where a difference is shown.

        Both directions are tested, so that false "supported" and false "contradicted" together stay at the level. A margin
        cannot be kept and exceeded at once: there nothing is doubled.
        """
        if self.shows == "margin":
            return self.p
        return {
            verdict: p if verdict == Verdict.EQUIVALENT else np.minimum(1.0, 2 * p) for verdict, p in self.p.items()
        }

    def barring(self, *verdicts: Verdict, remark: str) -> "Evidence":
        """The same evidence with p = 1 for these verdicts, and a remark on why."""
        barred, beyond = (
            {verdict: np.ones_like(p) if verdict in verdicts else p for verdict, p in found.items()}
            for found in (self.p, self.beyond)
        )
        return replace(self, p=barred, beyond=beyond, remarks=(*self.remarks, remark))

    def detectable(self, level: float) -> float:
        """Smallest effect, or smallest margin, that would be shown with 80 % power at ``level``, two-sided for an effect."""
        if self.shows == "difference":
            return detectable_in_errors(float(self.degrees), level / 2) * float(self.error)
        return equivalence_margin_in_errors(float(self.degrees), level) * float(self.error)


def difference(differences: Any, smallest: float, *, higher: bool = True) -> Evidence:
    """A paired difference (..., n) against zero: t-tests for and against, TOST for a difference too small to matter.

    Beside them stands the minimum-effect test (Murphy & Myors, 1999): is the difference beyond the smallest effect?

    Args:
        differences: subject minus reference, seed by seed.
        smallest: smallest effect of interest.
        higher: whether the claim is that the difference is above zero; else below.
    """
    estimate = mean_of(differences)
    above, below = estimate.p_above(0.0), estimate.p_below(0.0)
    p = {
        Verdict.SUPPORTED: above if higher else below,
        Verdict.CONTRADICTED: below if higher else above,
        Verdict.EQUIVALENT: estimate.p_within(smallest),
    }
    more, less = estimate.p_above(smallest), estimate.p_below(-smallest)
    beyond = {Verdict.SUPPORTED: more if higher else less, Verdict.CONTRADICTED: less if higher else more}
    n = np.shape(differences)[-1]
    return Evidence(estimate.mean, *estimate.interval(), n, p, estimate.error, estimate.degrees, beyond=beyond)


def within_margin(differences: Any, margin: float) -> Evidence:
    """A paired difference (..., n) against a margin: TOST for a difference within it, and a test for one beyond it."""
    estimate = mean_of(differences)
    p = {Verdict.SUPPORTED: estimate.p_within(margin), Verdict.CONTRADICTED: estimate.p_beyond(margin)}
    n = np.shape(differences)[-1]
    return Evidence(estimate.mean, *estimate.interval(), n, p, estimate.error, estimate.degrees, "margin")


def reproduction(values: Any, reported: ReportedValue, margin: float) -> Evidence:
    """Our values (..., n) against a reported mean: TOST from summary statistics.

    The reported spread is read as a standard error: the paper does not say what it is, and this reading is the wider
    one. Without a reported spread, their runs are assumed to scatter as ours do, and their mean to be of ``runs`` runs,
    or of one.
    """
    ours = mean_of(values)
    n = np.shape(values)[-1]
    if reported.spread is not None and reported.runs is not None:
        shape = ours.mean.shape
        theirs = Estimate(
            np.full(shape, reported.value), np.full(shape, reported.spread), np.full(shape, reported.runs - 1.0)
        )
        estimate = minus(ours, theirs)
    else:
        widened = ours.error * np.sqrt(1 + n / (reported.runs or 1))
        estimate = Estimate(ours.mean - reported.value, widened, ours.degrees)
    p = {Verdict.SUPPORTED: estimate.p_within(margin), Verdict.CONTRADICTED: estimate.p_beyond(margin)}
    return Evidence(estimate.mean, *estimate.interval(), n, p, estimate.error, estimate.degrees, "margin")


def flatness(values: Any, margin: float) -> Evidence:
    """Values (..., n, k) of a grid of k settings: no two settings differ by the margin.

    All pairs are tested, and all must be within the margin (intersection-union: the largest p counts and needs no
    adjustment). So no setting has to be chosen as the reference. The effect is the range, the largest of all mean
    differences; its interval holds for all pairs at once (Bonferroni), so it covers at least 95 %.
    """
    estimate = mean_of(pairwise_differences(values))
    pairs = estimate.mean.shape[-1]
    low, high = estimate.interval(1 - 0.05 / pairs)
    p = {
        Verdict.SUPPORTED: estimate.p_within(margin).max(axis=-1),
        Verdict.CONTRADICTED: np.minimum(1.0, pairs * estimate.p_beyond(margin).min(axis=-1)),
    }
    return Evidence(
        np.abs(estimate.mean).max(axis=-1),
        np.maximum(0.0, np.maximum(low, -high)).max(axis=-1),
        np.maximum(high, -low).max(axis=-1),
        np.shape(values)[-2],
        p,
        estimate.error.max(axis=-1),
        estimate.degrees[..., 0],
        "margin",
    )


def steps(values: Any, margin: float, *, higher: bool = True) -> Evidence:
    """Values (..., n, k) of k settings in order: every step from one setting to the next goes the claimed way.

    Support needs every step (intersection-union: the largest p counts), so a curve that turns back, or stays level between
    two settings, supports nothing; a least-squares slope would. One step shown to go the other way contradicts (Bonferroni
    over the steps). Equivalent: no two settings differ by the margin. The effect and its interval are those of the change
    from the first setting to the last; error, and with it what could have been shown, is that of the least certain step.
    """
    table = np.asarray(values, dtype=np.float64)
    whole = difference(table[..., -1] - table[..., 0], margin, higher=higher)
    each = mean_of(np.moveaxis(np.diff(table, axis=-1), -1, -2))
    rises, falls = each.p_above(0.0), each.p_below(0.0)
    along, against = (rises, falls) if higher else (falls, rises)
    p = {
        Verdict.SUPPORTED: along.max(axis=-1),
        Verdict.CONTRADICTED: np.minimum(1.0, against.shape[-1] * against.min(axis=-1)),
        Verdict.EQUIVALENT: flatness(table, margin).p[Verdict.SUPPORTED],
    }
    return replace(whole, p=p, error=each.error.max(axis=-1))


def saturation(start: Any, plateau: Any, margin: float) -> Evidence:
    """A rise from the start (..., n) to a plateau (..., n, k) on which no two settings differ by the margin.

    Both parts must be shown, so the larger p counts; either refuted refutes the claim, so the smaller p, doubled, counts
    against it. The effect and its interval are those of the rise, from the start to the mean of the plateau.
    """
    rise = difference(np.asarray(plateau, dtype=np.float64).mean(axis=-1) - np.asarray(start), margin)
    flat = flatness(plateau, margin)
    against = np.minimum(rise.p[Verdict.CONTRADICTED], flat.p[Verdict.CONTRADICTED])
    p = {
        Verdict.SUPPORTED: np.maximum(rise.p[Verdict.SUPPORTED], flat.p[Verdict.SUPPORTED]),
        Verdict.CONTRADICTED: np.minimum(1.0, 2 * against),
        # Without a rise that matters there is nothing that saturates.
        Verdict.EQUIVALENT: rise.p[Verdict.EQUIVALENT],
    }
    return replace(rise, p=p)


def share_reached(ended: Any, started: Any, target: float, margin: float) -> Evidence:
    """Shares ended / started (n,) of n seeds against a target: shown when the true share is above target - margin.

    There are two tests, of which the larger p counts: a t-test over seeds, and an exact binomial test over all flows. The
    first alone would be certain when all seeds agree, however few flows there were; the second alone would treat flows of
    one model as independent. On each side the interval is the wider one of the t-interval and Clopper and Pearson's.
    """
    ended, started = np.asarray(ended, dtype=np.int64), np.asarray(started, dtype=np.int64)
    estimate = mean_of(ended / started)
    bound = target - margin
    above, below, exact_low, exact_high = _exact(int(ended.sum()), int(started.sum()), bound)
    low, high = estimate.interval()
    # Where all seeds agree they say nothing of their scatter; the number of flows still does.
    agree = estimate.error == 0
    p = {
        Verdict.SUPPORTED: np.maximum(np.where(agree, 0.0, estimate.p_above(bound)), above),
        Verdict.CONTRADICTED: np.maximum(np.where(agree, 0.0, estimate.p_below(bound)), below),
    }
    low, high = np.clip(np.fmin(low, exact_low), 0, 1), np.clip(np.fmax(high, exact_high), 0, 1)
    return Evidence(estimate.mean, low, high, len(ended), p, estimate.error, estimate.degrees)


@cache
def _exact(ended: int, started: int, bound: float) -> tuple[float, float, float, float]:
    """Of ended among started: p that the share is above and below the bound, and Clopper and Pearson's 95 % interval."""
    above, below = (
        float(stats.binomtest(ended, started, bound, alternative=side).pvalue) for side in ("greater", "less")
    )
    interval = stats.binomtest(ended, started).proportion_ci(0.95, "exact")
    return above, below, float(interval.low), float(interval.high)


def superiority_with_failures(subject: Any, reference: Any, smallest: float) -> Evidence:
    """The difference of two methods over seeds (n,) where a failed run is NaN.

    A failed run counts as zero, for either method, in effect and interval. A method with a failed run cannot win, nor be
    called equivalent. Whether the other method wins is tested twice, over all seeds with zeros and over those where both
    runs finished: one zero among five differences takes nearly all power from a t-test. The smaller p counts, doubled.
    """
    subject, reference = np.asarray(subject, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    evidence = difference(np.nan_to_num(subject) - np.nan_to_num(reference), smallest)
    finished = np.isfinite(subject) & np.isfinite(reference)
    if finished.all():
        return evidence
    if finished.sum() >= 2:
        both = difference((subject - reference)[finished], smallest)
        combined = {verdict: np.minimum(1.0, 2 * np.minimum(p, both.p[verdict])) for verdict, p in evidence.p.items()}
        remark = f"over the {finished.sum()} seeds on which both finished the difference is {float(both.effect):+.2f}"
        evidence = replace(evidence, p=combined, remarks=(remark,))
    evidence = replace(evidence, beyond={})  # of zeros for failed runs nobody can say how large the difference is
    for failed, name, verdict in (
        (~np.isfinite(subject), "subject", Verdict.SUPPORTED),
        (~np.isfinite(reference), "reference", Verdict.CONTRADICTED),
    ):
        if failed.any():
            remark = (
                f"{failed.sum()} of {len(failed)} runs of the {name} failed and count as 0: no verdict in its favour"
            )
            evidence = evidence.barring(verdict, Verdict.EQUIVALENT, remark=remark)
    return evidence


def constant(effect: float, verdict: Verdict) -> Evidence:
    """A measurement without sampling error: it gives the verdict directly, and there is neither interval nor p."""
    nan = np.asarray(np.nan)
    return Evidence(np.asarray(effect), nan, nan, 1, {verdict: np.asarray(0.0)}, nan, nan)
