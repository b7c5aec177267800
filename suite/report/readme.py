"""Fills the README's results, between markers: what was found in each regime, and a table of R@1.

Both follow from ``verdicts.csv``, ``leaderboard.json`` and ``claims.json`` in ``results/`` and in the folders of other
regimes below it. What was found has a column for each regime and tuning track. The table of R@1 is of the first regime on
the leaderboard, its tuned track, at the least and most noise, and of the losses that the grid runs.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from suite.errors import SuiteError
from suite.evaluation.retrieval import MAIN_METRIC
from suite.evaluation.tables import handed_in_losses
from suite.files import read_text, write_text
from suite.judging.leaderboard.table import FROZEN
from suite.report.families import ReportJson
from suite.report.finding import Finding, findings
from suite.report.outcomes import main_track
from suite.report.results import joined, read_boards, read_claim_files, read_verdict_files
from suite.report.tables import OF_STUDY, losses_of, share, shown_name
from suite.report.text import NOTHING, escaped, markdown_table
from suite.report.under_noise import at_most_noise, leader, level_of, place
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
    found = findings(board, verdicts, claims)
    rows = main_track(board[board["regime"] == board["regime"].iloc[0]])
    if OF_STUDY in rows:
        rows = rows[~rows[OF_STUDY]]  # the leaderboard has them
    return _between(_between(readme, FOUND_MARKER, found_text(found)), TABLE_MARKER, compact_table(rows))


def _between(text: str, part: str, content: str) -> str:
    start, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    if start not in text or end not in text:
        raise SuiteError(f"README.md lacks a marker; it must hold {start} and {end}")
    before, rest = text.split(start, 1)
    return f"{before}{start}\n{content}\n{end}{rest.split(end, 1)[1]}"


def found_text(found: Sequence[Finding]) -> str:
    """Whether PFML wins in each regime, in bold; a table of how it fared; then how claims were judged, an item each."""
    if not found:
        return ""
    wins = [f"**{each.outcome.rstrip(':')}.**" for each in found]
    items = [
        f"- `{each.regime}`: {' '.join((each.by_verdict, *each.claims[-1:]))}" for each in found if each.by_verdict
    ]
    return "\n\n".join(filter(None, (" ".join(wins), _table_of_outcomes(found), "\n".join(items))))


def _table_of_outcomes(found: Sequence[Finding]) -> str:
    """How PFML fared, a column for each regime and tuning track: verdicts on R@1, then who is best under the most noise."""
    columns = [(each.regime, outcome) for each in found for outcome in each.outcomes]
    heads = ["R@1", *(f"`{regime}`, track `{outcome.track}`" for regime, outcome in columns)]
    of_all: dict[str, list[str]] = {
        "PFML against the best baseline": [],
        "another loss, tested by itself, is ahead of PFML": [],
        "PFML's mean is above the frozen backbone's": [],
    }
    rests_on = [outcome.extent for _, outcome in columns]
    best: dict[str, dict[int, str]] = {}
    for number, (_, outcome) in enumerate(columns):
        total, (above, of) = len(outcome.compared), outcome.above_frozen
        verdicts = [
            f"ahead in {outcome.tables('ahead')}",
            f"behind in {outcome.tables('behind')}",
            f"not told apart in {outcome.number('not told apart')}",
            *filter(None, [outcome.unjudged]),
        ]
        cells = (f"{', '.join(verdicts)}, of {total}", f"in {outcome.beaten} of {total}", f"in {above} of {of}")
        for row, cell in zip(of_all.values(), cells, strict=True):
            row.append(cell)
        noisy = at_most_noise(outcome.rows)
        for dataset, rows in noisy.groupby("dataset", sort=False):
            label = f"best mean with {level_of(noisy)}, {escaped(str(dataset))}"
            best.setdefault(label, {})[number] = f"{escaped(leader(rows))}; PFML has place {place(rows)}"
    body = [[name, *cells] for name, cells in of_all.items()]
    body += [[label, *(cells.get(n, NOTHING) for n in range(len(columns)))] for label, cells in best.items()]
    body.append(["rests on", *rests_on])
    return markdown_table(heads, body).rstrip()


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
