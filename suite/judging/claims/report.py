"""The report: claims with their results as plain values, for ``results/claims.json`` and all that is rendered from it."""

import math
from collections.abc import Sequence
from typing import Any

from suite.judging.claims.evidence import Verdict
from suite.judging.claims.judge import Judged, everywhere
from suite.judging.claims.load import ClaimFile, claims_hash
from suite.judging.claims.schema import Claim, ClaimOnRecords, Closeness, InfluenceDecay, Minima
from suite.judging.claims.sensitivity import Sensitivity
from suite.judging.statistics.estimates import LEVEL

_DIGITS = 6


def unit_of(claim: Claim) -> str:
    """Unit of a claim's effect."""
    if isinstance(claim, Closeness):
        return "class sd" if claim.estimand.endswith("relative") else "chord"
    return "share" if isinstance(claim, Minima | InfluenceDecay) else "points"


def report(
    files: Sequence[ClaimFile], judged: Sequence[Judged], sensitivities: Sequence[Sensitivity], counts: dict[str, int]
) -> dict[str, Any]:
    """Everything that was concluded, and from what.

    Args:
        files: the claims.
        judged: their results.
        sensitivities: an entry for each result.
        counts: records that were read, by kind.
    """
    claims = []
    for file in files:
        mine = [
            (one, other) for one, other in zip(judged, sensitivities, strict=True) if one.result.claim is file.claim
        ]
        claims.append(_claim(file, mine))
    return {"claims_sha256": claims_hash(files), "level": LEVEL, "rows": counts, "claims": claims}


def _claim(file: ClaimFile, results: Sequence[tuple[Judged, Sensitivity]]) -> dict[str, Any]:
    claim = file.claim
    verdict = everywhere([one.verdict for one, _ in results if one.result.counts])
    named = {name for one, other in results if one.result.counts for name in other.flips}
    flips = {}
    for name in sorted(named):
        found = everywhere([other.others.get(name, one.verdict) for one, other in results if one.result.counts])
        if found not in {verdict, Verdict.NOT_RUN}:
            flips[name] = found
    return {
        "id": claim.id,
        "kind": claim.kind,
        "regime": claim.regime if isinstance(claim, ClaimOnRecords) else None,
        "statement": claim.statement,
        "source": claim.source.model_dump(),
        "file": file.path.as_posix(),
        "sha256": file.sha256,
        "family": claim.family,
        "smallest_effect": claim.smallest_effect.value,
        "unit": unit_of(claim),
        "verdict": verdict,
        "flips": flips,
        "lines": [_line(one, other) for one, other in results],
    }


def _line(one: Judged, other: Sensitivity) -> dict[str, Any]:
    result, evidence = one.result, one.result.evidence
    numbers: dict[str, Any] = dict.fromkeys(("effect", "low", "high", "n"))
    if evidence is not None:
        numbers = {name: _number(getattr(evidence, name)) for name in ("effect", "low", "high")} | {"n": evidence.n}
    remarks = list(evidence.remarks) if evidence is not None else []
    return {
        "dataset": result.dataset,
        "part": result.part,
        "counts": result.counts,
        "verdict": one.verdict,
        **numbers,
        "p": None if one.shown_p is None else _number(one.shown_p),
        "adjusted_p": {verdict.value: _number(p) for verdict, p in one.p.items()} if one.shown_p is not None else {},
        "family": result.family,
        "family_size": one.family_size,
        "detectable": None if one.detectable is None else _number(one.detectable),
        "premise_share": None if result.premise is None else _number(result.premise),
        "remarks": [*([result.reason] if result.reason else []), *remarks],
        "flips": dict(other.flips),
        "sensitivity": dict(other.others),
    }


def _number(value: Any) -> float | None:
    return None if math.isnan(float(value)) else round(float(value), _DIGITS)
