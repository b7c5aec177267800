"""Records: one row a run, read back and checked before anything is concluded from them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from suite.errors import SuiteError
from suite.files import read_lines

KEY = ("dataset", "loss", "noise_kind", "noise_level", "seed")
METRICS = ("recall_at_1", "recall_at_2", "recall_at_4", "recall_at_8", "map_at_r", "r_precision")


def read_records(folder: Path, names: Sequence[str]) -> pd.DataFrame:
    """Records of these cells as a table with a column for each metric, NaN where a run failed.

    Raises:
        SuiteError: a file is missing or holds no row, or two rows describe the same run.
    """
    rows = []
    for name in names:
        path = folder / f"{name}.jsonl"
        if not path.is_file():
            raise SuiteError(f"record file {path} is missing; run: dvc repro")
        found = read_lines(path)
        if not found:
            raise SuiteError(f"record file {path} holds no row; delete it and run: dvc repro")
        rows += [row | {metric: row["metrics"].get(metric) for metric in METRICS} for row in found]
    table = pd.DataFrame(rows)
    table[list(METRICS)] = table[list(METRICS)].astype(float)
    twice = table[table.duplicated(list(KEY))]
    if len(twice):
        raise SuiteError(f"records in {folder} hold a run twice: {twice.iloc[0][list(KEY)].to_dict()}")
    return table
