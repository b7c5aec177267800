"""The report as Markdown and as a table on the terminal; both are functions of ``results/claims.json`` alone."""

from collections import Counter
from typing import Any

from rich.table import Table

from suite.judging.claims.vocabulary import Verdict

Report = dict[str, Any]

_STYLES = {
    Verdict.SUPPORTED: "green",
    Verdict.CONTRADICTED: "red",
    Verdict.EQUIVALENT: "cyan",
    Verdict.INCONCLUSIVE: "yellow",
}
_HEAD = ("claim", "data set", "verdict", "effect [95 % interval]", "n", "Holm p", "remarks")

_EXPLAINED = """\
A line is a claim on one data set; `all` is the verdict that it holds on every one. p is that of the verdict given, of
support where it is inconclusive, adjusted by Holm over the lines of a family, at 5 %; claims.json has it for every verdict.
*Fragile*: another look at the records changes the verdict, see [sensitivity.md](sensitivity.md). Lines in parentheses are
classes or embeddings that do not meet the premise of the theorem behind the claim; they do not count for it.
How each kind of claim is judged: [docs/claims.md](../docs/claims.md).
"""


def to_markdown(report: Report) -> str:
    """All claims that could be judged, by family, and a list of those that were not run."""
    parts = ["# Claims\n", summary(report) + "\n", _EXPLAINED]
    families: dict[str, list[dict[str, Any]]] = {}
    for claim in report["claims"]:
        if claim["verdict"] != Verdict.NOT_RUN or any(line["verdict"] != Verdict.NOT_RUN for line in claim["lines"]):
            families.setdefault(claim["family"], []).append(claim)
    for family, claims in families.items():
        rows = [row for claim in claims for row in table_rows(claim)]
        parts.append(f"## {family}\n\n{_statements(claims)}\n{_table(_HEAD, rows)}")
    parts.append(_not_run(report))
    return "\n".join(parts)


def summary(report: Report) -> str:
    """Number of claims by verdict, and the hash of the claim files."""
    counts = Counter(claim["verdict"] for claim in report["claims"])
    fragile = sum(bool(claim["flips"]) for claim in report["claims"])
    shown = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    return f"{len(report['claims'])} claims: {shown}; {fragile} fragile. Claim files: sha256 {report['claims_sha256']}."


def to_rich(report: Report) -> Table:
    """The verdict table for a terminal, without claims that were not run."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in _HEAD:
        table.add_column(head, overflow="fold")
    for claim in report["claims"]:
        if claim["verdict"] == Verdict.NOT_RUN and all(x["verdict"] == Verdict.NOT_RUN for x in claim["lines"]):
            continue
        for row in table_rows(claim):
            colour = _STYLES.get(Verdict(row[2].removesuffix(", fragile").strip("()")), "dim")
            table.add_row(*row[:2], f"[{colour}]{row[2]}[/]", *(cell.replace("[", "\\[") for cell in row[3:]))
    return table


def table_rows(claim: dict[str, Any]) -> list[tuple[str, ...]]:
    """Cells of a claim's lines, and of the verdict over all where there are several."""
    rows = [_row(claim, line) for line in claim["lines"]]
    counted = [line for line in claim["lines"] if line["counts"]]
    if len(counted) > 1:
        agreeing = Counter(line["verdict"] for line in counted)
        told = ", ".join(f"{agreeing[verdict]} {verdict}" for verdict in Verdict if agreeing[verdict])
        rows.append((claim["id"], "all", _verdict(claim), "", "", "", told))
    return rows


def _row(claim: dict[str, Any], line: dict[str, Any]) -> tuple[str, ...]:
    place = ", ".join(part for part in (line["dataset"], line["part"]) if part) or "–"
    verdict = _verdict(line) if line["counts"] else f"({_verdict(line)})"
    return (
        claim["id"],
        place,
        verdict,
        _effect(line, claim["unit"]),
        "–" if line["n"] is None else str(line["n"]),
        "–" if line["p"] is None else p_text(line["p"]),
        "; ".join(_remarks(claim, line)),
    )


def _verdict(entry: dict[str, Any]) -> str:
    return str(entry["verdict"]) + (", fragile" if entry["flips"] else "")


def _effect(line: dict[str, Any], unit: str) -> str:
    if line["effect"] is None:
        return "–"
    digits = 2 if unit == "points" else 3
    shown = f"{line['effect']:+.{digits}f}"
    if line["low"] is not None:
        shown += f" [{line['low']:+.{digits}f}, {line['high']:+.{digits}f}]"
    return f"{shown} {unit}"


def p_text(p: float) -> str:
    """A p-value to read."""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def _remarks(claim: dict[str, Any], line: dict[str, Any]) -> list[str]:
    found: list[str] = []
    if line["detectable"] is not None:
        found.append(f"could have shown {line['detectable']:.2g} {claim['unit']}")
    if line["premise_share"] is not None:
        found.append(f"premise met by {line['premise_share']:.0%}")
    return [*found, *line["remarks"]]


def _statements(claims: list[dict[str, Any]]) -> str:
    lines = []
    for claim in claims:
        source = ", ".join(claim["source"].values())
        least = f"{claim['smallest_effect']:g} {claim['unit']}"
        lines.append(f"- `{claim['id']}`: {claim['statement']} Source: {source}. Smallest effect of interest: {least}.")
    return "\n".join(lines) + "\n"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _not_run(report: Report) -> str:
    lines = []
    for claim in report["claims"]:
        if all(line["verdict"] == Verdict.NOT_RUN for line in claim["lines"]):
            reasons = list(dict.fromkeys(remark for line in claim["lines"] for remark in line["remarks"]))
            more = f"; {len(reasons) - 1} more like it" if len(reasons) > 1 else ""
            lines.append(f"- `{claim['id']}`: {claim['statement']} ({reasons[0]}{more})")
    return "## Not run\n\n" + ("\n".join(lines) or "None.") + "\n"


def sensitivity_page(report: Report) -> str:
    """Verdicts under every view, a row a line: what flips is in bold."""
    names = list(dict.fromkeys(name for c in report["claims"] for line in c["lines"] for name in line["sensitivity"]))
    rows = []
    for claim in report["claims"]:
        for line in claim["lines"]:
            if line["sensitivity"]:
                place = ", ".join(part for part in (line["dataset"], line["part"]) if part)
                views = [_view(line, name) for name in names]
                rows.append((claim["id"], place, str(line["verdict"]), *views))
    fragile = sum(any("**" in cell for cell in row) for row in rows)
    told = (
        f"{fragile} of {len(rows)} verdicts are fragile: another look at the records gives another verdict (in bold)."
    )
    return f"""# Sensitivity

{told}

- validation epoch: metrics at the epoch that was best on validation classes while tuning, in place of the last epoch.
- R@1 and MAP@R swapped, with the same smallest effect of interest in points.
- without seed s: the other seeds. One seed less is less power, so a verdict may also turn inconclusive for that alone.

Families are adjusted anew under every view. – : the view does not concern the claim; "not run": it was not measured.

{_table(("claim", "data set", "verdict", *names), rows) if rows else "Nothing was run."}"""


def _view(line: dict[str, Any], name: str) -> str:
    other = line["sensitivity"].get(name)
    if other is None:
        return "–"
    if other == line["verdict"]:
        return "same"
    return str(other) if other == Verdict.NOT_RUN else f"**{other}**"
