"""Fills the README's results: sentences that say what was found in each regime, and one table, between markers.

Both follow from ``verdicts.csv``, ``leaderboard.json`` and ``claims.json`` in ``results/`` and in the folders of other
regimes below it. The table is of the first regime on the leaderboard, its tuned track, at the least and most noise, and of
the losses that the grid runs.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from suite.errors import SuiteError
from suite.evaluation.retrieval import MAIN_METRIC
from suite.evaluation.tables import handed_in_losses
from suite.files import read_text, write_text
from suite.judging.leaderboard.table import FROZEN
from suite.report.families import ReportJson
from suite.report.finding import findings, main_track
from suite.report.results import joined, read_boards, read_claim_files, read_verdict_files
from suite.report.tables import OF_STUDY, losses_of, share, shown_name
from suite.report.text import NOTHING, escaped, markdown_table
from suite.settings.paths import BOARD_FILE, CLAIMS_FILE, VERDICTS_FILE

README = Path("README.md")
FOUND_MARKER, TABLE_MARKER = "found", "table"
"""Names of the markers."""


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
    claims = joined(read_claim_files(results)) or {"claims": []}
    return with_results(readme, read_boards(results), read_verdict_files(results), claims)


def with_results(readme: str, board: pd.DataFrame, verdicts: pd.DataFrame | None, claims: ReportJson) -> str:
    """The README's text with the results in it.

    Args:
        readme: text of the README, with the markers of both parts.
        board: rows of the leaderboard.
        verdicts: each loss against pfml and the best baseline.
        claims: the report on claims.

    Raises:
        SuiteError: a marker is missing.
    """
    sentences = "\n\n".join(finding.markdown() for finding in findings(board, verdicts, claims))
    rows = main_track(board[board["regime"] == board["regime"].iloc[0]])
    if OF_STUDY in rows:
        rows = rows[~rows[OF_STUDY]]  # the leaderboard has them
    return _between(_between(readme, FOUND_MARKER, sentences), TABLE_MARKER, compact_table(rows))


def _between(text: str, part: str, content: str) -> str:
    start, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    if start not in text or end not in text:
        raise SuiteError(f"README.md lacks a marker; it must hold {start} and {end}")
    before, rest = text.split(start, 1)
    return f"{before}{start}\n{content}\n{end}{rest.split(end, 1)[1]}"


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
    told = "\n\nRows that were handed in count in what is bold." if handed_in_losses(rows) else ""
    return markdown_table(["R@1, %", *columns], body, ["---", *["---:"] * len(columns)]).rstrip() + told


def _mean(columns: Iterable[pd.DataFrame], loss: str) -> float:
    values = [mine.loc[loss, MAIN_METRIC] for mine in columns if loss in mine.index]
    return float(pd.Series(values, dtype=float).fillna(0).mean())
