"""How verdicts are said: no wider than what was measured.

``Verdict`` is for machines and stays. In words, a claim is "contradicted" only in a regime that the paper speaks of: where
the whole network learns, or where nothing is trained. Elsewhere it was "not found", and the words say where.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from suite.evaluation.retrieval import METRICS
from suite.judging.claims.evidence import Verdict
from suite.judging.claims.parts import BENCHMARKS, NOT_IMPLEMENTED
from suite.judging.claims.schema import Claim, ClaimOnRecords

_NOT_FOUND = {
    "frozen": "not found on frozen features",
    "finetuned": "not found with fine-tuning on embedded data",
}
NO_IMAGES = "for want of images of CUB, Cars or SOP"
NO_METHOD = "for want of a method in the suite"
OUT_OF_REACH = "cannot be run here"
"""Instead of "not run", of a claim that nobody can run with what the repository holds."""


def verdict_word(verdict: str, regime: str | None) -> str:
    """A verdict in words, for a claim of a regime; None where nothing is trained."""
    if verdict == Verdict.CONTRADICTED and regime in _NOT_FOUND:
        return _NOT_FOUND[regime]
    return str(verdict)


def by_metrics(verdict: str, metric: str | None, other: tuple[str, str] | None, regime: str | None) -> str:
    """A verdict by one metric beside that by another: one word where they agree, else which metric gave which.

    Args:
        verdict: by the claim's own metric.
        metric: name of that metric.
        other: name of the other metric and the verdict by it; None where there is none.
        regime: of the claim.
    """
    mine = verdict_word(verdict, regime)
    if metric is None or other is None or other[1] in {verdict, Verdict.NOT_RUN}:
        return mine
    return f"{mine} by {METRICS[metric].label}, {verdict_word(other[1], regime)} by {METRICS[other[0]].label}"


def counted(verdicts: Iterable[str], regime: str | None, noun: str = "data sets") -> str:
    """How many data sets, or results, have which verdict, e.g. ``supported (2 of 3 data sets), inconclusive (1 of 3)``."""
    counts = Counter(verdicts)
    total, told = counts.total(), ""
    for verdict in Verdict:
        if counts[verdict]:
            what = f" {noun}" if not told else ""
            told += f"{', ' if told else ''}{verdict_word(verdict, regime)} ({counts[verdict]} of {total}{what})"
    return told


def out_of_reach(claim: Claim, present: Mapping[str, object] | Iterable[str]) -> str | None:
    """Why nobody can run a claim with what the repository holds; None where somebody can.

    Args:
        claim: the claim.
        present: data sets that there are records of.
    """
    contrast = getattr(claim, "contrast", None)
    if any(getattr(contrast, role, None) in NOT_IMPLEMENTED for role in ("subject", "reference")):
        return NO_METHOD
    absent = set(BENCHMARKS) - set(present)
    if isinstance(claim, ClaimOnRecords) and set(claim.datasets) <= absent:
        return NO_IMAGES
    return None
