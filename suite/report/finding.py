"""What was found, a regime each: for the README, the first page of the site, and the end of ``dvc repro``.

The first sentence says how often PFML was ahead of the best baseline in one tuning track: ``tuned`` where the regime has it,
else its first. Then who is best under noise, and where PFML stands. The others say how claims of the regime were judged: a
sentence a topic, then what weakens them all. The README has the same in tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from suite.evaluation.tables import HANDED_IN
from suite.judging.leaderboard.table import TIES_OWN
from suite.report.families import ReportJson
from suite.report.outcomes import Outcome, outcomes
from suite.report.tables import REGIMES
from suite.report.topics import counts_by_subject, found_of_claims
from suite.report.under_noise import best_under_noise

PAPER = "PFML (Bhatnagar & Ahuja, CVPR 2025)"


@dataclass(frozen=True)
class Finding:
    """What was found in one regime.

    Attributes:
        regime: what learns.
        outcomes: how PFML fared on the main tuning track, then on each further one.
        under_noise: who is best under label noise and where PFML stands, in one string; empty where there is no noise.
        claims: sentences on how claims were judged; none where none was.
        by_subject: how many results of claims had which verdict, by who says it and of what; empty where none was judged.
    """

    regime: str
    outcomes: tuple[Outcome, ...]
    under_noise: str
    claims: tuple[str, ...]
    by_subject: Mapping[str, str]

    @property
    def where(self) -> str:
        """What learns, as the beginning of a sentence."""
        learns = REGIMES[self.regime].rstrip(".")
        return f"Where {learns[0].lower()}{learns[1:]}"

    @property
    def outcome(self) -> str:
        """Whether PFML wins, up to a colon."""
        return f"{self.where}, {PAPER} {'wins' if self.outcomes[0].wins else 'does not win'}:"

    @property
    def counts(self) -> str:
        """The rest of that sentence: how often it was ahead, and behind."""
        main = self.outcomes[0]
        unjudged = f" ({main.unjudged})" if main.unjudged else ""
        above, of = main.above_frozen
        return (
            f"it is ahead of the best baseline in {main.tables('ahead')} of {len(main.compared)} comparisons of R@1, "
            f"behind it in {main.tables('behind')}, and not told apart in {main.number('not told apart')}{unjudged}; "
            f"another loss, tested by itself, is ahead of PFML in {main.beaten}; PFML's mean is above the frozen "
            f"backbone's in {above} of {of}"
        )

    @property
    def tracks(self) -> tuple[str, ...]:
        """A clause on each further tuning track."""
        return tuple(
            f"on track {each.track} it is ahead in {each.tables('ahead')} of {len(each.compared)}, behind in "
            f"{each.tables('behind')}, another loss ahead in {each.beaten}"
            for each in self.outcomes[1:]
        )

    @property
    def comparisons(self) -> str:
        """What follows the outcome: the counts, what they rest on, and further tracks."""
        return "; ".join([f"{self.counts} ({self.outcomes[0].extent})", *self.tracks]) + "."

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
        rows = board[board["regime"] == regime]
        if fared := outcomes(rows, verdicts[verdicts["regime"] == regime]):
            told = found_of_claims(claims, regime) if claims is not None else ()
            counts = counts_by_subject(claims, regime) if claims is not None else {}
            found.append(Finding(regime, fared, " ".join(best_under_noise(rows)), told, counts))
    return found


def _own(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows without those that were handed in, and ties among them: what is said to be found was found here."""
    if HANDED_IN not in rows:
        return rows
    mine = rows[rows[HANDED_IN].fillna("") == ""]
    return mine.assign(ties_best=mine[TIES_OWN].fillna(value=False).astype(bool)) if TIES_OWN in mine else mine
