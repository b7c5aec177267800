"""Verdicts by family of claims: a line a question, for the terminal, ``results/claims.md``, the README and the site.

What is counted are results, a claim on a data set each. What the paper says and what the suite has carried on stand apart.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suite.errors import counted_noun
from suite.judging.claims.evidence import Verdict
from suite.judging.claims.sensitivity import SWAPPED_METRIC
from suite.judging.claims.words import OUT_OF_REACH, verdict_word
from suite.report.tables import REGIMES
from suite.report.text import markdown_table

QUESTIONS = {
    "above-baselines-noise-0": "Does PFML retrieve better than each baseline with clean labels?",
    "above-baselines-noise-20": "Does PFML retrieve better than each baseline with 20 % wrong labels?",
    "above-baselines-noise-40": "Does PFML retrieve better than each baseline with 40 % wrong labels?",
    "robustness-20": "Does PFML lose less than each baseline from clean labels to 20 % wrong ones?",
    "robustness-20-asymmetric": "Does PFML lose less than each baseline to 20 % labels of the most similar class?",
    "robustness-20-small_cluster": "Does PFML lose less than each baseline to 20 % broken-up classes?",
    "robustness-20-feature_cluster": "Does PFML lose less than each baseline to 20 % classes broken up by likeness?",
    "robustness-slope": "Does PFML lose less than each baseline from none to 40 % wrong labels, along a line?",
    "above-baselines-noise-20-tuned_under_noise": "With values chosen under noise, is PFML above each baseline at 20 %?",
    "above-baselines-noise-40-tuned_under_noise": "With values chosen under noise, is PFML above each baseline at 40 %?",
    "robustness-20-tuned_under_noise": "With values chosen under noise, does PFML lose less than each baseline to 20 %?",
    "robustness-slope-tuned_under_noise": "With values chosen under noise, does PFML lose less to 40 %, along a line?",
    "ablation-alpha": "Does R@1 rise with the decay alpha and then stay level?",
    "ablation-delta": "Is R@1 the same over a wide range of delta?",
    "ablation-proxies": "Does R@1 rise with the number of proxies and then stay level?",
    "ablation-repulsion_margin": "Does R@1 fall with every step of the repulsion margin?",
    "interaction-alpha": "Does noise take less from PFML with every step of the decay alpha?",
    "interaction-delta": "Does noise take more from PFML with every step of delta?",
    "interaction-repulsion_margin": "Does noise take more from PFML with every step of the repulsion margin?",
    "control-protection": "Does noise take less from PFML than from its energy without decay?",
    "control-retrieval": "Does PFML retrieve better than its energy without decay?",
    "two-radii": "Does PFML retrieve better where a search chooses its radius of repulsion, too?",
    "decay-of-influence": "With their defaults, do far positives pull less under PFML than under each baseline?",
    "corollary-1": "Do PFML's proxies lie closer to the embeddings of their class than those of other losses?",
    "proposition-1": "Does the trained field have a minimum near each embedding?",
    "smooth_ap-above-noise-20": "Does Smooth-AP retrieve better than PFML and four baselines with 20 % wrong labels?",
    "smooth_ap-above-noise-40": "Does Smooth-AP retrieve better than PFML and four baselines with 40 % wrong labels?",
    "smooth_ap-above-noise-40-tuned_under_noise": "With values chosen under noise, is Smooth-AP above all five at 40 %?",
    "prism-above-noise-20": "Does PRISM retrieve better than PFML and four baselines with 20 % wrong labels?",
    "prism-above-noise-40": "Does PRISM retrieve better than PFML and four baselines with 40 % wrong labels?",
    "prism-above-noise-40-tuned_under_noise": "With values chosen under noise, is PRISM above all five at 40 %?",
    "prism-base-clean": "Does PRISM do as well as its base loss, cross-batch memory, with clean labels?",
    "prism-base-noise-40": "Does PRISM retrieve better than its base loss with 40 % wrong labels?",
    "prism-base-noise-40-tuned_under_noise": "With values chosen under noise, is PRISM above its base loss at 40 %?",
    "reported": "Are the numbers of the paper's tables reproduced?",
}
"""What a family asks. The longest key that begins a family's name counts; a family without one is shown by its name."""

ReportJson = Mapping[str, Any]
ClaimJson = Mapping[str, Any]


def regime_name(regime: str | None) -> str:
    """How a claim's regime is shown. Some claims are about the loss itself and need no training."""
    return "without training" if regime is None else f"regime {regime}"


SPEAKERS = {"paper": "what the paper says", "suite": "what the suite has carried on"}
"""Who makes a claim, in words."""


@dataclass(frozen=True)
class Family:
    """The claims of one speaker in one regime that ask the same question.

    Attributes:
        said_by: who makes the claims, the paper or the suite.
        regime: what learns; None where nothing is trained.
        question: what they ask, in words.
        claims: number of claims.
        results: number of verdicts on single data sets.
        both: how many of these the other metric gives too, by verdict; empty where there is no other metric.
        fragile: number of results whose verdict changes under another look at the records.
    """

    said_by: str
    regime: str | None
    question: str
    claims: int
    results: Counter[str]
    both: Counter[str]
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


def said_by(claim: ClaimJson) -> str:
    """Who makes a claim."""
    return str(claim.get("said_by", "paper"))


def shown_verdict(entry: Mapping[str, Any], regime: str | None) -> str:
    """The verdict in words, of a claim or of a result."""
    return str(entry.get("shown") or verdict_word(entry["verdict"], regime))


def families(report: ReportJson) -> list[Family]:
    """Families by speaker and regime; within one those that were run first, in the order of ``QUESTIONS``, then others."""
    groups: dict[tuple[str, str | None, str], list[ClaimJson]] = {}
    for claim in report["claims"]:
        groups.setdefault((said_by(claim), claim["regime"], question_of(claim["family"])), []).append(claim)
    found = [_family(*place, claims) for place, claims in groups.items()]
    speakers, regimes, order = [*SPEAKERS], [*REGIMES, None], [*QUESTIONS.values()]
    return sorted(
        found,
        key=lambda family: (
            speakers.index(family.said_by),
            regimes.index(family.regime),
            not family.was_run,
            order.index(family.question) if family.question in order else len(order),
        ),
    )


def _family(speaker: str, regime: str | None, question: str, claims: Sequence[ClaimJson]) -> Family:
    lines = [line for claim in claims for line in claim["lines"] if line["counts"]]
    return Family(
        speaker,
        regime,
        question,
        len(claims),
        Counter(line["verdict"] for line in lines),
        Counter(line["verdict"] for line in lines if _also_by_other(line)),
        len(fragile(lines)),
    )


def _also_by_other(line: Mapping[str, Any]) -> bool:
    other = line.get("other_metric")
    return other is not None and other["verdict"] == line["verdict"]


def fragile(lines: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Results whose verdict changes under another look at the records."""
    return [line for line in lines if line.get("flips")]


def result_counts(family: Family, *, waiting: bool = True) -> str:
    """Results of a family by verdict, with those not run if asked; of what is shown, how much MAP@R shows, too."""
    told = []
    for verdict in Verdict:
        number = family.results[verdict]
        if number and (waiting or verdict != Verdict.NOT_RUN):
            shows = verdict in {Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.EQUIVALENT}
            also = f" ({family.both[verdict]} by MAP@R too)" if shows and family.both else ""
            told.append(f"{number} {verdict_word(verdict, family.regime)}{also}")
    return ", ".join(told)


def totals(report: ReportJson) -> str:
    """How many claims and results there are, of whom, and how many of the results are fragile."""
    claims = report["claims"]
    run = [claim for claim in claims if was_run(claim)]
    by = Counter(map(said_by, claims))
    counts = Counter[str]()
    lines = []
    for claim in run:
        for line in claim["lines"]:
            if line["counts"] and line["verdict"] != Verdict.NOT_RUN:
                counts[verdict_word(line["verdict"], claim["regime"])] += 1
                lines.append(line)
    told = ", ".join(
        f"{number} {word}" for word, number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )
    flipped = fragile(lines)
    metrics = sum(SWAPPED_METRIC in line["flips"] for line in flipped)
    return (
        f"{len(claims)} claims, {by['paper']} of the paper and {by['suite']} of the suite's own: {len(run)} were judged, "
        f"{_waiting_counts(claims)}. {len(lines)} results, one for each data set and point of a study: {told or 'none'}. "
        f"{len(flipped)} of the {len(lines)} are fragile: another look at the same records gives another verdict, "
        f"in {metrics} of them MAP@R in place of R@1."
    )


def _waiting_counts(claims: Sequence[ClaimJson]) -> str:
    waiting = [claim for claim in claims if not was_run(claim)]
    reasons = Counter(claim.get("out_of_reach") for claim in waiting)
    able = reasons.pop(None, 0)
    why = "; ".join(f"{number} {reason}" for reason, number in reasons.items())
    return f"{able} not run, {reasons.total()} {OUT_OF_REACH}" + (f" ({why})" if why else "")


def family_table(report: ReportJson) -> str:
    """Markdown tables, the paper's claims and the suite's own apart: a row a family that was run; then what was not."""
    parts = []
    for speaker, words in SPEAKERS.items():
        rows = [
            (
                family.question,
                regime_name(family.regime),
                str(family.claims),
                result_counts(family),
                str(family.fragile),
            )
            for family in families(report)
            if family.was_run and family.said_by == speaker
        ]
        if rows:
            heads = ("question", "judged", "claims", "results, a claim on a data set each", "fragile")
            parts.append(f"{words.capitalize()}:\n\n{markdown_table(heads, rows)}")
    waiting = " ".join(_not_run(report))
    return "\n".join([*parts, *([f"{waiting}\n"] if waiting else [])])


def _not_run(report: ReportJson) -> list[str]:
    """What was not run, and what nobody can run here, by regime: a sentence each."""
    told = []
    for reach in (False, True):
        waiting: dict[str | None, list[ClaimJson]] = {regime: [] for regime in (*REGIMES, None)}
        for claim in report["claims"]:
            if not was_run(claim) and bool(claim.get("out_of_reach")) == reach:
                waiting.setdefault(claim["regime"], []).append(claim)
        lines = [
            f"{len(claims)} {'claim' if len(claims) == 1 else 'claims'} ({regime_name(regime)}){_why(claims)}"
            for regime, claims in waiting.items()
            if claims
        ]
        if lines:
            told.append(f"{OUT_OF_REACH.capitalize() if reach else 'Not run'}: {'; '.join(lines)}.")
    return told


def _why(claims: Sequence[ClaimJson]) -> str:
    """The commonest reason, with how many others there are, and how many results do not wait as no setting plans them."""
    if any(claim.get("out_of_reach") for claim in claims):
        reasons = Counter(claim["out_of_reach"] for claim in claims)
        return ", " + "; ".join(f"{number} {reason}" for reason, number in reasons.items())
    lines = [line for claim in claims for line in claim["lines"]]
    planned = [line for line in lines if line.get("planned", True)]
    reasons = Counter(line["remarks"][0] for line in planned if line.get("remarks"))
    others = len(reasons) - 1
    more = f", and {others} more {'reason' if others == 1 else 'reasons'}" if others else ""
    why = f", because: {reasons.most_common(1)[0][0]}{more}" if reasons else ""
    beyond = len(lines) - len(planned)
    return why + (
        f"; {beyond} of their {counted_noun(len(lines), 'result')} are planned by no setting" if beyond else ""
    )


def claims_summary(report: ReportJson) -> list[str]:
    """The same as lines for the terminal: a heading for each speaker and regime, a line a family, what was not run."""
    shown = [family for family in families(report) if family.was_run]
    width = max((len(family.question) for family in shown), default=0)
    lines = []
    for speaker, regime in dict.fromkeys((family.said_by, family.regime) for family in shown):
        learns = "" if regime is None else f" {REGIMES[regime]}"
        whose = "Claims" if speaker == "paper" else "The suite's own claims"
        lines.append(f"{whose}, {regime_name(regime)}.{learns}")
        lines += [
            f"  {family.question:<{width}}  {result_counts(family, waiting=False)}"
            for family in shown
            if (family.said_by, family.regime) == (speaker, regime)
        ]
    return [*lines, *_not_run(report)]
