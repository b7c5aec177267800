"""Records as tables: one row a run, a column a metric; and ``results/records.csv``, the form of it that git keeps."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from suite.errors import SuiteError, allowed, named
from suite.evaluation.records import CONDITION, KEY, TABLE, Record, contradiction
from suite.evaluation.retrieval import MAIN_METRIC, METRICS
from suite.files import replacing, write_text

ANEW = "run: dvc repro leaderboard"
"""What to do where ``results/records.csv`` is damaged."""
VALIDATION_SUFFIX = "_validation_epoch"
HUBNESS = "hubness"
"""Column with the skewness of how often a test item is among the nearest of a query."""
HANDED_IN = "handed_in"
"""Column of runs and of the leaderboard: how far what somebody handed in was checked; empty for what was run here."""
_ANYWAY = ("status", "failure")
_DIGESTS = ("data_sha256", "noise_sha256", "config_sha256")
_STATUS = ("ok", "failed")


def to_table(records: Iterable[Record]) -> pd.DataFrame:
    """One row a run: fields of the record, a column a metric, one for each at the validation epoch, and ``file``.

    A metric is NaN where a run failed or did not measure it.
    """
    return pd.DataFrame([_row(record) for record in records]).astype({"search": "Int64"})


def _row(record: Record) -> dict[str, Any]:
    later = record.validation_epoch.metrics if record.validation_epoch else {}
    metrics: dict[str, float] = {metric: record.metrics.get(metric, float("nan")) for metric in METRICS}
    metrics |= {metric + VALIDATION_SUFFIX: later.get(metric, float("nan")) for metric in METRICS}
    others = ("search", HUBNESS, "backbone", "hyperparameter_source", "class_hits", "class_queries")
    fields = (*KEY, *_ANYWAY, *_DIGESTS, *others)
    return {name: getattr(record, name) for name in fields} | metrics | {"file": record.file}


def measured_metrics(table: pd.DataFrame) -> list[str]:
    """Metrics that at least one run of a table has."""
    return [metric for metric in METRICS if metric in table and table[metric].notna().any()]


def handed_in_losses(table: pd.DataFrame) -> set[str]:
    """Losses of a table whose runs were handed in."""
    return set(table.loc[table[HANDED_IN].fillna("") != "", "loss"]) if HANDED_IN in table else set()


def own_runs(table: pd.DataFrame) -> pd.DataFrame:
    """The runs of a table that were not handed in."""
    return table[~table["loss"].isin(handed_in_losses(table))]


def check_paired(table: pd.DataFrame) -> None:
    """Refuse tables whose losses do not have the same seeds: differences are taken seed by seed.

    Raises:
        SuiteError: a loss lacks a seed that another one of its table has.
    """
    for place, runs in table.groupby(list(TABLE), sort=False):
        seeds = set(runs["seed"])
        for loss, mine in runs.groupby("loss", sort=False):
            missing = sorted(seeds - set(mine["seed"]))
            if missing:
                where = f"{named(dict(zip(TABLE, place, strict=True)))} ({mine['file'].iloc[0]})"
                raise SuiteError(
                    f"records are not paired: {loss} lacks seed {allowed(missing)}, which another loss has: {where}"
                )


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table of runs as CSV without its long columns; numbers read back as the same floats."""
    write_text(path, table[_kept_columns(table)].to_csv(index=False))


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    """Write the same columns as parquet, whose numbers, texts and gaps have types."""
    kept = table[_kept_columns(table)].astype(dict.fromkeys(("failure", *_DIGESTS), "string"))
    with replacing(path) as temporary:
        # Without pandas' own metadata, which names versions of libraries.
        pq.write_table(pa.Table.from_pandas(kept, preserve_index=False).replace_schema_metadata(), temporary)


def _kept_columns(table: pd.DataFrame) -> list[str]:
    metrics = measured_metrics(table)
    later = [metric + VALIDATION_SUFFIX for metric in metrics]
    columns = [*KEY, *_ANYWAY, "search", *metrics, *later, HUBNESS, *_DIGESTS]
    return columns + [name for name in (HANDED_IN,) if name in table]


def read_csv(source: Path | bytes, name: str | None = None, cure: str = ANEW) -> pd.DataFrame:
    """Read a table of runs from CSV, with a column ``file``; metrics that the file lacks are NaN.

    Args:
        source: the file, or its bytes.
        name: what to call it in messages; by default its path.
        cure: what to do where it is damaged, for messages.

    Raises:
        SuiteError: the file is missing, is no CSV, is cut, lacks a column, holds a value that is not allowed, numbers that
            cannot be, or a run twice, or its runs are not paired or of different data.
    """
    name = name or str(source)
    if isinstance(source, Path):
        if not source.is_file():
            raise SuiteError(f"{name} is missing; {cure}")
        source = source.read_bytes()
    try:
        table = pd.read_csv(
            io.BytesIO(source),
            dtype=dict.fromkeys(("failure", HANDED_IN, *_DIGESTS), "string"),
            keep_default_na=False,  # a loss may be called nan
            na_values=[""],
        )
    except ValueError as error:  # no CSV, no UTF-8, or empty
        raise SuiteError(f"{name} is not valid CSV: {error}; {cure}") from error
    missing = [column for column in (*KEY, *_ANYWAY, *_DIGESTS) if column not in table]
    if missing:
        raise SuiteError(f"{name} lacks column {allowed(missing)}; {cure}")
    if not len(table):
        raise SuiteError(f"{name} holds no row; {cure}")
    if not source.endswith(b"\n"):
        raise SuiteError(f"{name} ends within a line, so it was cut; {cure}")
    for column in ("search", HUBNESS, *METRICS):
        if column not in table:
            table[column] = float("nan")
    table[HANDED_IN] = table[HANDED_IN].fillna("") if HANDED_IN in table else ""
    table["file"] = name
    try:
        _check_values(table, name)
        _check_rows(table, name)
        check_paired(table)
    except SuiteError as error:
        raise SuiteError(f"{error}; {cure}") from error
    return table.astype({"search": "Int64"})


def _check_values(table: pd.DataFrame, name: str) -> None:
    unknown = table.loc[~table["status"].isin(_STATUS), "status"]
    if len(unknown):
        raise SuiteError(f"{name}: status = {unknown.iloc[0]!r}; allowed: {allowed(_STATUS)}")
    for column in ("noise_level", "seed", "search", HUBNESS, *METRICS):
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise SuiteError(f"{name}: column {column} holds a value that is not a number")
    for metric in METRICS:
        # Every finished run has the main metric; others may not have been measured.
        given = table[metric].notna() | (metric == MAIN_METRIC)
        wrong = table[(table["status"] == "ok") & given & ~table[metric].between(0, 1)]
        if len(wrong):
            line = int(wrong.index[0])
            raise SuiteError(
                f"{name}, line {line + 2}: {metric} = {wrong[metric].iloc[0]}; allowed: shares from 0 to 1"
            )
    twice = table[table.duplicated(list(KEY))]
    if len(twice):
        run = named({key: twice.iloc[0][key] for key in KEY})
        raise SuiteError(f"{name}, line {int(twice.index[0]) + 2} holds a run twice: {run}")


def _check_rows(table: pd.DataFrame, name: str) -> None:
    """Refuse rows that lack a name or a digest, numbers of one run that cannot be, and runs of different data or noise."""
    for column in (*KEY, *_DIGESTS):
        empty = table[table[column].isna()]
        if len(empty):
            raise SuiteError(f"{name}, line {int(empty.index[0]) + 2} has no {column}")
    metrics = table[[metric for metric in METRICS if metric in table]]
    for place, row in metrics[table["status"] == "ok"].iterrows():
        if wrong := contradiction(row.dropna().to_dict()):
            raise SuiteError(f"{name}, line {int(str(place)) + 2}: {wrong}")
    for group, field in (
        (["dataset"], "data_sha256"),
        (["dataset", "noise_kind", "noise_level", "seed"], "noise_sha256"),
    ):
        mixed = table[table.groupby(group)[field].transform("nunique") > 1]
        if len(mixed):
            run = named({key: mixed.iloc[0][key] for key in group})
            raise SuiteError(f"{name}: {field} differs between runs of {run}: mixed records")


def condition_name(values: Any) -> str:
    """A short name of a condition or one of its runs, e.g. ``frozen tuned emoji pfml symmetric 0.2``."""
    return " ".join(f"{values[name]:g}" if name == "noise_level" else str(values[name]) for name in CONDITION)
