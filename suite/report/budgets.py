"""How many trials the hyper-parameters on the leaderboard were chosen from: counted, not taken for granted."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from suite.evaluation.records import Record
from suite.settings.paths import FOUND_RECIPE
from suite.settings.plans import tuned_plan_path
from suite.settings.tuned_recipes import load_tuned, tuned_path

TRIALS = "trials"
"""Column of the leaderboard: trials of the search behind each value of a row, the fewest where there were several searches.

0 where nothing was searched; missing where the recipe of the search is not there.
"""


def with_trials(
    board: pd.DataFrame,
    records: Iterable[Record],
    handed_in: Mapping[tuple[str, str, str], int] = MappingProxyType({}),
) -> pd.DataFrame:
    """The leaderboard with the column ``TRIALS``.

    Args:
        board: the leaderboard.
        records: the board's own.
        handed_in: trials of losses that were handed in, by track, data set and loss.

    Raises:
        SuiteError: a recipe is damaged.
    """
    found: dict[tuple[str, str, str], set[int | None]] = {}
    known: dict[Path, int | None] = {}
    for record in records:
        trials = found.setdefault((record.track, record.dataset, record.loss), set())
        if record.hyperparameter_source != "search":
            trials.add(0)
            continue
        paths = _paths(record)
        if paths[0] not in known:
            known[paths[0]] = next((len(load_tuned(path).trials) for path in paths if path.is_file()), None)
        trials.add(known[paths[0]])
    fewest: dict[tuple[str, str, str], int | None] = {
        place: None if None in trials else min(count for count in trials if count is not None)
        for place, trials in found.items()
    }
    fewest |= handed_in
    places = zip(board["track"], board["dataset"], board["loss"], strict=True)
    return board.assign(**{TRIALS: pd.array([fewest.get(place) for place in places], dtype="Int64")})


def _paths(record: Record) -> tuple[Path, Path]:
    """The recipe of a record's search in its regime, in git and beside its plan."""
    number = record.search or 0
    beside = tuned_plan_path(record.dataset, record.loss, record.regime)
    return (
        tuned_path(record.dataset, record.loss, record.track, number, record.regime),
        beside.with_name(FOUND_RECIPE.format(track=record.track, number=number)),
    )


def of_trials(rows: pd.DataFrame) -> str:
    """What the values of trained losses were chosen from, e.g. ``25 trials for every loss``.

    Args:
        rows: of the leaderboard, of one regime and track.
    """
    counts = _counted(rows)
    if not counts["known"].any():
        return "an unknown number of trials"
    least, most = int(counts[TRIALS].min()), int(counts[TRIALS].max())
    if counts["known"].all() and least == most:
        return f"{most} trials for every loss" if most else "no trials: values set by hand or class defaults"
    if _is_equal(counts):
        return f"{least} to {most} trials, on one data set the same number for every loss"
    told = [f"{loss} {_told(mine)}" for loss, mine in counts.groupby("loss", sort=True)]
    return f"unequal numbers of trials ({', '.join(told)})"


def has_equal_budgets(rows: pd.DataFrame) -> bool:
    """Whether all trained losses were searched, on each data set by one known number of trials.

    Args:
        rows: of the leaderboard, of one regime and track.
    """
    counts = _counted(rows)
    return _is_equal(counts) and bool((counts[TRIALS] > 0).all())


def _counted(rows: pd.DataFrame) -> pd.DataFrame:
    """Data set, loss and trials of the trained rows, and whether the trials are known."""
    counts = rows[rows["runs"] > 0].reindex(columns=["dataset", "loss", TRIALS])
    return counts.assign(known=counts[TRIALS].notna())


def _is_equal(counts: pd.DataFrame) -> bool:
    ends = counts.groupby("dataset")[TRIALS].agg(["min", "max"])
    return bool(len(counts) and counts["known"].all() and (ends["min"] == ends["max"]).all())


def _told(mine: pd.DataFrame) -> str:
    """The trials of one loss: their range over data sets."""
    if not mine["known"].all():
        return "not known"
    least, most = int(mine[TRIALS].min()), int(mine[TRIALS].max())
    return f"{most}" if least == most else f"{least} to {most}"
