"""What was found, a regime each: for the README, the first page of the site, and the end of ``dvc repro``.

The first sentence says how often PFML was ahead of the best baseline in one tuning track: ``tuned`` where the regime has it,
else its first. The others say how claims of the regime were judged: a sentence a topic, then what weakens them all.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import pandas as pd

from suite.evaluation.records import TABLE
from suite.judging.claims.evidence import Verdict
from suite.judging.claims.words import verdict_word
from suite.judging.leaderboard.verdicts import BEST, METHOD
from suite.report.budgets import counted, of_trials
from suite.report.families import SPEAKERS, ClaimJson, ReportJson, fragile, said_by, was_run
from suite.report.tables import REGIMES
from suite.report.text import HANDED_IN
from suite.settings.params import TuningTrack

_DEFINITE = (Verdict.SUPPORTED, Verdict.CONTRADICTED, Verdict.EQUIVALENT)
TUNED = "tuned"
PAPER = "PFML (Bhatnagar & Ahuja, CVPR 2025)"

TOPICS: tuple[Mapping[str, tuple[str, ...]], ...] = (
    {
        "PFML retrieves better than each baseline": ("above-baselines",),
        "wrong labels take less from it than from each baseline": ("robustness",),
        "with values chosen under label noise PFML retrieves better than each baseline": (
            "above-baselines-noise-20-tuned_under_noise",
            "above-baselines-noise-40-tuned_under_noise",
        ),
        "wrong labels then take less from it than from each baseline": (
            "robustness-20-tuned_under_noise",
            "robustness-slope-tuned_under_noise",
        ),
    },
    {
        "R@1 follows alpha, delta, the number of proxies and the repulsion margin as the paper plots it": ("ablation",),
        "wrong labels take less from it at a larger alpha, smaller delta or smaller repulsion margin, its rates and the "
        "bound of its repulsion searched anew": ("interaction",),
        "it is better than its own energy without decay, and loses less to wrong labels": ("control",),
    },
    {
        "its proxies lie closer to their class than those of other losses": ("corollary-1",),
        "the trained field has a minimum near each embedding": ("proposition-1",),
    },
)
"""A sentence each: what claims say, and how the names of their families begin; the longest beginning counts."""
_OTHERS = "Other claims"


@dataclass(frozen=True)
class Finding:
    """What was found in one regime.

    Attributes:
        regime: what learns.
        outcome: whether PFML wins, up to a colon.
        counts: the rest of that sentence: how often it was ahead, and behind.
        extent: how much that rests on.
        tracks: a clause on each further tuning track.
        claims: sentences on how claims were judged; none where none was.
    """

    regime: str
    outcome: str
    counts: str
    extent: str
    tracks: tuple[str, ...]
    claims: tuple[str, ...]

    @property
    def comparisons(self) -> str:
        """What follows the outcome: the counts, what they rest on, and further tracks."""
        return "; ".join([f"{self.counts} ({self.extent})", *self.tracks]) + "."

    def text(self) -> list[str]:
        """The sentences as plain text, one each."""
        return [f"{self.outcome} {self.comparisons}", *self.claims]

    def brief(self) -> list[str]:
        """Who wins on each tuning track, without what that rests on; then what weakens it."""
        return [f"{self.outcome} {'; '.join([self.counts, *self.tracks])}.", *self.claims[-1:]]

    def markdown(self) -> str:
        """The same, the outcome bold."""
        return "\n".join([f"**{self.outcome}** {self.comparisons}", *self.claims])


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
        beaten = mine[(mine["against"] == METHOD) & (mine["verdict"] == "ahead")]
        mine = mine[(mine["loss"] == METHOD) & (mine["against"] == BEST)]
        if len(mine):
            told = found_of_claims(claims, regime) if claims is not None else ()
            tables = len(beaten[list(TABLE)].drop_duplicates())
            further = _on_further_tracks(verdicts[verdicts["regime"] == regime], str(rows["track"].iloc[0]))
            found.append(Finding(regime, *found_on_board(rows, mine, tables), further, told))
    return found


def _on_further_tracks(verdicts: pd.DataFrame, main: str) -> tuple[str, ...]:
    """A clause on each tuning track besides the main one: how often PFML is ahead of the best baseline."""
    mine = verdicts[(verdicts["loss"] == METHOD) & (verdicts["against"] == BEST)]
    told = []
    for track in (each for each in get_args(TuningTrack) if each != main):
        counts = mine.loc[mine["track"] == track, "verdict"].value_counts().to_dict()
        if total := sum(counts.values()):
            ahead, behind = counts.get("ahead", 0), counts.get("behind", 0)
            told.append(f"on track {track} it is ahead in {ahead} of {total} and behind in {behind}")
    return tuple(told)


def _own(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows without those that were handed in: what is said to be found was found here."""
    return rows[rows[HANDED_IN].fillna("") == ""] if HANDED_IN in rows else rows


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
        _count(len(set(rows["dataset"])), "data set"),
        "their stored class split",
        _count(levels, "level") + " of label noise",
        _runs(rows),
        _budget(rows),
    )
    gains = rows.loc[rows["loss"] == METHOD, "gain_over_frozen"]
    above, level = int((gains > 0).sum()), len(verdicts) - ahead - behind
    told = (
        f"it is ahead of the best baseline in {ahead} of {len(verdicts)} comparisons of R@1, behind it in {behind}, and not "
        f"told apart from it in {level}; another loss, tested by itself, is ahead in {beaten}; its mean lies above the "
        f"frozen backbone's in {above} of {len(gains)}"
    )
    return outcome, told, ", ".join(extent)


def _runs(rows: pd.DataFrame) -> str:
    """How many runs a loss has, and how they divide into searches."""
    runs, searches = _count(rows["runs"].max(), "run"), 0
    if "searches" in rows:
        searches = int(rows.loc[rows["runs"] > 0, "searches"].min())
    if searches < 2:
        return f"{runs} of each loss, all of one search" if searches else f"{runs} of each loss"
    alone = searches == rows["runs"].max()
    return f"{runs} of each loss, " + (
        "each of another search and seed" if alone else f"seeds within {searches} searches"
    )


def _budget(rows: pd.DataFrame) -> str:
    """What may be said of the trials: the same number for all, or which were how many."""
    track = str(rows["track"].iloc[0])
    if track != TUNED:
        return f"tuning track {track}"
    counts = counted(rows)
    equal = len(set(counts.values())) < 2 and 0 not in counts.values()
    return "tuned with equal budgets on true labels" if equal else f"values from {of_trials(rows)}"


def found_of_claims(claims: ReportJson, regime: str) -> tuple[str, ...]:
    """How claims of a regime were judged: a sentence for each of ``TOPICS`` with claims, one for others, one on all.

    Claims that need no training are of no regime, and are not counted. Nothing is said where none was run.
    """
    mine = [claim for claim in claims["claims"] if claim["regime"] == regime]
    if not any(map(was_run, mine)):
        return ()
    by_topic: dict[str, list[ClaimJson]] = {}
    for claim in mine:
        by_topic.setdefault(_topic(str(claim["family"])), []).append(claim)
    told = [
        [f"that {says}: {counts}" for says in topic if (counts := _judged(by_topic.get(says, []), regime))]
        for topic in TOPICS
    ]
    sentences = [f"T{text[1:]}." for clauses in told if (text := "; ".join(clauses))]
    if others := _judged(by_topic.get(_OTHERS, []), regime):
        sentences.append(f"{_OTHERS}: {others}.")
    return (*sentences, _weakened(mine, claims["claims"]))


def _topic(family: str) -> str:
    """What claims of a family say, by ``TOPICS``."""
    begins = {name: says for topic in TOPICS for says, families in topic.items() for name in families}
    return begins.get(max((name for name in begins if family.startswith(name)), key=len, default=""), _OTHERS)


def _judged(claims: Sequence[ClaimJson], regime: str) -> str:
    """Results by verdict, of what the paper says and of what the suite has carried on apart."""
    told = []
    for speaker, words in SPEAKERS.items():
        lines = _results(claim for claim in claims if said_by(claim) == speaker)
        if lines:
            results = Counter(line["verdict"] for line in lines)
            verdicts = ", ".join(f"{results[each]} {verdict_word(each, regime)}" for each in Verdict if results[each])
            told.append(f"{verdicts} (on {words})")
    return " and ".join(told)


def _weakened(claims: Sequence[ClaimJson], every: Sequence[ClaimJson]) -> str:
    """What weakens the verdicts: other looks, fresh seeds, other splits of the classes, what is not or cannot be run here.

    A result is definite if it is neither inconclusive nor without the premise of its theorem.
    """
    every_line = _results(claims)
    lines = [line for line in every_line if line["verdict"] != Verdict.NOT_RUN]
    definite = [line for line in lines if line["verdict"] in _DEFINITE]
    fresh = [line["fresh_seeds"]["verdict"] != line["verdict"] for line in definite if line.get("fresh_seeds")]
    differ = [line for line in definite if line["verdict"] != Verdict.EQUIVALENT and line.get("splits")]
    turned = [any(float(effect) * float(line["effect"]) <= 0 for effect in line["splits"].values()) for line in differ]
    told = [
        f"Of the {_count(len(lines), 'result')} run {len(definite)} are definite",
        f"another look at the records changes {len(fragile(definite))} of these"
        + (f", fresh seeds {sum(fresh)} of the {len(fresh)} tried" if fresh else "")
        + (f", another class split the sign of {sum(turned)} of the {len(turned)} tried" if turned else ""),
        *([] if any(line.get("splits") for line in lines) else ["further class splits were not tried"]),
    ]
    if missing := len(every_line) - len(lines):
        told.append(f"not run: {_count(missing, 'result')}")
    if beyond := sum(bool(claim.get("out_of_reach")) for claim in every):
        told.append(f"not to be run here: {beyond} of the paper's claims")
    return f"{'; '.join(told)}."


def _results(claims: Iterable[ClaimJson]) -> list[Mapping[str, Any]]:
    """Results that count, of data sets each."""
    return [line for claim in claims for line in claim["lines"] if line["counts"]]


def _count(number: int, noun: str, nouns: str = "") -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {nouns or noun + 's'}"
