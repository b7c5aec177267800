"""Pages of claims, from files ``claims.json``: a summary by family, verdicts, forest plots, all numbers."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from suite.errors import SuiteError
from suite.judging.claims.evidence import Verdict
from suite.judging.claims.words import OUT_OF_REACH, verdict_word
from suite.report.families import (
    SPEAKERS,
    ClaimJson,
    families,
    question_of,
    regime_name,
    result_counts,
    said_by,
    shown_verdict,
    totals,
    was_run,
)
from suite.report.plans import PLAN_EXPLAINED, PLAN_HEADS, plan_rows, standing_sentence
from suite.report.site.charts import VERDICTS, Spec, forest_chart
from suite.report.site.pages import Pages, slug
from suite.report.text import (
    adjusted_p_text,
    beyond_text,
    effect_text,
    other_effect_text,
    place_of,
    remarks_of,
    source_text,
)
from suite.settings.paths import CLAIMS_FILE, RESULTS_FOLDER

FIRST_PAGE = "claims.html"
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
    """Badges with the number of results, a claim on a data set each, of each verdict."""
    return _counted((claim, line) for claim in _claims(report) for line in claim["lines"] if line["counts"])


def verdict_badges_on(report: Any, datasets: Collection[str]) -> list[dict[str, Any]]:
    """The same of the results that were judged on these data sets."""
    return _counted(
        (claim, line)
        for claim in _claims(report)
        for line in claim["lines"]
        if line["dataset"] in datasets and line["counts"] and line["verdict"] != Verdict.NOT_RUN
    )


def _counted(results: Iterable[tuple[ClaimJson, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    counts = Counter(
        (
            line["verdict"],
            OUT_OF_REACH if claim.get("out_of_reach") else verdict_word(line["verdict"], claim["regime"]),
        )
        for claim, line in results
    )
    return [
        badge(verdict, text) | {"count": counts[verdict, text]}
        for each in BADGES
        for verdict, text in sorted(counts)
        if verdict == each
    ]


def badge(verdict: str, text: str = "") -> dict[str, Any]:
    """How a verdict is shown, in its own word or in others."""
    kind, mark = BADGES[Verdict(verdict)]
    return {"kind": kind, "mark": mark, "text": text or str(verdict)}


def write_claims_pages(pages: Pages, reports: Mapping[str, Any]) -> None:
    """Write ``claims.html``, and ``claims-NAME.html`` for the report of another regime, whose claims are the same.

    Args:
        pages: where to write.
        reports: by the name of their folder below ``results/``; an empty name is that of ``dvc repro``.

    Raises:
        SuiteError: a report is not one that ``suite claims`` writes.
    """
    names = {"": FIRST_PAGE} | {name: f"claims-{name}.html" for name in reports if name}
    for name, page in names.items():
        try:
            values = _page(reports.get(name))
        except (KeyError, TypeError, ValueError) as error:
            raise SuiteError(
                f"{RESULTS_FOLDER / name / CLAIMS_FILE.name} lacks {error}; make it anew: suite claims"
            ) from error
        title = f"Claims, {name}" if name else "Claims"
        others = [
            (names[other], f"regime {other}" if other else "those of dvc repro") for other in names if other != name
        ]
        pages.write(page, "claims", title, FIRST_PAGE, others=others, **values)


def _claims(report: Any) -> list[ClaimJson]:
    return [] if report is None else list(report["claims"])


def _page(report: Any) -> dict[str, Any]:
    claims = _claims(report)
    run = [claim for claim in claims if was_run(claim)]
    charts: dict[str, Spec] = {}
    looks = _looks(run)
    shown = [
        _family(name, speaker, mine, charts, looks)
        for speaker in SPEAKERS
        for name in dict.fromkeys(claim["family"] for claim in run)
        if (mine := [claim for claim in run if claim["family"] == name and said_by(claim) == speaker])
    ]
    return {
        "known": report is not None,
        "totals": "" if report is None else totals(report),
        "standing": "" if report is None else standing_sentence(report).replace("`", ""),
        "plan_heads": PLAN_HEADS,
        "plan_explained": PLAN_EXPLAINED,
        "plan": [] if report is None else plan_rows(report.get("plan", [])),
        "digest": "" if report is None else report["claims_sha256"],
        "verdicts": verdict_badges(report),
        "summary": [] if report is None else _summary(report),
        "families": _told_apart(shown),
        "waiting": [_waiting(claim) for claim in claims if claim not in run],
        "legend": list(looks.items()),
        "charts": charts,
    }


def _summary(report: Any) -> list[list[str]]:
    """Cells of a row for each family that was run."""
    return [
        [
            family.question,
            SPEAKERS[family.said_by],
            regime_name(family.regime),
            result_counts(family),
            str(family.fragile),
        ]
        for family in families(report)
        if family.was_run
    ]


def _waiting(claim: ClaimJson) -> dict[str, str]:
    reasons = [remark for line in claim["lines"] for remark in line["remarks"]]
    reason = claim.get("out_of_reach") or (reasons[0] if reasons else "")
    title = OUT_OF_REACH if claim.get("out_of_reach") else "not run"
    return {"id": claim["id"], "statement": claim["statement"], "reason": f"{title}: {reason}"}


def _word(claim: ClaimJson, line: Mapping[str, Any]) -> str:
    """What a plot says of a result, in the word of the tables; a verdict that does not count is that of no premise."""
    return verdict_word(line["verdict"], claim["regime"]) if line["counts"] else str(Verdict.PREMISE_NOT_MET)


def _looks(claims: Iterable[ClaimJson]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each word that the plots of these claims need."""
    drawn = [(claim, line) for claim in claims for line in claim["lines"] if line["effect"] is not None]
    words = {
        _word(claim, line): line["verdict"] if line["counts"] else Verdict.PREMISE_NOT_MET for claim, line in drawn
    }
    return {word: look for verdict, look in VERDICTS.items() for word in sorted(words) if words[word] == verdict}


def _told_apart(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The families, with headings that differ: families that ask the same have their names and speakers in them."""
    for title in {family["title"] for family in shown}:
        mine = [family for family in shown if family["title"] == title]
        for family in mine if len(mine) > 1 else ():
            several = [key for key in ("name", "speaker") if len({each[key] for each in mine}) > 1]
            family["title"] = f"{title} ({', '.join(family[key] for key in several)})"
    return shown


def _family(
    name: str, speaker: str, claims: list[ClaimJson], charts: dict[str, Spec], looks: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    """A family's claims of one speaker, a forest plot for each unit, and a table of all results."""
    forests, place = [], slug(name) if speaker == "paper" else f"{slug(name)}-{speaker}"
    for unit in dict.fromkeys(claim["unit"] for claim in claims):
        points = [
            _point(claim, line)
            for claim in claims
            if claim["unit"] == unit
            for line in claim["lines"]
            if line["effect"] is not None
        ]
        if points:
            key = f"forest-{place}-{slug(unit)}"
            charts[key] = forest_chart(points, unit, name, looks)
            forests.append(
                (key, f"Effects in {unit} with 95 % intervals. Effects in the grey band are too small to matter.")
            )
    shown = [
        {
            "id": claim["id"],
            "statement": claim["statement"],
            "regime": regime_name(claim["regime"]),
            "standing": claim.get("standing") or "",
            "source": source_text(claim),
            "smallest": f"{claim['smallest_effect']:g} {claim['unit']}",
            "badge": badge(claim["verdict"], shown_verdict(claim, claim["regime"])),
            "flips": list(claim["flips"]),
        }
        for claim in claims
    ]
    rows = [_row(claim, line) for claim in claims for line in claim["lines"]]
    return {
        "name": name,
        "title": question_of(name),
        "speaker": SPEAKERS[speaker],
        "slug": place,
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
        "verdict": _word(claim, line),
        "smallest": claim["smallest_effect"],
        "least": -claim["smallest_effect"],
        "shown": effect_text(line, claim["unit"]),
    }


def _badge(claim: ClaimJson, line: Mapping[str, Any]) -> dict[str, Any]:
    """A result's verdict, in parentheses where it does not count."""
    shown = shown_verdict(line, claim["regime"])
    return badge(line["verdict"], shown) if line["counts"] else badge(Verdict.PREMISE_NOT_MET, f"({shown})")


def _row(claim: ClaimJson, line: Mapping[str, Any]) -> dict[str, Any]:
    remarks = remarks_of(line, claim["unit"])
    if not line["counts"]:
        remarks.append("does not count for the claim")
    if line["flips"]:
        remarks.append("another verdict under: " + ", ".join(line["flips"]))
    return {
        "id": claim["id"],
        "place": place_of(line) or "all",
        "badge": _badge(claim, line),
        "effect": effect_text(line, claim["unit"]),
        "other": other_effect_text(line, claim["unit"]),
        "beyond": beyond_text(line),
        "n": "–" if line["n"] is None else str(line["n"]),
        "p": adjusted_p_text(line["p"]),
        "remarks": "; ".join(remarks),
    }
