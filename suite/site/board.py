"""The leaderboard as a table that a reader can sort and filter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from suite.leaderboard.table import FROZEN
from suite.site.charts.noise import LABELS
from suite.site.names import looks, slug

ABSENT = "–"
LAST = 1e9
"""Sorting key of an absent value: behind all numbers."""


@dataclass(frozen=True)
class Cell:
    """What a cell shows, what it is sorted by, and under which choices of a filter its row is shown."""

    text: str
    order: Any = ""
    search: str = ""
    css: str = ""
    href: str = ""
    look: tuple[str, str] | None = None
    badge: bool = False


@dataclass(frozen=True)
class Column:
    """Head of a column."""

    text: str
    title: str = ""
    css: str = ""


@dataclass(frozen=True)
class Line:
    """A row of the table."""

    cells: list[Cell]
    css: str = ""


@dataclass(frozen=True)
class Filter:
    """A choice that the reader has."""

    name: str
    title: str
    options: list[tuple[str, str]]
    default: str


@dataclass(frozen=True)
class Table:
    """Everything that the template of the leaderboard needs.

    Attributes:
        heads: heads of columns.
        rows: the rows, in the order of the leaderboard.
        filters: choices of the reader.
        columns: the column that each filter looks at.
        metric_columns: the columns that belong to each metric; those of one metric are shown at a time.
        order: columns and directions of the first sorting.
        note: how to read it.
    """

    heads: list[Column]
    rows: list[Line]
    filters: list[Filter]
    columns: Mapping[str, int] = field(default_factory=dict)
    metric_columns: Mapping[str, list[int]] = field(default_factory=dict)
    order: list[tuple[int, str]] = field(default_factory=list)
    note: str = ""


def noise_name(row: Mapping[str, Any]) -> str:
    """Kind and level of noise, e.g. ``symmetric 0.2``."""
    return f"{row['noise_kind']} {row['noise_level']:g}"


def percent_interval(value: Any, low: Any, high: Any) -> str:
    """A mean and its 95 % interval, as the mean and a half width where the interval is symmetric to two decimals."""
    if pd.isna(value):
        return ABSENT
    if pd.isna(low) or pd.isna(high):
        return f"{value:.2f}"
    if abs((high - value) - (value - low)) < 0.01:
        return f"{value:.2f} ± {(high - low) / 2:.2f}"
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def board_table(board: pd.DataFrame) -> Table:
    """The table of all rows of the leaderboard, which must not be empty."""
    metrics = [metric for metric in LABELS if metric in board]
    ranked = {"rank_low", "rank_high"} <= set(board.columns)
    heads = [Column("data set", css="text"), Column("noise", "of the training labels", "text"), Column("track", "", "text")]
    heads += [Column("rank", "ranks by R@1 that the intervals leave open, all losses compared at once")] * ranked
    heads.append(Column("loss", css="text"))
    first_metric = len(heads)
    heads += [Column(f"{LABELS[metric]}, %", "mean over seeds with its 95 % interval") for metric in metrics]
    heads += [
        Column("drop", "points of R@1 lost against training without label noise, paired by seed"),
        Column("over frozen", "points of R@1 above the frozen backbone"),
        Column("failed", "failed runs of all runs"),
    ]
    losses = sorted(set(board["loss"]) - {FROZEN})
    look = looks(losses)
    tracks = list(dict.fromkeys(board["track"].dropna()))
    lines = [_line(row, metrics, look, tracks, ranked=ranked) for row in board.to_dict("records")]
    first = next(iter(board.to_dict("records")))
    filters = [
        _filter("dataset", "data set", list(dict.fromkeys(board["dataset"])), ""),
        _filter("noise", "label noise", _noises(board), noise_name(first)),
        _filter("track", "track", tracks, tracks[0] if tracks else ""),
        Filter("metric", "metric", [(metric, LABELS[metric]) for metric in metrics], metrics[0]),
    ]
    return Table(
        heads=heads,
        rows=lines,
        filters=filters,
        columns={"dataset": 0, "noise": 1, "track": 2},
        metric_columns={metric: [first_metric + place] for place, metric in enumerate(metrics)},
        order=[(0, "asc"), (1, "asc"), (2, "asc"), (first_metric, "desc")],
        note=_note(board),
    )


def _line(
    row: Mapping[Any, Any],
    metrics: list[str],
    look: Mapping[str, tuple[str, str]],
    tracks: list[str],
    *,
    ranked: bool,
) -> Line:
    frozen = row["loss"] == FROZEN
    shown_in = tracks if frozen else [str(row["track"])]
    noise = noise_name(row)
    cells = [
        _text(str(row["dataset"])),
        Cell(noise, row["noise_level"], noise, "text"),
        Cell("every" if frozen else shown_in[0], shown_in[0] if shown_in else "", "|".join(shown_in), "text"),
    ]
    if ranked:
        cells.append(_rank(row))
    ties = bool(row.get("ties_best") is True)
    name = Cell(str(row["loss"]), str(row["loss"]), str(row["loss"]), "text", badge=ties)
    if not frozen:
        name = Cell(name.text, name.order, name.search, "text", f"loss-{slug(name.text)}.html", look[name.text], ties)
    cells.append(name)
    for metric in metrics:
        text = percent_interval(row[metric], row.get(f"{metric}_low"), row.get(f"{metric}_high"))
        cells.append(Cell(text, _key(row[metric])))
    drop, gain = row.get("drop_from_clean"), row.get("gain_over_frozen")
    cells.append(Cell(percent_interval(drop, row.get("drop_low"), row.get("drop_high")), _key(drop)))
    cells.append(Cell(ABSENT if frozen or pd.isna(gain) else f"{gain:+.2f}", _key(gain)))
    runs, failures = int(row.get("runs") or 0), int(row.get("failures") or 0)
    cells.append(Cell(ABSENT if frozen else f"{failures} of {runs}", failures))
    css = " ".join(name for name, holds in (("frozen", frozen), ("ties", ties)) if holds)
    return Line(cells, css)


def _rank(row: Mapping[Any, Any]) -> Cell:
    low, high = row["rank_low"], row["rank_high"]
    if pd.isna(low) or pd.isna(high):
        return Cell(ABSENT, LAST)
    return Cell(f"{low:g}" if low == high else f"{low:g}–{high:g}", low + high / 1000)


def _text(text: str) -> Cell:
    return Cell(text, text, text, "text")


def _key(value: Any) -> float:
    return -LAST if value is None or pd.isna(value) else float(value)


def _noises(board: pd.DataFrame) -> list[str]:
    rows = board.sort_values(["noise_kind", "noise_level"], ascending=[False, True]).to_dict("records")
    return list(dict.fromkeys(noise_name(row) for row in rows))


def _filter(name: str, title: str, values: list[str], default: str) -> Filter:
    return Filter(name, title, [("", "all"), *((value, value) for value in values)], default)


def _note(board: pd.DataFrame) -> str:
    if "ties_best" not in board:
        return "Choose a column's head to sort by it. Means over seeds; ± is half the 95 % interval of the mean."
    return (
        "Choose a column's head to sort by it. Rows with a mark beside the loss form the tie group: at this number of seeds "
        "none of them can be told apart from the best of its table. Ranks are those that the simultaneous 95 % intervals of "
        "all paired differences leave open; ± is half the 95 % interval of a mean."
    )
