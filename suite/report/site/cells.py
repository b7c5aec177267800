"""Cells of the leaderboard: what each shows, and what it is sorted by."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from suite.judging.leaderboard.table import FROZEN
from suite.report.text import NOT_MEASURED, BoardRow, handed_in, is_measured
from suite.report.text import NOTHING as ABSENT

LAST = 1e9
"""Sorting key of an absent value where little is good; its negative where much is."""
TIED = "tie group"
"""Mark of a loss that cannot be told apart from the best of its table."""


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: what it shows.
        order: what it is sorted by: a number, or its text.
        mark: a remark beside its text.
    """

    text: str
    order: float | str = ""
    mark: str = ""

    def packed(self) -> Any:
        """Text, order and mark, or fewer of these: what ``site.js`` makes a cell of."""
        if self.mark:
            return [self.text, self.order, self.mark]
        return self.text if self.order == self.text else [self.text, self.order]


@dataclass(frozen=True)
class Column:
    """One column of the leaderboard.

    Attributes:
        text: its head.
        title: what the head means.
        cell: from a row of the leaderboard to a cell.
        needs: columns of the leaderboard without which it is left out.
        metric: the metric with which it comes and goes; empty for all.
        css: its class.
    """

    text: str
    title: str
    cell: Callable[[BoardRow], Cell]
    needs: tuple[str, ...] = ()
    metric: str = ""
    css: str = ""


def noise_name(row: BoardRow) -> str:
    """Kind and level of noise, e.g. ``symmetric 0.2``."""
    return f"{row['noise_kind']} {row['noise_level']:g}"


def text_cell(text: str) -> Cell:
    """A cell that is sorted by what it shows."""
    return Cell(text, text)


def noise_cell(row: BoardRow) -> Cell:
    """Kind and level of noise, sorted by level."""
    return Cell(noise_name(row), row["noise_level"])


def loss_cell(row: BoardRow) -> Cell:
    """The loss, and how far it was checked where it was handed in."""
    name = str(row["loss"])
    return Cell(name, name, f"handed in, {told}" if (told := handed_in(row)) else "")


def in_tie_group(row: BoardRow) -> bool:
    """Whether the leaderboard says that it cannot be told apart from the best."""
    flag = row.get("ties_best")
    return flag is not None and not pd.isna(flag) and bool(flag)


def rank_cell(row: BoardRow) -> Cell:
    """The ranks that are left open, and whether the first is among them."""
    low, high = row["rank_low"], row["rank_high"]
    if pd.isna(low) or pd.isna(high):
        return Cell(ABSENT, LAST)
    return Cell(
        f"{low:g}" if low == high else f"{low:g}–{high:g}", low + high / 1000, TIED if in_tie_group(row) else ""
    )


def mean_cell(row: BoardRow, name: str, low: str, high: str) -> Cell:
    """A mean with its 95 % interval; ± where that is symmetric to two decimals."""
    value, least, most = row.get(name), row.get(low), row.get(high)
    if value is None or pd.isna(value):
        return Cell(ABSENT, -LAST)
    if least is None or most is None or pd.isna(least) or pd.isna(most):
        return Cell(f"{value:.2f}", value)
    if abs((most - value) - (value - least)) < 0.01:
        return Cell(f"{value:.2f} ± {(most - least) / 2:.2f}", value)
    return Cell(f"{value:.2f} [{least:.2f}, {most:.2f}]", value)


def metric_cell(row: BoardRow, metric: str) -> Cell:
    """The mean of a metric, or that it was not measured."""
    if not is_measured(row, metric):
        return Cell(NOT_MEASURED, -LAST)
    return mean_cell(row, metric, f"{metric}_low", f"{metric}_high")


def drop_cell(row: BoardRow) -> Cell:
    """Points lost to label noise; nothing to say where there is none."""
    return mean_cell(row, "drop_from_clean", "drop_low", "drop_high") if row["noise_level"] else Cell(ABSENT, -LAST)


def range_cell(row: BoardRow, low: str, high: str) -> Cell:
    """An interval, sorted by its upper end."""
    if pd.isna(row[low]) or pd.isna(row[high]):
        return Cell(ABSENT, LAST)
    return Cell(f"{row[low]:.2f} to {row[high]:.2f}", row[high])


def gain_cell(row: BoardRow) -> Cell:
    """Points above the frozen backbone, signed."""
    gain = row.get("gain_over_frozen")
    return Cell(ABSENT, -LAST) if row["loss"] == FROZEN or gain is None or pd.isna(gain) else Cell(f"{gain:+.2f}", gain)


def failures_cell(row: BoardRow) -> Cell:
    """Failed runs of all runs."""
    if row["loss"] == FROZEN:
        return Cell(ABSENT, LAST)
    return Cell(f"{row.get('failures', 0):g} of {row.get('runs', 0):g}", row.get("failures", 0))
