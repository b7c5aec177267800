"""How PFML fared in one regime with values of one tuning track: against the best baseline, and what that rests on."""

from dataclasses import dataclass
from typing import get_args

import pandas as pd

from suite.errors import counted_noun
from suite.evaluation.records import TABLE
from suite.judging.leaderboard.contrast import JUDGED
from suite.judging.leaderboard.verdicts import BEST, METHOD
from suite.report.budgets import has_equal_budgets, of_trials
from suite.settings.params import TuningTrack

TUNED = "tuned"
HOW_TUNED = {
    TUNED: "on true labels",
    "tuned_under_noise": "under label noise",
    "tuned_with_noisy_validation": "under label noise, chosen by it too",
}
"""How values of a tuning track were found, after the word "tuned"."""


@dataclass(frozen=True)
class Outcome:
    """What board and verdicts say of PFML.

    Attributes:
        track: how values were chosen.
        rows: the leaderboard of this regime and track.
        compared: verdicts on PFML against the best baseline, a row a table.
        beaten: number of tables in which another loss was shown to be ahead of PFML: the best by its mean need not be one.
    """

    track: str
    rows: pd.DataFrame
    compared: pd.DataFrame
    beaten: int

    def number(self, verdict: str) -> int:
        """How many comparisons had this verdict."""
        return int((self.compared["verdict"] == verdict).sum())

    def tables(self, verdict: str) -> str:
        """How many comparisons had this verdict, and on which data sets."""
        names = ", ".join(dict.fromkeys(self.compared.loc[self.compared["verdict"] == verdict, "dataset"].map(str)))
        return f"{self.number(verdict)} (on {names})" if names else "0"

    @property
    def wins(self) -> bool:
        """Whether PFML is ahead in more than half of the comparisons, and behind in none."""
        return self.number("ahead") > len(self.compared) / 2 and not self.number("behind")

    @property
    def unjudged(self) -> str:
        """How many comparisons no test judged, and why; empty where all were judged."""
        counts = self.compared["verdict"].value_counts().to_dict()
        return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if verdict not in JUDGED)

    @property
    def above_frozen(self) -> tuple[int, int]:
        """In how many tables PFML's mean is above the frozen backbone's, and of how many."""
        gains = self.rows.loc[self.rows["loss"] == METHOD, "gain_over_frozen"]
        return int((gains > 0).sum()), len(gains)

    @property
    def extent(self) -> str:
        """What the comparisons rest on: data sets, splits, noise, runs and the budget of tuning."""
        levels = len(self.rows[["noise_kind", "noise_level"]].drop_duplicates())
        parts = (
            counted_noun(len(set(self.rows["dataset"])), "data set"),
            "their stored class split",
            counted_noun(levels, "level") + " of label noise",
            _runs(self.rows),
            _budget(self.rows),
        )
        return ", ".join(parts)


def outcomes(board: pd.DataFrame, verdicts: pd.DataFrame) -> tuple[Outcome, ...]:
    """How PFML fared on the main tuning track of a regime, then on each further one; none where it was not compared.

    Args:
        board: rows of one regime on the leaderboard.
        verdicts: each loss against pfml and the best baseline, of the same regime.
    """
    main = str(main_track(board)["track"].iloc[0])
    found = []
    for track in (main, *(each for each in get_args(TuningTrack) if each != main)):
        mine = verdicts[verdicts["track"] == track]
        compared = mine[(mine["loss"] == METHOD) & (mine["against"] == BEST)]
        if len(compared):
            found.append(Outcome(track, board[board["track"] == track], compared, _beaten(mine)))
        elif track == main:
            break
    return tuple(found)


def main_track(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the tuned track of one regime, or of its first track where it has no tuned one."""
    tracks = rows["track"]
    return rows[tracks == (TUNED if TUNED in set(tracks) else tracks.iloc[0])]


def _beaten(verdicts: pd.DataFrame) -> int:
    ahead = verdicts[(verdicts["against"] == METHOD) & (verdicts["verdict"] == "ahead")]
    return len(ahead[list(TABLE)].drop_duplicates())


def _runs(rows: pd.DataFrame) -> str:
    """How many runs a loss has, and how they divide into searches."""
    runs, searches = counted_noun(rows["runs"].max(), "run"), 0
    if "searches" in rows:
        searches = int(rows.loc[rows["runs"] > 0, "searches"].min())
    if searches < 2:
        return f"{runs} a loss, all of one search" if searches else f"{runs} a loss"
    alone = searches == rows["runs"].max()
    return f"{runs} a loss, " + ("each of another search and seed" if alone else f"seeds within {searches} searches")


def _budget(rows: pd.DataFrame) -> str:
    """What may be said of the trials: the same number for all, or which were how many."""
    track = str(rows["track"].iloc[0])
    if track not in HOW_TUNED:
        return f"tuning track {track}"
    return (
        f"tuned with equal budgets {HOW_TUNED[track]}" if has_equal_budgets(rows) else f"values from {of_trials(rows)}"
    )
