"""Which conditions of a table of runs were computed in this folder: those whose runs lie in ``runs/`` as the table has them.

Git has a table as well. Where a pipeline stopped before it wrote its own, or runs are of other settings, the table that lies
there is git's, and its agreement with git says nothing.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from suite.evaluation.records import CONDITION, KEY, read_records
from suite.evaluation.retrieval import MAIN_METRIC
from suite.evaluation.tables import to_table
from suite.settings.paths import RECORDS_NAME, RUNS_FOLDER

Condition = tuple[Any, ...]
"""Values of ``CONDITION``."""
_SAME = [*KEY, "config_sha256", "status"]


def recomputed(table: pd.DataFrame, folder: Path = RUNS_FOLDER) -> set[Condition]:
    """The conditions of a table, as ``suite leaderboard`` writes it, all of whose runs a folder holds with the same R@1.

    Raises:
        SuiteError: a file of runs is damaged.
    """
    return {
        condition
        for (dataset, loss), rows in table.groupby(["dataset", "loss"], sort=False)
        if (path := folder / f"{dataset}-{loss}" / RECORDS_NAME).is_file()
        for condition in _held(rows, to_table(read_records([path])))
    }


def _held(rows: pd.DataFrame, runs: pd.DataFrame) -> Iterable[Condition]:
    both = rows.merge(runs, on=_SAME, how="left", suffixes=("", "_here"), indicator=True)
    apart = (both[MAIN_METRIC] - both[f"{MAIN_METRIC}_here"]).abs() > 0
    both["held"] = (both["_merge"] == "both") & ~apart
    for condition, mine in both.groupby(list(CONDITION), sort=False):
        if mine["held"].all():
            yield condition
