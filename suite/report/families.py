"""Verdicts by family of claims: a line a question, for the terminal, ``results/claims.md``, the README and the site."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suite.judging.claims.evidence import Verdict
from suite.report.tables import REGIMES
from suite.report.text import markdown_table

QUESTIONS = {
    "above-baselines-noise-0": "Does PFML retrieve better than each baseline with clean labels?",
    "above-baselines-noise-20": "Does PFML retrieve better than each baseline with 20 % wrong labels?",
    "above-baselines-noise-40": "Does PFML retrieve better than each baseline with 40 % wrong labels?",
    "robustness-20": "Does PFML lose less than each baseline from clean labels to 20 % wrong ones?",
    "robustness-slope": "Does PFML lose less than each baseline with every further wrong label?",
    "ablation-alpha": "Does R@1 rise with the decay alpha and then stay level?",
    "ablation-delta": "Is R@1 the same over a wide range of delta?",
    "ablation-proxies": "Does R@1 rise with the number of proxies and then stay level?",
    "ablation-repulsion_margin": "Does R@1 fall as the repulsion margin grows?",
    "decay-of-influence": "Do far positives pull less under PFML than under each baseline?",
    "corollary-1": "Do PFML's proxies lie closer to the embeddings of their class than those of other losses?",
    "proposition-1": "Does the trained field have a minimum near each embedding?",
    "reported": "Are the numbers of the paper's tables reproduced?",
}
"""What a family asks. The longest key that begins a family's name counts; a family without one is shown by its name."""

ReportJson = Mapping[str, Any]
ClaimJson = Mapping[str, Any]


def regime_name(regime: str | None) -> str:
    """How a claim's regime is shown. Some claims are about the loss itself and need no training."""
    return "without training" if regime is None else f"regime {regime}"


@dataclass(frozen=True)
class Family:
    """The claims of one regime that ask the same question.

    Attributes:
        regime: what learns; None where nothing is trained.
        question: what they ask, in words.
        claims: number of claims by verdict.
        results: number of verdicts on single data sets.
        fragile: number of claims whose verdict changes under another look at the records.
    """

    regime: str | None
    question: str
    claims: Counter[str]
    results: Counter[str]
    fragile: int

    @property
    def was_run(self) -> bool:
        """Whether any data set has a verdict."""
        return any(verdict != Verdict.NOT_RUN for verdict in self.results)


def was_run(claim: ClaimJson) -> bool:
    """Whether any of a claim's data sets has a verdict."""
    return any(line["verdict"] != Verdict.NOT_RUN for line in claim["lines"])


def question_of(family: str) -> str:
    """What a family asks."""
    found = [key for key in QUESTIONS if family == key or family.startswith(f"{key}-")]
    return QUESTIONS[max(found, key=len)] if found else family


def families(report: ReportJson) -> list[Family]:
    """Families by regime; within one those that were run first, in the order of ``QUESTIONS``, then others."""
    groups: dict[tuple[str | None, str], list[ClaimJson]] = {}
    for claim in report["claims"]:
        groups.setdefault((claim["regime"], question_of(claim["family"])), []).append(claim)
    found = [_family(regime, question, claims) for (regime, question), claims in groups.items()]
    regimes, order = [*REGIMES, None], [*QUESTIONS.values()]
    return sorted(
        found,
        key=lambda family: (
            regimes.index(family.regime),
            not family.was_run,
            order.index(family.question) if family.question in order else len(order),
        ),
    )


def _family(regime: str | None, question: str, claims: Sequence[ClaimJson]) -> Family:
    lines = Counter(line["verdict"] for claim in claims for line in claim["lines"] if line["counts"])
    verdicts = Counter(claim["verdict"] for claim in claims)
    return Family(regime, question, verdicts, lines, sum(bool(claim["flips"]) for claim in claims))


def verdict_counts(counts: Counter[str]) -> str:
    """Verdicts with their numbers, in a fixed order."""
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])


def totals(report: ReportJson) -> str:
    """Number of claims by verdict."""
    counts = Counter(claim["verdict"] for claim in report["claims"])
    fragile = sum(bool(claim["flips"]) for claim in report["claims"])
    return f"{len(report['claims'])} claims: {verdict_counts(counts)}; {fragile} fragile."


def family_table(report: ReportJson) -> str:
    """A Markdown table: a row a family that was run; what was not run is counted below it, with the reason."""
    rows = [
        (family.question, regime_name(family.regime), verdict_counts(family.claims), verdict_counts(family.results))
        for family in families(report)
        if family.was_run
    ]
    table = markdown_table(("question", "judged", "claims", "on single data sets"), rows) if rows else ""
    return "\n".join(part for part in (table, _not_run(report)) if part)


def _not_run(report: ReportJson) -> str:
    waiting: dict[str | None, list[ClaimJson]] = {regime: [] for regime in (*REGIMES, None)}
    for claim in report["claims"]:
        if not was_run(claim):
            waiting.setdefault(claim["regime"], []).append(claim)
    told = [
        f"{len(claims)} {'claim' if len(claims) == 1 else 'claims'} ({regime_name(regime)}){_why(claims)}"
        for regime, claims in waiting.items()
        if claims
    ]
    return f"Not run: {'; '.join(told)}.\n" if told else ""


def _why(claims: Sequence[ClaimJson]) -> str:
    """The commonest reason, with how many others there are."""
    reasons = Counter(line["remarks"][0] for claim in claims for line in claim["lines"] if line.get("remarks"))
    if not reasons:
        return ""
    others = len(reasons) - 1
    more = f", and {others} more {'reason' if others == 1 else 'reasons'}" if others else ""
    return f", because: {reasons.most_common(1)[0][0]}{more}"


def claims_summary(report: ReportJson) -> list[str]:
    """The same as lines for the terminal: a heading for each regime, a line a family that was run, what was not run."""
    found = families(report)
    shown = [family for family in found if family.was_run]
    width = max((len(family.question) for family in shown), default=0)
    lines = []
    for regime in dict.fromkeys(family.regime for family in shown):
        lines.append(f"Claims, {regime_name(regime)}." + ("" if regime is None else f" {REGIMES[regime]}"))
        lines += [
            f"  {family.question:<{width}}  {verdict_counts(family.claims)}"
            for family in shown
            if family.regime == regime
        ]
    waiting = _not_run(report).strip()
    return [*lines, *([waiting] if waiting else [])]
