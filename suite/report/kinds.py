"""Retrieval under kinds of label noise that the grid does not have: a section of the leaderboard."""

from collections.abc import Collection, Sequence

import pandas as pd

from suite.evaluation.records import Record
from suite.evaluation.tables import to_table
from suite.judging.leaderboard.table import FROZEN, leaderboard
from suite.report.tables import OF_STUDY, across

_EXPLANATION = """R@1 on test classes, of the study `extended` as its records are in git, by the rules above: a kind and a
level are a table of their own. Whether PFML loses less than another loss under such noise, the claims say
([claims.md](claims.md)); none of them is about another loss.
"""


def kinds_section(records: Sequence[Record], frozen: pd.DataFrame, grid: Collection[str]) -> str:
    """The section, of tuning tracks and data sets with a loss of the grid; empty without them.

    Args:
        records: under other kinds of noise than the grid's.
        frozen: the frozen backbone on the test classes of each data set, as ``leaderboard`` takes it.
        grid: losses that the grid runs; the others are marked.
    """
    tables = {(record.track, record.dataset) for record in records if record.loss in grid}
    records = [record for record in records if (record.track, record.dataset) in tables]
    if not records:
        return ""
    board = leaderboard(to_table(records), frozen)
    board = board.assign(**{OF_STUDY: ~board["loss"].isin([*grid, FROZEN])})
    parts = ["## Other kinds of label noise\n", _EXPLANATION]
    parts += [
        f"### {dataset}, {regime}, {track}, other kinds\n\n{across(rows, name_kinds=True)}"
        for (regime, track, dataset), rows in board.groupby(["regime", "track", "dataset"], sort=False)
    ]
    return "\n".join(parts)
