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
from suite.judging.leaderboard.verdicts import METHOD
from suite.report.families import ReportJson
from suite.report.finding import PAPER, Finding, findings
from suite.report.outcomes import HOW_TUNED, Outcome, main_track
from suite.report.results import joined, read_boards, read_claim_files, read_verdict_files
from suite.report.tables import OF_STUDY, losses_of, share, shown_name
from suite.report.text import NOTHING, escaped, markdown_table
from suite.report.under_noise import at_most_noise, firsts_of, is_shown_best, level_of, place
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
    """How often PFML is ahead in each regime, in bold; a table of how it fared; one of how claims were judged."""
    if not found:
        return ""
    first, *others = found
    told = [f"{first.where} (`{first.regime}`), {PAPER} is {_ahead(first.outcomes[0], ' comparisons of R@1')}"]
    told += [f"{each.where} (`{each.regime}`), it is {_ahead(each.outcomes[0])}" for each in others]
    parts = (f"**{'. '.join(told)}.**", _table_of_outcomes(found), _table_of_claims([f for f in found if f.by_subject]))
    return "\n\n".join(filter(None, parts))


def _ahead(outcome: Outcome, noun: str = "") -> str:
    number = [outcome.number(each) for each in ("ahead", "behind")]
    return f"ahead of the best baseline in {number[0]} of {len(outcome.compared)}{noun}, and behind it in {number[1]}"


def _table_of_outcomes(found: Sequence[Finding]) -> str:
    """How PFML fared, a column for each regime and tuning track: verdicts on R@1, then who is best under the most noise."""
    columns = [(each.regime, outcome) for each in found for outcome in each.outcomes]
    heads = ["R@1, %", *(f"`{regime}`, tuned {HOW_TUNED.get(each.track, each.track)}" for regime, each in columns)]
    names = (
        "PFML against the best baseline",
        "some other loss is ahead of PFML, by tests of that loss alone",
        "PFML's mean is above the frozen backbone's",
    )
    rows: dict[str, dict[int, str]] = {name: {} for name in names}
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
        for row, cell in zip(rows.values(), cells, strict=True):
            row[number] = cell
        noisy = at_most_noise(outcome.rows)
        for dataset, mine in noisy.groupby("dataset", sort=False):
            label = f"highest mean with {level_of(mine)}, {escaped(str(dataset))}"
            best.setdefault(label, {})[number] = _leader_and_pfml(mine)
    rows |= best | {"rests on": {number: outcome.extent for number, (_, outcome) in enumerate(columns)}}
    body = [[name, *(cells.get(number, NOTHING) for number in range(len(columns)))] for name, cells in rows.items()]
    return markdown_table(heads, body).rstrip()


def _leader_and_pfml(rows: pd.DataFrame) -> str:
    """Who has the highest mean in a table, and where PFML stands, with their means."""
    firsts, mine = firsts_of(rows), rows[rows["loss"] == METHOD].iloc[0]
    alone = " (shown to be the best)" if is_shown_best(rows) else ""
    best = f"{' and '.join(escaped(str(loss)) for loss in firsts['loss'])} {firsts[MAIN_METRIC].iloc[0]:.2f}{alone}"
    if METHOD in set(firsts["loss"]):
        return best
    own = f" {mine[MAIN_METRIC]:.2f}" if mine[MAIN_METRIC] == mine[MAIN_METRIC] else ""
    return f"{best}; {METHOD}{own}, place {place(rows)}"


def _table_of_claims(found: Sequence[Finding]) -> str:
    """How claims were judged, a column for each regime, and what weakens that."""
    if not found:
        return ""
    subjects = dict.fromkeys(subject for each in found for subject in each.by_subject)
    body = [[subject, *(each.by_subject.get(subject, NOTHING) for each in found)] for subject in subjects]
    body.append(["how firm", *(each.claims[-1] for each in found)])
    return markdown_table(["results of claims", *(f"`{each.regime}`" for each in found)], body).rstrip()


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
