"""What was preregistered, in words, and what came after; and what a number of units could find."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from suite.judging.claims.freeze import CAME_AFTER, CHANGED, PREREGISTERED
from suite.judging.claims.plan import UNITS
from suite.report.text import NOTHING, markdown_table

PLAN_HEADS = (
    "family",
    "tests",
    "smallest effect",
    *(f"found with {n} units, in sd" for n in UNITS),
    *(f"sd at most, {n} units" for n in UNITS),
    "sd in the records",
)
PLAN_EXPLAINED = (
    "What a number of units (searches, or seeds) could find: the smallest effect, or the smallest margin, that the first "
    "step of Holm's adjustment shows with 80 % power if all of the family is run, in standard deviations (sd) of a unit; "
    "and the sd of a unit up to which that is the smallest effect of interest. Where the records scatter more, there are "
    "too few units. Of claims about steps it is what each step could show."
)


def plan_rows(plan: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Cells of a row for each family of a plan."""
    return [
        (
            each["family"],
            str(each["tests"]),
            f"{each['smallest']:g}{' (margin)' if each['shows'] == 'margin' else ''}",
            *(f"{value:.2f}" for value in each["detectable"]),
            *(f"{value:.2g}" for value in each["tolerable"]),
            NOTHING if each["scatter"] is None else f"{each['scatter']:.2g}",
        )
        for each in plan
    ]


def plan_section(plan: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown section with the plan."""
    alignment = ("---", *["---:"] * (len(PLAN_HEADS) - 1))
    return f"## What could be found\n\n{PLAN_EXPLAINED}\n\n{markdown_table(PLAN_HEADS, plan_rows(plan), alignment)}"


def standing_sentence(report: Mapping[str, Any]) -> str:
    """What was preregistered before the runs, what has changed since and what came after."""
    frozen = report.get("frozen")
    if frozen is None:
        return (
            "Nothing was preregistered (`suite claims freeze`): these claims are exploratory, or checks of what was known, "
            "as docs/protocol.md tells."
        )
    counts = Counter(claim["standing"] for claim in report["claims"])
    told = ", ".join(
        f"{counts[standing]} {standing}" for standing in (PREREGISTERED, CHANGED, CAME_AFTER) if counts[standing]
    )
    later = "".join(f", {_what(each)} {_at(each)}" for each in frozen.get("later", []))
    others = "; ".join(frozen["changes"]) or "none"
    return (
        f"Preregistered {_at(frozen)}{later}: of {len(report['claims'])} claims {told}. Search spaces, budget, "
        f"seeds and noise that are other now: {others}.{_caution(report)}"
    )


def _caution(report: Mapping[str, Any]) -> str:
    """What is said beside claims of a regime whose design was replaced: the earlier one may have had results."""
    mine = {claim["regime"] for claim in report["claims"]} - {None}
    replaced = sorted(mine & {regime for each in report["frozen"].get("later", []) for regime in each.get("anew", [])})
    if not replaced:
        return ""
    return (
        f" The design of the regime {', '.join(replaced)} was replaced: where results by an earlier one were known then, "
        "those here are not confirmatory; docs/protocol.md tells."
    )


def _what(each: Mapping[str, Any]) -> str:
    """What a later preregistration was of."""
    anew = [f"the design of the regime {regime} anew" for regime in each.get("anew", [])]
    added = [f"{each['claims']} of them added"] if each["claims"] else []
    return " and ".join([*added, *anew]) or "further losses, data sets or studies added"


def _at(each: Mapping[str, Any]) -> str:
    """Date and commit of a preregistration."""
    commit = each["commit"]
    return f"on {each['date'][:10]}" + (f" at commit {commit[:12]}{'+' * commit.endswith('+')}" if commit else "")
