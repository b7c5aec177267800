"""Fills the README's results: sentences that say what was found, and one table, between markers.

Both follow from ``results/verdicts.csv``, ``results/leaderboard.json`` and ``results/claims.json``, of the first regime on
the leaderboard and its tuned track. Noise levels shown are the least and the greatest one.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from suite.errors import SuiteError
from suite.evaluation.retrieval import MAIN_METRIC
from suite.files import read_text, write_text
from suite.judging.claims.evidence import Verdict
from suite.judging.claims.words import verdict_word
from suite.judging.leaderboard.table import FROZEN
from suite.judging.leaderboard.verdicts import BEST, METHOD
from suite.report.budgets import counted, of_trials
from suite.report.families import SPEAKERS, ReportJson, families
from suite.report.results import read_board, read_claims, read_verdicts
from suite.report.tables import REGIMES, losses_of, share, shown_name
from suite.report.text import NOTHING, escaped, markdown_table
from suite.settings.paths import BOARD_FILE, CLAIMS_FILE, VERDICTS_FILE

README = Path("README.md")
FOUND_MARKER, TABLE_MARKER = "found", "table"
"""Names of the markers."""
_TUNED = "tuned"


def update_readme(results: Path, readme: Path = README) -> None:
    """Write the README anew with the results of a folder.

    Raises:
        SuiteError: a result is missing, or the README lacks a marker.
    """
    if not readme.is_file():
        raise SuiteError(f"{readme} is missing; run from the project's root")
    write_text(readme, filled(read_text(readme, "save it as UTF-8"), results))


def filled(readme: str, results: Path) -> str:
    """The README's text with the results of a folder in it.

    Raises:
        SuiteError: a result is missing, or the README lacks a marker.
    """
    paths = [results / path.name for path in (BOARD_FILE, VERDICTS_FILE, CLAIMS_FILE)]
    for path in paths:
        if not path.is_file():
            raise SuiteError(f"{path} is missing; run: dvc repro")
    return with_results(readme, read_board(paths[0]), read_verdicts(paths[1]), read_claims(paths[2]))


def with_results(readme: str, board: pd.DataFrame, verdicts: pd.DataFrame, claims: ReportJson) -> str:
    """The README's text with the results in it.

    Args:
        readme: text of the README, with the markers of both parts.
        board: rows of the leaderboard.
        verdicts: each loss against pfml and the best baseline.
        claims: the report on claims.

    Raises:
        SuiteError: a marker is missing.
    """
    regime = str(board["regime"].iloc[0])
    rows = board[(board["regime"] == regime) & (board["track"] == _TUNED)]
    judged = verdicts[(verdicts["regime"] == regime) & (verdicts["track"] == _TUNED)]
    sentences = f"{found_on_board(rows, judged)}\n{found_of_claims(claims, regime)}"
    return _between(_between(readme, FOUND_MARKER, sentences), TABLE_MARKER, compact_table(rows))


def _between(text: str, part: str, content: str) -> str:
    start, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    if start not in text or end not in text:
        raise SuiteError(f"README.md lacks a marker; it must hold {start} and {end}")
    before, rest = text.split(start, 1)
    return f"{before}{start}\n{content}\n{end}{rest.split(end, 1)[1]}"


def found_on_board(rows: pd.DataFrame, verdicts: pd.DataFrame) -> str:
    """How often PFML was ahead of the best baseline, in a sentence."""
    mine = verdicts[(verdicts["loss"] == METHOD) & (verdicts["against"] == BEST)]
    counts = mine["verdict"].value_counts().to_dict()
    ahead, behind = counts.get("ahead", 0), counts.get("behind", 0)
    learns = REGIMES[str(rows["regime"].iloc[0])].rstrip(".")
    outcome = f"Where {learns[0].lower()}{learns[1:]}, PFML {'wins' if ahead > behind else 'does not win'}"
    levels = len(rows[["noise_kind", "noise_level"]].drop_duplicates())
    extent = [_count(len(set(rows["dataset"])), "data set"), _count(levels, "level") + " of label noise"]
    seeds = _count(rows["runs"].max(), "seed")
    return (
        f"**{outcome}:** it is ahead of the best baseline in {ahead} of {len(mine)} comparisons of R@1, behind it in "
        f"{behind}, and not told apart from it in {len(mine) - ahead - behind} ({', '.join(extent)}, {seeds}, "
        f"{_budget(rows)})."
    )


def _budget(rows: pd.DataFrame) -> str:
    """What may be said of the trials: the same number for all, or which were how many."""
    counts = counted(rows)
    equal = len(set(counts.values())) < 2 and 0 not in counts.values()
    return "tuned with equal budgets" if equal else f"values from {of_trials(rows)}"


def found_of_claims(claims: ReportJson, regime: str) -> str:
    """How many results of claims there are by verdict, what the paper says and what the suite has carried on apart."""
    sentences = []
    for speaker, words in SPEAKERS.items():
        mine = [f for f in families(claims) if f.was_run and (f.said_by, f.regime) == (speaker, regime)]
        if not mine:
            continue
        results, flipped = Counter[str](), sum(family.fragile for family in mine)
        for family in mine:
            results += family.results
        total = results.total()
        told = ", ".join(
            f"{results[verdict]} {verdict_word(verdict, regime)}" for verdict in Verdict if results[verdict]
        )
        sentences.append(
            f"On {words}, {_count(total, 'result')} in this regime, a claim on a data set each: {told}; "
            f"{flipped} of {total} fragile."
        )
    return " ".join(sentences)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def compact_table(rows: pd.DataFrame) -> str:
    """R@1 of each loss on each data set at the least and the greatest noise level, the best first."""
    kinds = len(set(rows["noise_kind"])) > 1
    columns: dict[str, pd.DataFrame] = {}
    for (dataset, kind), mine in rows.groupby(["dataset", "noise_kind"], sort=False):
        for level in sorted({mine["noise_level"].min(), mine["noise_level"].max()}):
            at = mine[mine["noise_level"] == level]
            columns[f"{dataset}, {kind if kinds else 'noise'} {level:g}"] = at.set_index("loss", drop=False)
    names = sorted(losses_of(rows), key=lambda loss: (loss == FROZEN, -_mean(columns.values(), loss)))
    body = [
        [
            escaped(shown_name(rows, loss)),
            *(share(mine.loc[loss]) if loss in mine.index else NOTHING for mine in columns.values()),
        ]
        for loss in names
    ]
    return markdown_table(["R@1, %", *columns], body, ["---", *["---:"] * len(columns)]).rstrip()


def _mean(columns: Iterable[pd.DataFrame], loss: str) -> float:
    values = [mine.loc[loss, MAIN_METRIC] for mine in columns if loss in mine.index]
    return float(pd.Series(values, dtype=float).fillna(0).mean())
