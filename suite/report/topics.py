"""What claims of a regime say together: counts by subject; a sentence a topic, then what weakens them all."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from suite.errors import counted_noun
from suite.judging.claims.evidence import Verdict
from suite.judging.claims.words import verdict_word
from suite.judging.leaderboard.verdicts import METHOD
from suite.judging.statistics.estimates import t_interval
from suite.report.families import SPEAKERS, ClaimJson, ReportJson, fragile, said_by, was_run

_DEFINITE = {Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.EQUIVALENT}
_OF_PAIRS = {"superiority", "robustness", "equivalence"}
"""Kinds of claims that compare two losses."""
_SUBJECTS = "PFML against other losses", "other losses", "parameters, proxies and minima of PFML"
_BY = {"paper": "the paper", "suite": "the suite"}

TOPICS: tuple[Mapping[str, tuple[str, ...]], ...] = (
    {
        "PFML retrieves better than each baseline": ("above-baselines",),
        "wrong labels take less from it than from each baseline": ("robustness",),
        "with values chosen under label noise PFML retrieves better than each baseline": (
            "above-baselines-noise-20-tuned_under_noise",
            "above-baselines-noise-40-tuned_under_noise",
        ),
        "wrong labels then take less from it than from each baseline, counted from the values on true labels": (
            "robustness-20-tuned_under_noise",
            "robustness-slope-tuned_under_noise",
        ),
    },
    {
        "R@1 follows alpha, delta, the number of proxies and the repulsion margin as is claimed": ("ablation",),
        "wrong labels take less from it at a larger alpha, smaller delta or smaller repulsion margin, its rates and the "
        "bound of its repulsion searched anew on true labels": ("interaction",),
        "it is better than its own energy without decay, and loses less to wrong labels": ("control",),
        "it is better where a search chooses its radius of repulsion, too": ("two-radii",),
    },
    {
        "its proxies lie closer to their class than those of other losses": ("corollary-1",),
        "the trained field has a minimum near each embedding that meets the condition for it": ("proposition-1",),
    },
    {
        "Smooth-AP retrieves better under wrong labels than PFML and four baselines": ("smooth_ap-above",),
        "PRISM retrieves better under wrong labels than these": ("prism-above",),
        "PRISM does as well as its base loss, cross-batch memory, without wrong labels": ("prism-base-clean",),
        "it retrieves better than that with 40 % wrong labels": ("prism-base-noise",),
    },
)
"""A sentence each: what claims say, and how the names of their families begin; the longest beginning counts."""
_OTHERS = "Other claims"


def found_of_claims(claims: ReportJson, regime: str) -> tuple[str, ...]:
    """How claims of a regime were judged: a sentence for each of ``TOPICS`` with claims, one for others, one on all.

    Claims that need no training are of no regime, and are not counted. Nothing is said of a topic where none was run; the
    last sentence counts what was not. What cannot be run here is counted with the first regime that was run.
    """
    mine = [claim for claim in claims["claims"] if claim["regime"] == regime]
    if not any(map(was_run, mine)):
        return ()
    by_topic: dict[str, list[ClaimJson]] = {}
    for claim in mine:
        by_topic.setdefault(_topic(str(claim["family"])), []).append(claim)
    told = [
        [f"that {says}: {counts}" for says in topic if (counts := _judged(by_topic.get(says, []), regime))]
        for topic in TOPICS
    ]
    sentences = [f"T{text[1:]}." for clauses in told if (text := "; ".join(clauses))]
    if others := _judged(by_topic.get(_OTHERS, []), regime):
        sentences.append(f"{_OTHERS}: {others}.")
    first = next(claim["regime"] for claim in claims["claims"] if claim["regime"] is not None and was_run(claim))
    return (*sentences, _weakened(mine, claims["claims"] if regime == first else ()))


def counts_by_subject(claims: ReportJson, regime: str) -> dict[str, str]:
    """How many results of a regime had which verdict, by who says it and of what; none where none was run.

    PFML against other losses, other losses against each other, and what is said of parameters, proxies and minima stand
    apart: a theorem that holds says nothing about retrieval.
    """
    mine = [claim for claim in claims["claims"] if claim["regime"] == regime]
    if not any(map(was_run, mine)):
        return {}
    found: dict[str, Counter[Verdict]] = {}
    for speaker, subject in product(SPEAKERS, _SUBJECTS):
        verdicts = [
            line["verdict"]
            for claim in mine
            if said_by(claim) == speaker
            if _subject(claim) == subject
            for line in _results([claim])
        ]
        if verdicts:
            found[f"{_BY[speaker]}: {subject}"] = Counter(verdicts)
    always = (Verdict.SUPPORTED, Verdict.CONTRADICTED)
    return {
        name: ", ".join(f"{counts[each]} {_words(each)}" for each in Verdict if counts[each] or each in always)
        for name, counts in found.items()
    }


def _subject(claim: ClaimJson) -> str:
    """What a claim is of, by ``_SUBJECTS``."""
    of_pfml, of_others, rest = _SUBJECTS
    if claim.get("kind") not in _OF_PAIRS:
        return rest
    return of_pfml if claim.get("subject", METHOD) == METHOD else of_others


def _words(verdict: Verdict) -> str:
    return "not found" if verdict == Verdict.CONTRADICTED else str(verdict)


def _topic(family: str) -> str:
    """What claims of a family say, by ``TOPICS``."""
    begins = {name: says for topic in TOPICS for says, families in topic.items() for name in families}
    return begins.get(max((name for name in begins if family.startswith(name)), key=len, default=""), _OTHERS)


def _judged(claims: Sequence[ClaimJson], regime: str) -> str:
    """Results by verdict, of what the paper says and of what the suite has carried on apart.

    Args:
        claims: those to count.
        regime: what learns.
    """
    told = []
    if not any(map(was_run, claims)):
        return ""
    for speaker, words in SPEAKERS.items():
        mine = [claim for claim in claims if said_by(claim) == speaker]
        lines = _results(mine)
        if lines:
            pairs = _results(claim for claim in mine if claim.get("kind") in _OF_PAIRS)
            results = Counter(line["verdict"] for line in lines)
            verdicts = ", ".join(
                f"{results[each]} {verdict_word(each, regime)}{_against(pairs, each)}"
                for each in Verdict
                if results[each]
            )
            told.append(f"{verdicts} (on {words})")
    return " and ".join(told)


def _against(lines: Sequence[Mapping[str, Any]], verdict: Verdict) -> str:
    """Against which losses, and on which data sets, a difference between two losses was shown."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if line["verdict"] == verdict and verdict in {Verdict.SUPPORTED, Verdict.CONTRADICTED}:
            _, *references = line.get("gains_over_frozen") or [""]
            for loss in references:
                found.setdefault(loss, []).append(str(line["dataset"]))
    told = "; ".join(f"{loss} on {', '.join(dict.fromkeys(names))}" for loss, names in found.items())
    return f" (against {told})" if told else ""


def _weakened(claims: Sequence[ClaimJson], every: Sequence[ClaimJson]) -> str:
    """What weakens the verdicts: other looks, fresh seeds, further class splits, power, what is not or cannot be run.

    A result is definite if it is neither inconclusive nor without the premise of its theorem.
    """
    every_line = _results(claims)
    lines = [line for line in every_line if line["verdict"] != Verdict.NOT_RUN]
    definite = [line for line in lines if line["verdict"] in _DEFINITE]
    undecided = [line for line in lines if line["verdict"] == Verdict.INCONCLUSIVE]
    tried = any(line.get("splits") for line in lines)
    looks = [_other_looks(definite, undecided), _fresh_seeds(definite, undecided), _other_splits(definite)]
    told = [
        f"Of {counted_noun(len(lines), 'result')} run {len(definite)} are definite, {len(undecided)} inconclusive"
        + _blind(claims),
        ", ".join(filter(None, looks)),
        *([] if tried else ["further class splits not tried"]),
    ]
    if missing := len(every_line) - len(lines):
        unplanned = sum(not line.get("planned", True) for line in every_line)
        told.append(f"not run: {missing}" + (f" ({unplanned} planned by no setting)" if unplanned else ""))
    if beyond := sum(bool(claim.get("out_of_reach")) for claim in every):
        told.append(f"out of reach: {counted_noun(beyond, 'claim')}")
    return f"{'; '.join(told)}."


def _other_looks(definite: Sequence[Mapping[str, Any]], undecided: Sequence[Mapping[str, Any]]) -> str:
    """In both directions; where all that other looks make of definite results is "inconclusive", that is said."""
    changed = fragile(definite)
    open_ = {verdict for line in changed for verdict in line["flips"].values()} == {Verdict.INCONCLUSIVE}
    settled = sum(not _DEFINITE.isdisjoint((line.get("flips") or {}).values()) for line in undecided)
    told, turn = ("turn inconclusive", "") if open_ else ("change", "turn ")
    return f"by another look {len(changed)} {told}, {settled} {turn}definite"


def _fresh_seeds(definite: Sequence[Mapping[str, Any]], undecided: Sequence[Mapping[str, Any]]) -> str:
    """In both directions; empty where there are none."""
    anew = [line["fresh_seeds"]["verdict"] != line["verdict"] for line in definite if line.get("fresh_seeds")]
    late = [line["fresh_seeds"]["verdict"] in _DEFINITE for line in undecided if line.get("fresh_seeds")]
    told = [f"change {sum(anew)} of {len(anew)}"] if anew else []
    told += [f"settle {sum(late)} of {len(late)}"] if late else []
    return f"fresh seeds {', '.join(told)}" if told else ""


def _other_splits(definite: Sequence[Mapping[str, Any]]) -> str:
    """Of differences that were shown: how many have another sign on a further split, and how many those show alone.

    Further splits show a difference alone where the interval of their mean lies on the same side of 0.
    """
    lines = [line for line in definite if line["verdict"] != Verdict.EQUIVALENT and line.get("splits")]
    turned = shown = 0
    for line in lines:
        further = [math.copysign(1, line["effect"]) * float(each) for each in line["splits"].values()]
        turned += min(further) <= 0
        shown += t_interval(further).low > 0
    told = f"further class splits turn the sign of {turned} of {len(lines)}, alone show {shown}"
    return told if lines else ""


def _blind(claims: Sequence[ClaimJson]) -> str:
    """How many inconclusive results could not have shown much; empty where that is not known."""
    open_ = [(line, claim) for claim in claims for line in _results([claim]) if line["verdict"] == Verdict.INCONCLUSIVE]
    blind = [line["detectable"] > 2 * claim["smallest_effect"] for line, claim in open_ if line.get("detectable")]
    told = f" ({sum(blind)} of {len(blind)} could not show twice the smallest effect of interest)"
    return told if blind else ""


def _results(claims: Iterable[ClaimJson]) -> list[Mapping[str, Any]]:
    """Results that count, of data sets each."""
    return [line for claim in claims for line in claim["lines"] if line["counts"]]
