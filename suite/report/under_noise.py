"""Who is best under label noise, and where PFML stands: two sentences on a regime."""

from collections.abc import Callable, Iterable
from typing import get_args

import pandas as pd

from suite.judging.leaderboard.verdicts import METHOD
from suite.report.text import counted_noun
from suite.settings.params import TuningTrack


def best_under_noise(board: pd.DataFrame) -> tuple[str, ...]:
    """Two sentences on the highest level of label noise, by mean R@1; none where there is no noise or no PFML.

    Args:
        board: rows of one regime on the leaderboard.
    """
    noisy = board[(board["noise_level"] > 0) & (board["runs"] > board["failures"])]
    noisy = noisy[noisy["noise_kind"] == noisy["noise_kind"].iloc[0]] if len(noisy) else noisy
    noisy = noisy[noisy["noise_level"] == noisy["noise_level"].max()]
    compared = noisy.loc[noisy["loss"] == METHOD, ["track", "dataset"]].drop_duplicates()
    noisy = noisy.merge(compared)  # tables in which PFML has a finished run
    tables = [
        (track, noisy[noisy["track"] == track]) for track in get_args(TuningTrack) if track in set(noisy["track"])
    ]
    if not tables:
        return ()
    level = f"{100 * noisy['noise_level'].iloc[0]:g} % wrong labels"
    leaders = _by_track((track, _each_dataset(rows, _leader)) for track, rows in tables)
    places = _by_track((track, _each_dataset(rows, _place)) for track, rows in tables)
    return (f"With {level} the highest mean R@1 is that of {leaders}.", f"There PFML has place {places}.")


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


def _leader(rows: pd.DataFrame) -> str:
    """The loss with the highest mean, and how many others may be the best: none was shown to be better than they are."""
    first = rows.loc[rows["recall_at_1"].idxmax()]
    level = int(rows["ties_best"].sum()) - bool(first["ties_best"])
    return f"{first['loss']} ({counted_noun(level, 'other')} may be the best)" if level else str(first["loss"])


def _place(rows: pd.DataFrame) -> str:
    """Where PFML stands by its mean."""
    mine = rows[rows["loss"] == METHOD].iloc[0]
    place = int((rows["recall_at_1"] > mine["recall_at_1"]).sum()) + 1
    told = f"{place} of {len(rows)}"
    return told if mine["ties_best"] else f"{told} (not the best)"
