"""Who is best under label noise, and where PFML stands: in two sentences on a regime, or a cell of a table each."""

from collections.abc import Callable, Iterable
from typing import get_args

import pandas as pd

from suite.errors import counted_noun
from suite.judging.leaderboard.verdicts import METHOD
from suite.settings.params import TuningTrack


def best_under_noise(board: pd.DataFrame) -> tuple[str, ...]:
    """Two sentences on the highest level of label noise, by mean R@1; none where there is no noise or no PFML.

    Args:
        board: rows of one regime on the leaderboard.
    """
    noisy = at_most_noise(board)
    tables = [
        (track, noisy[noisy["track"] == track]) for track in get_args(TuningTrack) if track in set(noisy["track"])
    ]
    if not tables:
        return ()
    leaders = _by_track((track, _each_dataset(rows, leader)) for track, rows in tables)
    places = _by_track((track, _each_dataset(rows, place)) for track, rows in tables)
    return (f"With {level_of(noisy)} the highest mean R@1 is that of {leaders}.", f"There PFML has place {places}.")


def at_most_noise(board: pd.DataFrame) -> pd.DataFrame:
    """Rows of the first kind of label noise at its highest level, of tables in which PFML was run and any run finished.

    Args:
        board: rows of one regime on the leaderboard.
    """
    noisy = board[(board["noise_level"] > 0) & (board["runs"] > 0)]
    noisy = noisy[noisy["noise_kind"] == noisy["noise_kind"].iloc[0]] if len(noisy) else noisy
    noisy = noisy[noisy["noise_level"] == noisy["noise_level"].max()]
    noisy = noisy.merge(noisy.loc[noisy["loss"] == METHOD, ["track", "dataset"]].drop_duplicates())
    return noisy[noisy.groupby(["track", "dataset"])["recall_at_1"].transform("count") > 0]


def level_of(noisy: pd.DataFrame) -> str:
    """The level of rows of one level."""
    return f"{100 * noisy['noise_level'].iloc[0]:g} % wrong labels"


def _by_track(told: Iterable[tuple[str, str]]) -> str:
    """What is said of each tuning track; the first needs no name."""
    (_, first), *further = told
    return "; ".join([first, *(f"on track {track}, {text}" for track, text in further)])


def _each_dataset(rows: pd.DataFrame, say: Callable[[pd.DataFrame], str]) -> str:
    """What is said of each data set of one track."""
    found: dict[str, list[str]] = {}
    for dataset, mine in rows.groupby("dataset", sort=False):
        found.setdefault(say(mine), []).append(str(dataset))
    return ", ".join(f"{what} on {' and '.join(names)}" for what, names in found.items())


def leader(rows: pd.DataFrame) -> str:
    """The losses of a table with the highest mean, and how many others are not shown to be worse."""
    firsts, others = " and ".join(firsts_of(rows)["loss"]), others_at_the_top(rows)
    verb = "is" if others == 1 else "are"
    told = f" ({counted_noun(others, 'other')} above the frozen backbone {verb} not shown to be worse)"
    return f"{firsts}{told if others else ''}"


def firsts_of(rows: pd.DataFrame) -> pd.DataFrame:
    """The losses of a table with the highest mean: one, or those whose means are equal, to the four decimals of a board.

    As there, losses that finished every run come first.
    """
    rows = rows[rows["failures"] == rows["failures"].min()]
    return rows[rows["recall_at_1"] == rows["recall_at_1"].max()]


def is_shown_best(rows: pd.DataFrame) -> bool:
    """Whether all other losses of a table are shown to be worse than some."""
    return int(_may_be_best(rows).sum()) == 1


def others_at_the_top(rows: pd.DataFrame) -> int:
    """How many losses besides those with the highest mean are not shown to be worse than any.

    One whose mean does not exceed the frozen backbone's does not count: it scatters too much to be told from others.
    """
    may = _may_be_best(rows) & (rows["gain_over_frozen"] > 0)
    return int(may.drop(firsts_of(rows).index).sum())


def place(rows: pd.DataFrame) -> str:
    """Where PFML stands in a table by the number of failed runs and its mean, as on the leaderboard."""
    mine = rows[rows["loss"] == METHOD].iloc[0]
    failures, mean = int(mine["failures"]), rows["recall_at_1"].fillna(-1)
    before = (rows["failures"] < failures) | ((rows["failures"] == failures) & (mean > mean[mine.name]))
    told = f"{int(before.sum()) + 1} of {len(rows)}"
    if failures:
        return (
            f"{told} ({'no run finished' if failures == mine['runs'] else counted_noun(failures, 'run') + ' failed'})"
        )
    return told if _may_be_best(rows)[mine.name] else f"{told} (shown to be worse)"


def _may_be_best(rows: pd.DataFrame) -> pd.Series:
    """Which rows of a table were not shown to be worse than another: all, where nothing could be told apart."""
    ties = rows["ties_best"].astype(bool)
    return ties if ties.any() else ~ties
