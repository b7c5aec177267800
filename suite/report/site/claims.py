"""The page of claims, from ``results/claims.json``: verdicts, forest plots, and every number in tables."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from suite.errors import SuiteError
from suite.report.site.charts.forest import VERDICTS, forest_chart
from suite.report.site.charts.theme import Spec
from suite.report.site.names import slug
from suite.report.site.render import Pages

BADGES = {
    "supported": ("held", "✓"),
    "contradicted": ("failed", "✗"),
    "equivalent": ("open", "≈"),
    "inconclusive": ("open", "?"),
    "premise not met": ("open", "○"),
    "not run": ("open", "–"),
}
"""Style and mark of each verdict."""
NOT_RUN = "not run"

Claim = Mapping[str, Any]


def summary(report: Any) -> list[dict[str, Any]]:
    """Badges with the number of claims of each verdict."""
    counts = Counter(claim["verdict"] for claim in _claims(report))
    return [badge(verdict) | {"count": counts[verdict]} for verdict in BADGES if counts[verdict]]


def badge(verdict: str) -> dict[str, Any]:
    """How a verdict is shown; one that is not known looks open."""
    kind, mark = BADGES.get(verdict, ("open", "?"))
    return {"kind": kind, "mark": mark, "text": verdict}


def write_claims(pages: Pages, report: Any) -> None:
    """Write ``claims.html``.

    Raises:
        SuiteError: the report is not one that ``suite claims`` writes.
    """
    try:
        values = _page(report)
    except (KeyError, TypeError) as error:
        raise SuiteError(f"results/claims.json lacks {error}; make it anew: suite claims") from error
    pages.write("claims.html", "claims", "Claims", **values)


def _claims(report: Any) -> list[Claim]:
    return [] if report is None else list(report["claims"])


def _page(report: Any) -> dict[str, Any]:
    claims = _claims(report)
    run = [claim for claim in claims if any(line["verdict"] != NOT_RUN for line in claim["lines"])]
    charts: dict[str, Spec] = {}
    families = [
        _family(name, [claim for claim in run if claim["family"] == name], charts)
        for name in dict.fromkeys(claim["family"] for claim in run)
    ]
    return {
        "known": report is not None,
        "digest": "" if report is None else report["claims_sha256"],
        "verdicts": summary(report),
        "families": families,
        "waiting": [_waiting(claim) for claim in claims if claim not in run],
        "legend": [(verdict, VERDICTS[verdict]) for verdict in VERDICTS],
        "charts": charts,
    }


def _waiting(claim: Claim) -> dict[str, str]:
    reasons = [remark for line in claim["lines"] for remark in line["remarks"]]
    return {"id": claim["id"], "statement": claim["statement"], "reason": reasons[0] if reasons else ""}


def _family(name: str, claims: list[Claim], charts: dict[str, Spec]) -> dict[str, Any]:
    """A family's claims, a forest plot for each unit, and a table of all lines."""
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
                (key, f"{name}: effects in {unit} with 95 % intervals; grey up to the smallest effect of interest.")
            )
    shown = [
        {
            "id": claim["id"],
            "statement": claim["statement"],
            "source": ", ".join(claim["source"].values()),
            "smallest": f"{claim['smallest_effect']:g} {claim['unit']}",
            "badge": badge(claim["verdict"]),
            "flips": list(claim["flips"]),
        }
        for claim in claims
    ]
    rows = [_row(claim, line) for claim in claims for line in claim["lines"]]
    return {"name": name, "slug": slug(name), "claims": shown, "forests": forests, "rows": rows}


def _point(claim: Claim, line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": f"{claim['id']}: {_place(line)}",
        "effect": line["effect"],
        "low": line["low"],
        "high": line["high"],
        "verdict": line["verdict"],
        "smallest": claim["smallest_effect"],
        "least": -claim["smallest_effect"],
        "shown": _effect(claim, line),
    }


def _row(claim: Claim, line: Mapping[str, Any]) -> dict[str, Any]:
    remarks = list(line["remarks"])
    if line["detectable"] is not None:
        remarks.append(f"could have shown {line['detectable']:.2g} {claim['unit']}")
    if line["premise_share"] is not None:
        remarks.append(f"premise met by {line['premise_share']:.0%}")
    if not line["counts"]:
        remarks.append("does not count for the claim")
    if line["flips"]:
        remarks.append("another verdict under: " + ", ".join(line["flips"]))
    return {
        "id": claim["id"],
        "place": _place(line),
        "badge": badge(line["verdict"]),
        "effect": _effect(claim, line),
        "n": "–" if line["n"] is None else str(line["n"]),
        "p": "–" if line["p"] is None else _p(line["p"]),
        "remarks": "; ".join(remarks),
    }


def _place(line: Mapping[str, Any]) -> str:
    return ", ".join(part for part in (line["dataset"], line["part"]) if part) or "all"


def _effect(claim: Claim, line: Mapping[str, Any]) -> str:
    if line["effect"] is None:
        return "–"
    digits = 2 if claim["unit"] == "points" else 3
    text = f"{line['effect']:+.{digits}f}"
    return text if line["low"] is None else f"{text} [{line['low']:+.{digits}f}, {line['high']:+.{digits}f}]"


def _p(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"
