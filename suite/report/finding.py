"""What was found, a regime each: for the README, the first page of the site, and the end of ``dvc repro``.

The first sentence says how often PFML was ahead of the best baseline in one tuning track: ``tuned`` where the regime has it,
else its first. Then who is best under noise, and where PFML stands. The others say how claims of the regime were judged: a
sentence a topic, then what weakens them all. The README has the counts of all claims in place of the topics.
"""

from dataclasses import dataclass
from typing import get_args

import pandas as pd

from suite.errors import counted_noun
from suite.evaluation.records import TABLE
from suite.evaluation.tables import HANDED_IN
from suite.judging.leaderboard.contrast import JUDGED
from suite.judging.leaderboard.table import TIES_OWN
from suite.judging.leaderboard.verdicts import BEST, METHOD
from suite.report.budgets import has_equal_budgets, of_trials
from suite.report.families import ReportJson
from suite.report.tables import REGIMES
from suite.report.topics import found_by_verdict, found_of_claims
from suite.report.under_noise import best_under_noise
from suite.settings.params import TuningTrack

TUNED = "tuned"
PAPER = "PFML (Bhatnagar & Ahuja, CVPR 2025)"


@dataclass(frozen=True)
class Finding:
    """What was found in one regime.

    Attributes:
        regime: what learns.
        outcome: whether PFML wins, up to a colon.
        counts: the rest of that sentence: how often it was ahead, and behind.
        extent: how much that rests on.
        tracks: a clause on each further tuning track.
        under_noise: who is best under label noise and where PFML stands, in one string; empty where there is no noise.
        claims: sentences on how claims were judged; none where none was.
        by_verdict: how many results of claims had which verdict, in one sentence; empty where none was judged.
    """

    regime: str
    outcome: str
    counts: str
    extent: str
    tracks: tuple[str, ...]
    under_noise: str
    claims: tuple[str, ...]
    by_verdict: str

    @property
    def comparisons(self) -> str:
        """What follows the outcome: the counts, what they rest on, and further tracks."""
        return "; ".join([f"{self.counts} ({self.extent})", *self.tracks]) + "."

    @property
    def further(self) -> tuple[str, ...]:
        """What follows the comparisons, a paragraph each."""
        return (*([self.under_noise] if self.under_noise else []), *self.claims)

    def text(self) -> list[str]:
        """All as plain text, a paragraph each."""
        return [f"{self.outcome} {self.comparisons}", *self.further]

    def brief(self) -> list[str]:
        """Who wins on each tuning track, without what that rests on; then what weakens it."""
        return [f"{self.outcome} {'; '.join([self.counts, *self.tracks])}.", *self.claims[-1:]]

    def markdown(self) -> str:
        """For the README, a paragraph: the outcome bold, claims counted by verdict in place of their topics."""
        told = [f"**{self.outcome}** {self.comparisons}", self.under_noise, self.by_verdict, *self.claims[-1:]]
        return "\n".join(filter(None, told))


def findings(board: pd.DataFrame, verdicts: pd.DataFrame | None, claims: ReportJson | None) -> list[Finding]:
    """What was found in each regime on the leaderboard in which PFML was compared with a baseline.

    Args:
        board: rows of the leaderboard, of any number of regimes; may be empty.
        verdicts: each loss against pfml and the best baseline; None if there are none.
        claims: the report on claims; None if there is none.
    """
    if board.empty or verdicts is None:
        return []
    board, verdicts = _own(board), _own(verdicts)
    found = []
    for regime in dict.fromkeys(board["regime"].map(str)):
        rows = main_track(board[board["regime"] == regime])
        mine = verdicts[(verdicts["regime"] == regime) & (verdicts["track"] == rows["track"].iloc[0])]
        compared = mine[(mine["loss"] == METHOD) & (mine["against"] == BEST)]
        if len(compared):
            told = found_of_claims(claims, regime) if claims is not None else ()
            further = _on_further_tracks(verdicts[verdicts["regime"] == regime], str(rows["track"].iloc[0]))
            noisy = " ".join(best_under_noise(board[board["regime"] == regime]))
            counts = found_by_verdict(claims, regime) if claims is not None else ""
            on_board = found_on_board(rows, compared, _beaten(mine))
            found.append(Finding(regime, *on_board, further, noisy, told, counts))
    return found


def _on_further_tracks(verdicts: pd.DataFrame, main: str) -> tuple[str, ...]:
    """A clause on each tuning track besides the main one: how often PFML is ahead of the best baseline."""
    told = []
    for track in (each for each in get_args(TuningTrack) if each != main):
        rows = verdicts[verdicts["track"] == track]
        mine = rows[(rows["loss"] == METHOD) & (rows["against"] == BEST)]
        if total := len(mine):
            told.append(
                f"on track {track} it is ahead in {_tables(mine, 'ahead')} of {total}, behind in "
                f"{_tables(mine, 'behind')}, another loss ahead in {_beaten(rows)}"
            )
    return tuple(told)


def _beaten(verdicts: pd.DataFrame) -> int:
    """Number of tables in which another loss was shown to be ahead of PFML: the best by its mean need not be one."""
    ahead = verdicts[(verdicts["against"] == METHOD) & (verdicts["verdict"] == "ahead")]
    return len(ahead[list(TABLE)].drop_duplicates())


def _tables(verdicts: pd.DataFrame, verdict: str) -> str:
    """How many verdicts are this one, and on which data sets."""
    those = verdicts[verdicts["verdict"] == verdict]
    names = ", ".join(dict.fromkeys(those["dataset"].map(str)))
    return f"{len(those)} (on {names})" if names else "0"


def _own(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows without those that were handed in, and ties among them: what is said to be found was found here."""
    if HANDED_IN not in rows:
        return rows
    mine = rows[rows[HANDED_IN].fillna("") == ""]
    return mine.assign(ties_best=mine[TIES_OWN].fillna(value=False).astype(bool)) if TIES_OWN in mine else mine


def main_track(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the tuned track of one regime, or of its first track where it has no tuned one."""
    tracks = rows["track"]
    return rows[tracks == (TUNED if TUNED in set(tracks) else tracks.iloc[0])]


def found_on_board(rows: pd.DataFrame, verdicts: pd.DataFrame, beaten: int) -> tuple[str, str, str]:
    """How often PFML was ahead of the best baseline: the outcome, up to a colon, the numbers, and what they rest on.

    It wins where it is ahead in more than half of the comparisons, and behind in none.

    Args:
        rows: the leaderboard of one regime and track.
        verdicts: those of PFML against the best baseline, of the same.
        beaten: number of tables in which another loss was shown to be ahead of PFML: the best by its mean need not be one.
    """
    counts = verdicts["verdict"].value_counts().to_dict()
    ahead, behind = counts.get("ahead", 0), counts.get("behind", 0)
    wins = ahead > len(verdicts) / 2 and not behind
    learns = REGIMES[str(rows["regime"].iloc[0])].rstrip(".")
    outcome = f"Where {learns[0].lower()}{learns[1:]}, {PAPER} {'wins' if wins else 'does not win'}:"
    levels = len(rows[["noise_kind", "noise_level"]].drop_duplicates())
    extent = (
        counted_noun(len(set(rows["dataset"])), "data set"),
        "their stored class split",
        counted_noun(levels, "level") + " of label noise",
        _runs(rows),
        _budget(rows),
    )
    gains = rows.loc[rows["loss"] == METHOD, "gain_over_frozen"]
    others = [f"{count} {verdict}" for verdict, count in counts.items() if verdict not in JUDGED]
    unjudged = f" ({', '.join(others)})" if others else ""
    told = (
        f"it is ahead of the best baseline in {_tables(verdicts, 'ahead')} of {len(verdicts)} comparisons of R@1, behind it "
        f"in {_tables(verdicts, 'behind')}, and not told apart in {counts.get('not told apart', 0)}{unjudged}; "
        f"another loss, tested by itself, is ahead of PFML in {beaten}; PFML's mean is above the frozen backbone's in "
        f"{int((gains > 0).sum())} of {len(gains)}"
    )
    return outcome, told, ", ".join(extent)


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
    if track != TUNED:
        return f"tuning track {track}"
    return "tuned with equal budgets on true labels" if has_equal_budgets(rows) else f"values from {of_trials(rows)}"
