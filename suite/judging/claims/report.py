"""The report: claims with their results as plain values, for ``results/claims.json`` and all that is rendered from it."""

import math
from collections.abc import Collection, Sequence
from typing import Any, get_args

from suite.judging.claims.evidence import Verdict
from suite.judging.claims.freeze import Frozen
from suite.judging.claims.judge import Judged, overall
from suite.judging.claims.load import ClaimFile, claims_hash
from suite.judging.claims.measured import SWAPPED
from suite.judging.claims.plan import UNITS, FamilyPlan, plan_families
from suite.judging.claims.planned import lacking
from suite.judging.claims.schema import (
    Claim,
    ClaimOnAblation,
    ClaimOnRecords,
    ClaimOnRuns,
    Closeness,
    InfluenceDecay,
    Minima,
    Reproduction,
    Robustness,
)
from suite.judging.claims.sensitivity import Sensitivity
from suite.judging.claims.words import OUT_OF_REACH, by_metrics, counted, out_of_reach, verdict_word
from suite.judging.statistics.estimates import LEVEL, t_interval
from suite.settings.params import Settings, TuningTrack

_DIGITS = 6


def unit_of(claim: Claim) -> str:
    """Unit of a claim's effect."""
    if isinstance(claim, Closeness):
        return "class sd" if claim.estimand.endswith("relative") else "chord"
    return "share" if isinstance(claim, Minima | InfluenceDecay) else "points"


def report(
    files: Sequence[ClaimFile],
    judged: Sequence[Judged],
    sensitivities: Sequence[Sensitivity],
    counts: dict[str, int],
    present: Collection[str] = (),
    frozen: Frozen | None = None,
    changes: Sequence[str] = (),
    settings: Settings | None = None,
    left_out: Sequence[str] = (),
) -> dict[str, Any]:
    """Everything that was concluded, and from what.

    Args:
        files: the claims.
        judged: their results.
        sensitivities: an entry for each result.
        counts: records that were read, by kind.
        present: data sets that there are records of.
        frozen: what was preregistered before the runs, if anything was.
        changes: what is other than it was preregistered, besides the claims.
        settings: of the regime, which say what is planned; without them all is.
        left_out: a line on the records of each study and data set that were not judged.
    """
    claims = []
    for file in files:
        mine = [
            (one, other) for one, other in zip(judged, sensitivities, strict=True) if one.result.claim is file.claim
        ]
        claims.append(_claim(file, mine, present, settings) | {"standing": frozen and frozen.standing_of(file)})
    return {
        "claims_sha256": claims_hash(files),
        "level": LEVEL,
        "rows": counts,
        "left_out": list(left_out),
        "frozen": frozen and _preregistered(frozen, changes),
        "plan": as_json(plan_families([file.claim for file in files], judged, settings)),
        "claims": claims,
    }


def _preregistered(frozen: Frozen, changes: Sequence[str]) -> dict[str, Any]:
    """Dates and commits of preregistration, what was added later or put in the place of a design, and what is other now."""
    later = [
        each.model_dump(mode="json", include={"date", "commit", "anew"}) | {"claims": len(each.claims)}
        for each in frozen.later
    ]
    return frozen.model_dump(mode="json", include={"date", "commit"}) | {"later": later, "changes": list(changes)}


def as_json(plan: Sequence[FamilyPlan]) -> list[dict[str, Any]]:
    """A plan as plain values."""
    return [
        {
            "family": each.family,
            "tests": each.tests,
            "smallest": each.smallest,
            "shows": each.shows,
            "units": list(UNITS),
            "detectable": [_number(value) for value in each.detectable],
            "tolerable": [_number(value) for value in each.tolerable],
            "scatter": None if each.scatter is None else _number(each.scatter),
        }
        for each in plan
    ]


def _claim(
    file: ClaimFile, results: Sequence[tuple[Judged, Sensitivity]], present: Collection[str], settings: Settings | None
) -> dict[str, Any]:
    claim = file.claim
    regime = claim.regime if isinstance(claim, ClaimOnRecords) else None
    verdicts = [one.verdict for one, _ in results if one.result.counts]
    verdict, reach = overall(verdicts), None
    if set(verdicts) == {Verdict.NOT_RUN}:
        reach = out_of_reach(claim, present)
    places = [one.result.dataset for one, _ in results if one.result.counts]
    noun = "data sets" if len(set(places)) == len(places) else "results"  # models of one data set at several deltas
    if isinstance(claim, Reproduction):
        noun = "metrics"
    named = {name for one, other in results if one.result.counts for name in other.flips}
    flips = {}
    for name in sorted(named):
        found = overall([other.others.get(name, one.verdict) for one, other in results if one.result.counts])
        if found not in {verdict, Verdict.NOT_RUN}:
            flips[name] = found
    return {
        "id": claim.id,
        "kind": claim.kind,
        "subject": getattr(getattr(claim, "contrast", None), "subject", None),
        "regime": regime,
        "statement": claim.statement,
        "said_by": claim.said_by,
        "source": claim.source.model_dump(),
        "file": file.path.as_posix(),
        "sha256": file.sha256,
        "family": claim.family,
        "smallest_effect": claim.smallest_effect.value,
        "unit": unit_of(claim),
        "verdict": verdict,
        "shown": OUT_OF_REACH if reach else counted(verdicts, regime, noun),
        "out_of_reach": reach,
        "flips": flips,
        "lines": [_line(one, other, regime, settings) for one, other in results],
    }


def _line(one: Judged, other: Sensitivity, regime: str | None, settings: Settings | None) -> dict[str, Any]:
    result, evidence = one.result, one.result.evidence
    remarks = [*evidence.remarks, *_on_track(result.claim)] if evidence is not None else []
    claim, second = result.claim, other.swapped
    metric = claim.estimand if isinstance(claim, ClaimOnRuns | ClaimOnAblation) else None
    lacks = lacking(claim, result.dataset, settings) if settings and one.verdict == Verdict.NOT_RUN else None
    reason = f"planned by no setting: {lacks}" if lacks else result.reason
    named = (SWAPPED[metric], str(second.verdict)) if metric in SWAPPED and second is not None else None
    return {
        "dataset": result.dataset,
        "part": result.part,
        "counts": result.counts,
        "planned": lacks is None,
        "verdict": one.verdict,
        "shown": by_metrics(one.verdict, metric, named, regime),
        **_effect(one),
        "beyond_smallest": _beyond(one),
        "metric": metric,
        "other_metric": None if named is None or second is None else _by_other(named[0], second),
        "gains_over_frozen": {name: _number(gain) for name, gain in result.gains.items()},
        "adjusted_p": {verdict.value: _number(p) for verdict, p in one.p.items()} if one.shown_p is not None else {},
        "family": result.family,
        "family_size": one.family_size,
        "detectable": None if one.detectable is None else _number(one.detectable),
        "premise_share": None if result.premise is None else _number(result.premise),
        "fresh_seeds": _on_fresh_seeds(other.fresh),
        "splits": {str(split): _number(effect) for split, effect in other.splits.items()},
        "remarks": [
            *([reason] if reason else []),
            *remarks,
            *_told_of_fresh(other.fresh),
            *_over_splits(one, other),
        ],
        "flips": dict(other.flips),
        "sensitivity": dict(other.others),
    }


def _on_track(claim: Claim) -> list[str]:
    """What is subtracted where values were chosen under noise: there are no runs without noise with these."""
    if not isinstance(claim, Robustness) or claim.track not in get_args(TuningTrack) or claim.track == "tuned":
        return []
    return ["runs without noise are those of track tuned: the effect holds the difference of the values, too"]


def _effect(one: Judged) -> dict[str, Any]:
    """Effect, interval, number of units, and p of the verdict."""
    evidence, p = one.result.evidence, one.shown_p
    numbers: dict[str, Any] = dict.fromkeys(("effect", "low", "high", "n"))
    if evidence is not None:
        numbers = {name: _number(getattr(evidence, name)) for name in ("effect", "low", "high")} | {"n": evidence.n}
    return numbers | {"p": None if p is None else _number(p)}


def _on_fresh_seeds(fresh: Judged | None) -> dict[str, Any] | None:
    """The result on fresh seeds."""
    if fresh is None or fresh.result.evidence is None:
        return None
    return {"verdict": fresh.verdict, **_effect(fresh), "beyond_smallest": _beyond(fresh)}


def _told_of_fresh(fresh: Judged | None) -> list[str]:
    evidence = fresh.result.evidence if fresh else None
    if fresh is None or evidence is None:
        return []
    interval = f"[{float(evidence.low):+.2f}, {float(evidence.high):+.2f}]"
    word = verdict_word(fresh.verdict, getattr(fresh.result.claim, "regime", None))
    return [f"on fresh seeds alone: {word}, {float(evidence.effect):+.2f} {interval}, n {evidence.n}"]


def _over_splits(one: Judged, other: Sensitivity) -> list[str]:
    """Whether the effect holds over further splits of the classes: each effect, and how many have its sign."""
    evidence = one.result.evidence
    if evidence is None or not other.splits:
        return []
    effects = ", ".join(f"{effect:+.2f}" for effect in other.splits.values())
    same = sum(effect * float(evidence.effect) > 0 for effect in other.splits.values())
    told = f"under further splits of the classes {effects}: the same sign in {same} of {len(other.splits)}"
    over = t_interval([*other.splits.values()])
    if math.isnan(over.low):
        return [told]
    return [f"{told}; their mean {over.mean:+.2f} [{over.low:+.2f}, {over.high:+.2f}]"]


def _beyond(one: Judged) -> dict[str, Any] | None:
    """The minimum-effect test of a verdict that has one."""
    return None if one.beyond is None else {"p": _number(one.beyond), "shown": one.beyond <= LEVEL}


def _by_other(metric: str, second: Judged) -> dict[str, Any]:
    """The result by the other metric."""
    return {"metric": metric, "verdict": second.verdict, **_effect(second), "beyond_smallest": _beyond(second)}


def _number(value: Any) -> float | None:
    return None if math.isnan(float(value)) else round(float(value), _DIGITS)
