"""What was found, a regime each: for the README, the first page of the site, and the end of ``dvc repro``.

The first sentence says how often PFML was ahead of the best baseline, the second how claims were judged. Both are about one
regime and one tuning track: ``tuned`` where the regime has it, else its first.
"""

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from suite.judging.claims.evidence import Verdict
from suite.judging.claims.words import verdict_word
from suite.judging.leaderboard.verdicts import BEST, METHOD
from suite.report.budgets import counted, of_trials
from suite.report.families import SPEAKERS, ReportJson, families
from suite.report.tables import REGIMES
from suite.report.text import HANDED_IN

TUNED = "tuned"
PAPER = "PFML (Bhatnagar & Ahuja, CVPR 2025)"


@dataclass(frozen=True)
class Finding:
    """What was found in one regime.

    Attributes:
        regime: what learns.
        outcome: whether PFML wins, up to a colon.
        comparisons: the rest of that sentence.
        claims: how claims were judged; empty where none was.
    """

    regime: str
    outcome: str
    comparisons: str
    claims: str

    def text(self) -> list[str]:
        """The sentences as plain text, one each."""
        return [f"{self.outcome} {self.comparisons}", *filter(None, [self.claims])]

    def markdown(self) -> str:
        """The same, the outcome bold."""
        return "\n".join([f"**{self.outcome}** {self.comparisons}", *filter(None, [self.claims])])


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
        mine = mine[(mine["loss"] == METHOD) & (mine["against"] == BEST)]
        if len(mine):
            told = found_of_claims(claims, regime) if claims is not None else ""
            found.append(Finding(regime, *found_on_board(rows, mine), told))
    return found


def _own(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows without those that were handed in: what is said to be found was found here."""
    return rows[rows[HANDED_IN].fillna("") == ""] if HANDED_IN in rows else rows


def main_track(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the tuned track of one regime, or of its first track where it has no tuned one."""
    tracks = rows["track"]
    return rows[tracks == (TUNED if TUNED in set(tracks) else tracks.iloc[0])]


def found_on_board(rows: pd.DataFrame, verdicts: pd.DataFrame) -> tuple[str, str]:
    """How often PFML was ahead of the best baseline: the outcome, up to a colon, and the numbers.

    It wins where it is ahead in more than half of the comparisons, and behind in none.

    Args:
        rows: the leaderboard of one regime and track.
        verdicts: those of PFML against the best baseline, of the same.
    """
    counts = verdicts["verdict"].value_counts().to_dict()
    ahead, behind = counts.get("ahead", 0), counts.get("behind", 0)
    wins = ahead > len(verdicts) / 2 and not behind
    learns = REGIMES[str(rows["regime"].iloc[0])].rstrip(".")
    outcome = f"Where {learns[0].lower()}{learns[1:]}, {PAPER} {'wins' if wins else 'does not win'}:"
    levels = len(rows[["noise_kind", "noise_level"]].drop_duplicates())
    extent = (
        _count(len(set(rows["dataset"])), "data set"),
        "the stored split of their classes",
        _count(levels, "level") + " of label noise",
        _count(rows["runs"].max(), "seed"),
        _budget(rows),
    )
    gains = rows.loc[rows["loss"] == METHOD, "gain_over_frozen"]
    above, level = int((gains > 0).sum()), len(verdicts) - ahead - behind
    return outcome, (
        f"it is ahead of the best baseline in {ahead} of {len(verdicts)} comparisons of R@1, behind it in {behind}, and not "
        f"told apart from it in {level}; it lies above the frozen backbone in {above} of {len(gains)} ({', '.join(extent)})."
    )


def _budget(rows: pd.DataFrame) -> str:
    """What may be said of the trials: the same number for all, or which were how many."""
    track = str(rows["track"].iloc[0])
    if track != TUNED:
        return f"tuning track {track}"
    counts = counted(rows)
    equal = len(set(counts.values())) < 2 and 0 not in counts.values()
    told = "tuned with equal budgets on true labels" if equal else f"values from {of_trials(rows)}"
    searches = int(rows.loc[rows["runs"] > 0, "searches"].min()) if "searches" in rows else 0
    return f"{told}, {_count(searches, 'search', 'searches')} of each loss" if searches else told


def found_of_claims(claims: ReportJson, regime: str) -> str:
    """How many results of claims there are by verdict, what the paper says and what the suite has carried on apart.

    Claims that need no training are of no regime, and are not counted.
    """
    told = []
    for speaker, words in SPEAKERS.items():
        mine = [f for f in families(claims) if f.was_run and (f.said_by, f.regime) == (speaker, regime)]
        if not mine:
            continue
        results, flipped = Counter[str](), sum(family.fragile for family in mine)
        for family in mine:
            results += family.results
        verdicts = ", ".join(
            f"{results[verdict]} {verdict_word(verdict, regime)}" for verdict in Verdict if results[verdict]
        )
        told.append(f"on {words} {_count(results.total(), 'result')}: {verdicts}, {flipped} of them fragile")
    if not told:
        return ""
    return f"Claims of this regime, judged on each data set: {'; '.join(told)} (another look at the records changes these)."


def _count(number: int, noun: str, nouns: str = "") -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {nouns or noun + 's'}"
