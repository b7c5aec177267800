"""What each loss adds to the frozen backbone: a table for each regime and tuning track, a row a loss."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from suite.evaluation.retrieval import MAIN_METRIC
from suite.judging.leaderboard.table import FROZEN
from suite.losses.registry import BUILT_IN, DEFAULT
from suite.report.budgets import of_trials
from suite.report.figures.style import looks
from suite.report.site.cells import in_tie_group
from suite.report.site.pages import slug
from suite.report.tables import REGIMES, TRACKS
from suite.report.text import NOTHING, BoardRow, finished_runs, handed_in, span
from suite.settings.params import LossSettings

LOSS_SETS = ("default", "extended", "others")
"""Which losses there are: those that run by default, other built-in ones, and those of people."""
NOT_FINISHED = "no run finished"
NO_INTERVAL = "(no interval)"
"""Of a mean over one seed or search, or over such as are all alike."""


@dataclass(frozen=True)
class GainCell:
    """One loss at one noise level of one data set.

    Attributes:
        gain: points of R@1 above the frozen backbone, with the half-width of the interval, or that it has none.
        rank: ranks that are left open; empty where nothing is ranked.
        tied: whether the loss is in the tie group.
        gap: whether the loss was not run there.
    """

    gain: str
    rank: str = ""
    tied: bool = False
    gap: bool = False


@dataclass(frozen=True)
class GainRow:
    """One loss.

    Attributes:
        loss: its name.
        href: its page.
        look: its colour and marker.
        loss_set: one of ``LOSS_SETS``.
        marks: how far rows that were handed in were checked.
        cells: a cell a column.
    """

    loss: str
    href: str
    look: tuple[str, str]
    loss_set: str
    marks: list[str]
    cells: list[GainCell]


@dataclass(frozen=True)
class GainTable:
    """One regime and tuning track.

    Attributes:
        regime: what learns.
        track: how values were chosen.
        about: both in sentences.
        datasets: data sets with the number of their columns.
        levels: heads of the columns below them.
        rows: a row a loss, the greatest mean gain first.
        frozen: R@1 of the frozen backbone in percent, a cell a column.
    """

    regime: str
    track: str
    about: str
    datasets: list[tuple[str, int]]
    levels: list[str]
    rows: list[GainRow]
    frozen: list[str]


def gain_tables(board: pd.DataFrame, losses: Sequence[str], declared: Mapping[str, LossSettings]) -> list[GainTable]:
    """The tables, in the order of the leaderboard; none without one.

    Args:
        board: rows of the leaderboard.
        losses: all losses that the site shows, from which their looks follow.
        declared: entries of ``losses`` in ``params.yaml``.
    """
    if board.empty:
        return []
    look = looks(losses)
    sets = {loss: loss_set(loss, declared) for loss in losses}
    return [
        _table(str(regime), str(track), rows, look, sets)
        for (regime, track), rows in board.groupby(["regime", "track"], sort=False)
    ]


def loss_set(loss: str, declared: Mapping[str, LossSettings]) -> str:
    """Which losses a loss belongs to, one of ``LOSS_SETS``."""
    entry = declared.get(loss)
    if loss not in BUILT_IN or (entry is not None and entry.target is not None):
        return "others"
    return "default" if loss in DEFAULT else "extended"


def _table(
    regime: str, track: str, rows: pd.DataFrame, look: Mapping[str, tuple[str, str]], sets: Mapping[str, str]
) -> GainTable:
    kinds = len(set(rows["noise_kind"])) > 1
    columns: list[dict[str, BoardRow]] = []
    datasets, levels = [], []
    for dataset, mine in rows.groupby("dataset", sort=False):
        places = list(mine.groupby(["noise_kind", "noise_level"], sort=False))
        datasets.append((str(dataset), len(places)))
        for (kind, level), at in places:
            levels.append(f"{kind} {level:g}" if kinds and level else f"noise {level:g}")
            columns.append({str(row["loss"]): row for row in at.to_dict("records")})
    names = [loss for loss in dict.fromkeys(rows["loss"].map(str)) if loss != FROZEN]
    names.sort(key=lambda loss: -_mean_gain(columns, loss))
    return GainTable(
        regime,
        track,
        f"{REGIMES.get(regime, '')} {TRACKS.get(track, '').format(trials=of_trials(rows))}".strip(),
        datasets,
        levels,
        [_row(loss, columns, look[loss], sets[loss]) for loss in names],
        [_reference(column) for column in columns],
    )


def _row(loss: str, columns: Sequence[Mapping[str, BoardRow]], look: tuple[str, str], of: str) -> GainRow:
    mine = [column.get(loss) for column in columns]
    marks = list(dict.fromkeys(mark for row in mine if row is not None and (mark := handed_in(row))))
    return GainRow(loss, f"loss-{slug(loss)}.html", look, of, marks, [_cell(row) for row in mine])


def _cell(row: BoardRow | None) -> GainCell:
    if row is None:
        return GainCell(NOTHING, gap=True)
    gain, low, high = (row.get(name) for name in ("gain_over_frozen", f"{MAIN_METRIC}_low", f"{MAIN_METRIC}_high"))
    if gain is None or pd.isna(gain):
        failed = row["runs"] and row["runs"] == row["failures"]
        return GainCell(NOT_FINISHED if failed else NOTHING, gap=not failed)
    half = f" {NO_INTERVAL}"
    if low is not None and high is not None and not (pd.isna(low) or pd.isna(high)):
        half = f" ± {(high - low) / 2:.2f}"
    rank = span(*(_whole(row.get(name)) for name in ("rank_low", "rank_high")))
    return GainCell(f"{gain:+.2f}{half}{finished_runs(row)}", "" if rank == NOTHING else rank, in_tie_group(row))


def _whole(number: object) -> object:
    """A rank as a whole number: JSON with gaps is read as floats."""
    return number if number is None or pd.isna(number) else int(number)  # type: ignore[call-overload]


def _reference(column: Mapping[str, BoardRow]) -> str:
    row = column.get(FROZEN)
    value = None if row is None else row.get(MAIN_METRIC)
    return NOTHING if value is None or pd.isna(value) else f"{value:.2f}"


def _mean_gain(columns: Sequence[Mapping[str, BoardRow]], loss: str) -> float:
    """Over the columns in which a loss has one; runs that failed count as no gain, as on the README's table."""
    gains = [column[loss].get("gain_over_frozen") for column in columns if loss in column]
    return float(pd.Series(gains, dtype=float).fillna(0).mean())
