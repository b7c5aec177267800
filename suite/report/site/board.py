"""The leaderboard as a table that a reader can sort and filter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from suite.evaluation.retrieval import MAIN_METRIC, METRICS
from suite.judging.leaderboard.table import FROZEN
from suite.report.figures.style import looks
from suite.report.site.cells import (
    Column,
    drop_cell,
    failures_cell,
    gain_cell,
    in_tie_group,
    loss_cell,
    metric_cell,
    noise_cell,
    noise_name,
    range_cell,
    rank_cell,
    text_cell,
)
from suite.report.site.pages import slug


@dataclass(frozen=True)
class Filter:
    """A choice that the reader has: pairs of value and text, the value that is chosen first."""

    name: str
    title: str
    options: list[tuple[str, str]]
    default: str


@dataclass(frozen=True)
class BoardTable:
    """Everything that the template of the leaderboard needs.

    Attributes:
        heads: the columns.
        rows: class and cells of each row, in the order of the leaderboard, as the script of the page takes them.
        losses: page, colour and marker of each loss.
        filters: choices of the reader.
        columns: the column that each filter looks at.
        metric_columns: the columns that belong to each metric; those of one metric are shown at a time.
        order: columns and directions of the first sorting.
        note: how to read it.
    """

    heads: list[Column]
    rows: list[tuple[str, list[Any]]]
    losses: Mapping[str, tuple[str, str, str]]
    filters: list[Filter]
    columns: Mapping[str, int]
    metric_columns: Mapping[str, list[int]]
    order: list[tuple[int, str]]
    note: str


def board_table(board: pd.DataFrame, losses: Sequence[str]) -> BoardTable:
    """The table of all rows of the leaderboard, which must not be empty; ``losses`` are all that the site shows."""
    rows = board.to_dict("records")
    regimes, tracks = (list(dict.fromkeys(board[name].map(str))) for name in ("regime", "track"))
    metrics = [metric for metric in METRICS if metric in board and board[metric].notna().any()]
    columns = _columns(board, metrics)
    places = {metric: [n for n, column in enumerate(columns) if column.metric == metric] for metric in metrics}
    noises = sorted({(row["noise_kind"] != "symmetric", row["noise_level"], noise_name(row)) for row in rows})
    filters = [
        _filter("dataset", "data set", list(dict.fromkeys(board["dataset"])), ""),
        _filter("noise", "label noise", [name for _, _, name in noises], noises[0][2]),
        _filter("regime", "regime", regimes, regimes[0]),
        _filter("track", "tuning track", tracks, tracks[0]),
        Filter("metric", "metric", [(metric, METRICS[metric].label) for metric in metrics], metrics[0]),
    ]
    return BoardTable(
        heads=columns,
        rows=[(_css(row), [column.cell(row).packed() for column in columns]) for row in rows],
        losses={loss: (f"loss-{slug(loss)}.html", *look) for loss, look in looks(losses).items()},
        filters=filters,
        columns={"dataset": 0, "noise": 1, "regime": 2, "track": 3},
        metric_columns=places,
        order=[*((place, "asc") for place in range(4)), (places[metrics[0]][0], "desc")],
        note=_note(board),
    )


def _columns(board: pd.DataFrame, metrics: list[str]) -> list[Column]:
    """The columns for which the leaderboard has what they need."""
    r1 = MAIN_METRIC
    columns = [
        Column("data set", "", lambda row: text_cell(str(row["dataset"])), css="text"),
        Column("noise", "label noise of the training labels", noise_cell, css="text"),
        Column("regime", "what learns", lambda row: text_cell(str(row["regime"])), css="text"),
        Column("track", "how hyper-parameters were chosen", lambda row: text_cell(str(row["track"])), css="text"),
        Column("loss", "", loss_cell, css="text"),
    ]
    for metric in metrics:
        head, cell = f"{METRICS[metric].label}, %", partial(metric_cell, metric=metric)
        columns.append(Column(head, "mean over runs with its 95 % interval", cell, (metric,), metric))
    rank = ("rank_low", "rank_high")
    columns.append(Column("rank", "ranks by R@1 that the intervals leave open", rank_cell, rank, r1))
    behind, classes = ("behind_low", "behind_high"), ("class_low", "class_high")
    columns += [
        Column(
            "behind best",
            "points behind the best, 95 %",
            partial(range_cell, low=behind[0], high=behind[1]),
            behind,
            r1,
        ),
        Column(
            "over classes",
            "95 %, test classes drawn anew",
            partial(range_cell, low=classes[0], high=classes[1]),
            classes,
            r1,
        ),
        Column("drop", "points of R@1 lost against training without label noise", drop_cell, ("drop_from_clean",), r1),
        Column("over frozen", "points of R@1 above the frozen backbone", gain_cell, ("gain_over_frozen",), r1),
        Column("failed", "failed runs", failures_cell, ("failures", "runs")),
    ]
    return [column for column in columns if set(column.needs) <= set(board.columns)]


def _css(row: Mapping[object, object]) -> str:
    if row["loss"] == FROZEN:
        return "frozen"
    return "ties" if in_tie_group(row) else ""


def _filter(name: str, title: str, values: list[str], default: str) -> Filter:
    return Filter(name, title, [("", "all"), *((value, value) for value in values)], default)


def _note(board: pd.DataFrame) -> str:
    text = (
        "Choose a column's head to sort by it. Numbers are means over runs; ± is half the 95 % interval of the mean, "
        "over searches where a loss has several, else over seeds; "
        "a mean over one seed or search, or over such as are all alike, has none."
    )
    if "ties_best" not in board:
        return text
    return (
        f"{text} Losses of the tie group cannot be told apart from the best of their table at this number of searches or "
        "seeds. Ranks, tie group and points behind the best follow from simultaneous 95 % intervals of all paired "
        "differences of R@1."
    )
