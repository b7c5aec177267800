"""Each loss against pfml and against the best baseline, in every table: paired difference, interval, p and verdict.

The best baseline is known only after the runs. So a loss is tested against pfml and all baselines, the p-values of a
table are adjusted together by Holm, and the best baseline is then picked from differences that are already adjusted:
picking it adds no error. Baselines are the other built-in losses; a built-in loss is compared with all of them but
itself.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import pandas as pd

from suite.errors import SuiteError
from suite.evaluation.records import TABLE
from suite.evaluation.retrieval import MAIN_METRIC, METRICS
from suite.evaluation.tables import handed_in_losses
from suite.judging.leaderboard.contrast import (
    check_known,
    counted,
    judged,
    number,
    p_text,
    paired_difference,
    place_columns,
)
from suite.judging.leaderboard.table import tables_of
from suite.judging.statistics.estimates import LEVEL
from suite.settings.params import Settings

METHOD = "pfml"
BEST = "best baseline"
REFERENCES = (METHOD, BEST)
VERDICT_COLUMNS = (
    *TABLE,
    "loss",
    "against",
    "other",
    "first",
    "second",
    "difference",
    "low",
    "high",
    "p",
    "p_adjusted",
    "pairs",
    "failures",
    "verdict",
)
EXPLAINED = (
    "Mean differences in points of {metric}, paired by seed, with 95 % t-intervals. p is adjusted by Holm over pfml and all "
    f"baselines of a table (data set and noise level): at most {100 * LEVEL:g} % error for them together, so that the best "
    "baseline may be picked after the runs. Bold is another procedure: it allows that error for all pairs of losses of a "
    "table together, which asks more of each, so that a loss may be bold there and behind here."
)


def user_losses(settings: Settings) -> list[str]:
    """Losses of ``params.yaml`` that are not built in: those with a target, of the grid or of the study ``extended``."""
    known = settings.all_losses
    names = dict.fromkeys([*settings.losses, *(name for name in settings.extended.losses if name in known)])
    return [name for name in names if known[name].target is not None]


def no_baselines(settings: Settings) -> list[str]:
    """Losses that others are not compared with: the user's, and those of the study ``extended``."""
    return [
        *dict.fromkeys(
            [*user_losses(settings), *(name for name in settings.extended.losses if name not in settings.losses)]
        )
    ]


def verdicts(records: pd.DataFrame, users: Collection[str], metric: str = MAIN_METRIC) -> pd.DataFrame:
    """Each loss against pfml and the best baseline.

    Args:
        records: one row a run.
        users: losses that are no baselines: the user's, those that were handed in, and those of the study ``extended``.
        metric: column of the records.

    Returns:
        Columns ``VERDICT_COLUMNS``: ``against`` is one of ``REFERENCES``, ``other`` the loss that it is in this table, the
        others are as in ``contrast``. A table without pfml or baselines has no such row. A baseline with failed runs is the
        best one only where all have some.
    """
    others = {*users, *handed_in_losses(records)}
    rows = [
        where | row
        for where, runs in tables_of(records)
        for loss in dict.fromkeys(runs["loss"])
        for row in _rows(runs, str(loss), others, metric)
    ]
    return pd.DataFrame(rows, columns=list(VERDICT_COLUMNS))


def verdicts_on(loss: str, records: pd.DataFrame, users: Collection[str], metric: str = MAIN_METRIC) -> pd.DataFrame:
    """The rows of ``verdicts`` on one loss.

    Raises:
        SuiteError: the records do not hold it, or nothing that it is compared with.
    """
    check_known(records, "loss", loss)
    table = verdicts(records, users, metric)
    rows = table[table["loss"] == loss]
    if not len(rows):
        raise SuiteError(
            f"{loss} shares no table with pfml or a baseline; name the loss to compare with: suite compare {loss} OTHER"
        )
    return rows


def _rows(runs: pd.DataFrame, loss: str, users: Collection[str], metric: str) -> Iterator[dict[str, Any]]:
    others = [str(other) for other in dict.fromkeys(runs["loss"]) if other not in users and other != loss]
    if not others:
        return
    table = judged(
        pd.DataFrame([{"other": other} | paired_difference(runs, (loss, other), metric) for other in others])
    )
    failed = runs[runs["status"] != "ok"]["loss"]
    baselines = table[table["other"] != METHOD].assign(failed=lambda rows: rows["other"].isin(failed))
    best = baselines.sort_values(["failed", "second"], ascending=[True, False], kind="stable").head(1)
    for against, chosen in ((METHOD, table[table["other"] == METHOD]), (BEST, best)):
        for row in chosen.to_dict("records"):
            yield {"loss": loss, "against": against} | {str(name): value for name, value in row.items()}


def as_cells(rows: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of the verdicts on one loss, for tables to read."""
    columns = place_columns(rows, always=("dataset", "noise_level"))
    columns |= {
        "against": rows["other"].where(rows["against"] == METHOD, rows["other"] + f" ({BEST})"),
        "difference [95 %]": pd.Series([_interval(row) for row in rows.itertuples()], rows.index),
        "p (Holm)": rows["p_adjusted"].map(p_text),
        "verdict": rows["verdict"],
    }
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]


def as_text(rows: pd.DataFrame) -> str:
    """The verdicts on one loss for the terminal."""
    heads, cells = as_cells(rows)
    text: str = pd.DataFrame(cells, columns=heads).to_string(index=False)
    return text


def to_section(table: pd.DataFrame, losses: Iterable[str]) -> str:
    """A Markdown section with the verdicts on these losses, of the tuned track; empty without any."""
    parts = []
    for loss in losses:
        rows = table[(table["loss"] == loss) & (table["track"] == "tuned")]
        if len(rows):
            heads, cells = as_cells(rows)
            lines = [heads, ["---"] * len(heads), *([_escaped(cell) for cell in line] for line in cells)]
            shown = "".join(f"| {' | '.join(line)} |\n" for line in lines)
            parts.append(
                f"### {_escaped(loss)} against pfml and the best baseline\n\n{_escaped(sentence(rows))}\n\n{shown}"
            )
    return (
        "\n".join([f"## Verdicts\n\n{EXPLAINED.format(metric=METRICS[MAIN_METRIC].label)}\n", *parts]) if parts else ""
    )


def sentence(rows: pd.DataFrame) -> str:
    """How often each verdict was given on one loss."""
    told = [
        f"against {'the ' if against == BEST else ''}{against} {counted(mine)}"
        for against in REFERENCES
        if len(mine := rows[rows["against"] == against])
    ]
    tables = len(rows[list(TABLE)].drop_duplicates())
    return f"{rows['loss'].iloc[0]} in {tables} {'table' if tables == 1 else 'tables'}: {'; '.join(told)}."


def _interval(row: Any) -> str:
    if pd.isna(row.low):
        return number(row.difference)
    return f"{row.difference:+.2f} [{row.low:+.2f}, {row.high:+.2f}]"


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return text.replace("<", "&lt;").replace("|", "\\|")
