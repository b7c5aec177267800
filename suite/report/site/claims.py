"""The page of claims, from ``results/claims.json``: a summary by family, verdicts, forest plots, all numbers."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from suite.errors import SuiteError
from suite.judging.claims.evidence import Verdict
from suite.judging.claims.judge import everywhere
from suite.report.families import ClaimJson, families, question_of, regime_name, verdict_counts, was_run
from suite.report.site.charts import VERDICTS, Spec, forest_chart
from suite.report.site.pages import Pages, slug
from suite.report.text import adjusted_p_text, effect_text, place_of, remarks_of
from suite.settings.paths import CLAIMS_FILE

BADGES = {
    Verdict.SUPPORTED: ("held", "✓"),
    Verdict.CONTRADICTED: ("failed", "✗"),
    Verdict.EQUIVALENT: ("open", "≈"),
    Verdict.INCONCLUSIVE: ("open", "?"),
    Verdict.PREMISE_NOT_MET: ("open", "○"),
    Verdict.NOT_RUN: ("open", "–"),
}
"""Style and mark of each verdict."""


def verdict_badges(report: Any) -> list[dict[str, Any]]:
    """Badges with the number of claims of each verdict."""
    counts = Counter(claim["verdict"] for claim in _claims(report))
    return [badge(verdict) | {"count": counts[verdict]} for verdict in BADGES if counts[verdict]]


def verdict_badges_on(report: Any, datasets: Collection[str]) -> list[dict[str, Any]]:
    """Badges of the claims that were judged on these data sets, each with its verdict on them alone."""
    counts = Counter[str]()
    for claim in _claims(report):
        lines = [line for line in claim["lines"] if line["dataset"] in datasets and line["counts"]]
        judged = [Verdict(line["verdict"]) for line in lines if line["verdict"] != Verdict.NOT_RUN]
        if judged:
            counts[everywhere(judged)] += 1
    return [badge(verdict) | {"count": counts[verdict]} for verdict in BADGES if counts[verdict]]


def badge(verdict: str) -> dict[str, Any]:
    """How a verdict is shown."""
    kind, mark = BADGES[Verdict(verdict)]
    return {"kind": kind, "mark": mark, "text": str(verdict)}


def write_claims_page(pages: Pages, report: Any) -> None:
    """Write ``claims.html``.

    Raises:
        SuiteError: the report is not one that ``suite claims`` writes.
    """
    try:
        values = _page(report)
    except (KeyError, TypeError, ValueError) as error:
        raise SuiteError(f"{CLAIMS_FILE} lacks {error}; make it anew: suite claims") from error
    pages.write("claims.html", "claims", "Claims", **values)


def _claims(report: Any) -> list[ClaimJson]:
    return [] if report is None else list(report["claims"])


def _page(report: Any) -> dict[str, Any]:
    claims = _claims(report)
    run = [claim for claim in claims if was_run(claim)]
    charts: dict[str, Spec] = {}
    shown = [
        _family(name, [claim for claim in run if claim["family"] == name], charts)
        for name in dict.fromkeys(claim["family"] for claim in run)
    ]
    return {
        "known": report is not None,
        "digest": "" if report is None else report["claims_sha256"],
        "verdicts": verdict_badges(report),
        "summary": [] if report is None else _summary(report),
        "families": shown,
        "waiting": [_waiting(claim) for claim in claims if claim not in run],
        "legend": list(VERDICTS.items()),
        "charts": charts,
    }


def _summary(report: Any) -> list[list[str]]:
    """Cells of a row for each family that was run."""
    return [
        [family.question, regime_name(family.regime), verdict_counts(family.claims), verdict_counts(family.results)]
        for family in families(report)
        if family.was_run
    ]


def _waiting(claim: ClaimJson) -> dict[str, str]:
    reasons = [remark for line in claim["lines"] for remark in line["remarks"]]
    return {"id": claim["id"], "statement": claim["statement"], "reason": reasons[0] if reasons else ""}


def _family(name: str, claims: list[ClaimJson], charts: dict[str, Spec]) -> dict[str, Any]:
    """A family's claims, a forest plot for each unit, and a table of all results."""
    forests = []
    for unit in dict.fromkeys(claim["unit"] for claim in claims):
        points = [
            _point(claim, line)
            for claim in claims
            if claim["unit"] == unit
            for line in claim["lines"]
            if line["effect"] is not None
        ]
        if points:
            key = f"forest-{slug(name)}-{slug(unit)}"
            charts[key] = forest_chart(points, unit, name)
            forests.append(
                (key, f"Effects in {unit} with 95 % intervals. Effects in the grey band are too small to matter.")
            )
    shown = [
        {
            "id": claim["id"],
            "statement": claim["statement"],
            "regime": regime_name(claim["regime"]),
            "source": ", ".join(claim["source"].values()),
            "smallest": f"{claim['smallest_effect']:g} {claim['unit']}",
            "badge": badge(claim["verdict"]),
            "flips": list(claim["flips"]),
        }
        for claim in claims
    ]
    rows = [_row(claim, line) for claim in claims for line in claim["lines"]]
    return {
        "name": name,
        "title": question_of(name),
        "slug": slug(name),
        "claims": shown,
        "forests": forests,
        "rows": rows,
    }


def _point(claim: ClaimJson, line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": f"{claim['id']}: {place_of(line) or 'all'}",
        "effect": line["effect"],
        "low": line["low"],
        "high": line["high"],
        "verdict": line["verdict"],
        "smallest": claim["smallest_effect"],
        "least": -claim["smallest_effect"],
        "shown": effect_text(line, claim["unit"]),
    }


def _row(claim: ClaimJson, line: Mapping[str, Any]) -> dict[str, Any]:
    remarks = remarks_of(line, claim["unit"])
    if not line["counts"]:
        remarks.append("does not count for the claim")
    if line["flips"]:
        remarks.append("another verdict under: " + ", ".join(line["flips"]))
    return {
        "id": claim["id"],
        "place": place_of(line) or "all",
        "badge": badge(line["verdict"]),
        "effect": effect_text(line, claim["unit"]),
        "n": "–" if line["n"] is None else str(line["n"]),
        "p": adjusted_p_text(line["p"]),
        "remarks": "; ".join(remarks),
    }
