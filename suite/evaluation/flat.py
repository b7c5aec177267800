"""``results/records.csv``: the runs without their long fields, small enough for git, and enough to compare losses."""

from pathlib import Path

import pandas as pd

from suite.errors import SuiteError, allowed
from suite.evaluation.records import KEY, METRICS, VALIDATION_SUFFIX, check_once
from suite.files import write_text

COLUMNS = (
    *KEY,
    "status",
    "failure",
    *METRICS,
    *(metric + VALIDATION_SUFFIX for metric in METRICS),
    "data_sha256",
    "noise_sha256",
    "config_sha256",
)
_STATUS = ("ok", "failed")


def write_flat(records: pd.DataFrame, path: Path) -> None:
    """Write records as CSV; numbers read back as the same floats."""
    write_text(path, records[list(COLUMNS)].to_csv(index=False))


def read_flat(path: Path) -> pd.DataFrame:
    """Read records from CSV, with a column ``file``.

    Raises:
        SuiteError: the file is missing, lacks a column, or holds a value that is not allowed or a run twice.
    """
    if not path.is_file():
        raise SuiteError(f"{path} is missing; run: dvc repro leaderboard")
    try:
        table = pd.read_csv(path, dtype={"failure": "string"})
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise SuiteError(f"{path} is not valid CSV: {error}") from error
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise SuiteError(f"{path} lacks column {allowed(missing)}; run: dvc repro leaderboard")
    if not len(table):
        raise SuiteError(f"{path} holds no row; run: dvc repro leaderboard")
    unknown = table.loc[~table["status"].isin(_STATUS), "status"]
    if len(unknown):
        raise SuiteError(f"{path}: status = {unknown.iloc[0]!r}; allowed: {allowed(_STATUS)}")
    for column in ("noise_level", "seed", *METRICS):
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise SuiteError(f"{path}: column {column} holds a value that is not a number")
    table["file"] = str(path)
    check_once(table)
    return table
