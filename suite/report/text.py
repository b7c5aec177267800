"""How numbers, names and tables of the leaderboard and of claims are written: in Markdown, in LaTeX and on the site."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from suite.evaluation.tables import HANDED_IN
from suite.judging.leaderboard.contrast import number
from suite.judging.leaderboard.table import FROZEN

NOTHING = "–"
NOT_MEASURED = "not measured"

BoardRow = Mapping[Any, Any]
"""A row of the leaderboard: a mapping or a ``pandas.Series``."""
ResultJson = Mapping[str, Any]
"""A claim on one data set, as ``results/claims.json`` has it."""


def with_half_width(row: BoardRow, value: str, low: str, high: str) -> str:
    """A mean with the half-width of its interval, where it has one."""
    half = (row[high] - row[low]) / 2
    return number(row[value]) if math.isnan(half) else f"{number(row[value])} ± {half:.2f}"


def handed_in(row: BoardRow) -> str:
    """How far a row that was handed in was checked; empty for a row that was run here."""
    mark = row.get(HANDED_IN)
    return "" if mark is None or pd.isna(mark) else str(mark)


def is_measured(row: BoardRow, metric: str) -> bool:
    """Whether a metric was measured: the frozen backbone and finished runs have it."""
    value = row.get(metric)
    absent = value is None or bool(pd.isna(value))
    return not absent or bool(row["loss"] != FROZEN and row["runs"] == row["failures"])


def metric_text(row: BoardRow, metric: str) -> str:
    """Mean and half-width of a metric; a dash where all runs failed."""
    if not is_measured(row, metric):
        return NOT_MEASURED
    return with_half_width(row, metric, f"{metric}_low", f"{metric}_high")


def span(low: object, high: object) -> str:
    """A rank interval: one number if nothing is left open."""
    if pd.isna(low):
        return NOTHING
    return f"{low}" if low == high else f"{low}–{high}"


def gap(low: float, high: float) -> str:
    """Points behind the best, at least to at most; 0 if no other loss can be the best."""
    if math.isnan(high):
        return NOTHING
    return f"{low:.2f} to {high:.2f}" if high > 0 else "0"


def finished_runs(row: BoardRow) -> str:
    """How many runs a mean is over, where it is not all."""
    return f" ({row['runs'] - row['failures']} of {row['runs']} runs)" if row["failures"] else ""


def value_text(value: Any) -> str:
    """A hyper-parameter to read: numbers with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def space_text(space: Mapping[str, Any]) -> str:
    """What was searched of a hyper-parameter: its values, or its range."""
    if "values" in space:
        return "one of " + ", ".join(map(value_text, space["values"]))
    scale = ", logarithmic" if space.get("log") else ""
    return f"{value_text(space.get('low'))} to {value_text(space.get('high'))}{scale}"


def escaped(name: str) -> str:
    """A name in Markdown."""
    return name.replace("<", "&lt;").replace("|", "\\|")


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]], alignment: Sequence[str] = ()) -> str:
    """A Markdown table; its cells are written as they are.

    Args:
        heads: heads of the columns.
        rows: cells, as many a row as there are heads.
        alignment: ``---``, ``---:`` or ``:---:`` for each column; all left if left out.
    """
    lines = ["| " + " | ".join(heads) + " |", "|" + "|".join(alignment or ["---"] * len(heads)) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def place_of(line: ResultJson) -> str:
    """Data set and part of it; empty where a claim is about neither."""
    return ", ".join(part for part in (line["dataset"], line["part"]) if part)


def source_text(claim: Mapping[str, Any]) -> str:
    """Where the paper makes a claim; a part that it lacks, such as a table, is left out."""
    return ", ".join(part for part in claim["source"].values() if part != "none")


def effect_text(line: ResultJson, unit: str, suffix: str = "") -> str:
    """An effect with its interval; a dash where there is none."""
    if line["effect"] is None:
        return "–"
    digits = 2 if unit == "points" else 3
    shown = f"{line['effect']:+.{digits}f}"
    if line["low"] is not None:
        shown += f" [{line['low']:+.{digits}f}, {line['high']:+.{digits}f}]"
    return shown + suffix


def adjusted_p_text(p: float | None) -> str:
    """A p-value to read; a dash where there is none."""
    if p is None:
        return "–"
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def beyond_text(result: ResultJson) -> str:
    """Whether an effect is shown to be beyond the smallest one of interest, with p; a dash where that is not tested."""
    beyond = result.get("beyond_smallest")
    if beyond is None:
        return NOTHING
    return f"{'yes' if beyond['shown'] else 'open'} (p {adjusted_p_text(beyond['p'])})"


def other_effect_text(line: ResultJson, unit: str) -> str:
    """The effect by the other metric; a dash where there is none."""
    other = line.get("other_metric")
    return NOTHING if other is None else effect_text(other, unit)


def remarks_of(line: ResultJson, unit: str) -> list[str]:
    """What the numbers of a line do not say."""
    found: list[str] = []
    if line["detectable"] is not None:
        found.append(f"could have shown {line['detectable']:.2g} {unit}")
    if line["premise_share"] is not None:
        found.append(f"premise met by {line['premise_share']:.0%}")
    if gains := line.get("gains_over_frozen"):
        told = ", ".join(f"{name} {gain:+.2f}" for name, gain in gains.items())
        found.append(f"above the frozen backbone: {told}")
    return [*found, *line["remarks"]]


def is_bold(row: BoardRow) -> bool:
    """Whether a row of the leaderboard is bold: not told apart from the best, and not a loss that learned nothing.

    A loss whose runs scatter widely cannot be told apart from any; bold would then reward it for that.
    """
    return bool(row["ties_best"]) and not (pd.notna(row["gain_over_frozen"]) and row["gain_over_frozen"] <= 0)


def left_out_section(notes: Sequence[str]) -> list[str]:
    """The section on records of studies that are left out, a line each; none without any."""
    return _section("Left out", "Records of studies in git that cannot be compared with the runs of the grid", notes)


def other_views_section(notes: Sequence[str]) -> list[str]:
    """The section on runs in the tables that others have handed in and that learned from other views; none without any."""
    told = (
        "Runs that were handed in and stand in the tables, though they learned from other views than the grid's, even if "
        "only by the last bits of another processor: their differences from the grid's runs hold that of the views as well"
    )
    return _section("Of other views", told, notes)


def _section(title: str, told: str, notes: Sequence[str]) -> list[str]:
    return [f"## {title}\n\n{told}:\n\n" + "".join(f"- {note}\n" for note in notes)] if notes else []
