"""Records: one row a run, read back and checked before anything is concluded from them."""

import json
import math
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from suite.settings.reading import explain
from suite.errors import SuiteError, allowed

KEY = ("track", "dataset", "loss", "noise_kind", "noise_level", "seed")
TABLE = ("track", "dataset", "noise_kind", "noise_level")
"""What the runs have in common that are compared with each other."""
METRICS = ("recall_at_1", "recall_at_2", "recall_at_4", "recall_at_8", "map_at_r", "r_precision")
VALIDATION_SUFFIX = "_validation_epoch"
_TOLERANCE = 1e-9

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class ValidationEpoch(BaseModel):
    """Test metrics at the epoch that was best on validation classes during tuning."""

    epoch: int
    metrics: dict[str, Share]


class Record(BaseModel):
    """What must hold of a row; it may have more fields."""

    model_config = ConfigDict(extra="allow", frozen=True)

    track: Literal["tuned", "published", "ablation"]
    dataset: str
    loss: str
    noise_kind: str
    noise_level: Annotated[float, Field(ge=0, lt=1)]
    seed: Count
    status: Literal["ok", "failed"]
    failure: str | None = None
    metrics: dict[str, Share]
    validation_epoch: ValidationEpoch | None = None
    class_hits: list[Count] = []
    class_queries: list[Count] = []
    data_sha256: str
    noise_sha256: str
    config_sha256: str

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.status == "failed":
            if self.metrics:
                raise ValueError("metrics of a run with status 'failed'; allowed: {}")
            return self
        missing = [name for name in METRICS if name not in self.metrics]
        if missing:
            raise ValueError(f"metrics lacks {allowed(missing)}")
        if not self.class_queries or len(self.class_hits) != len(self.class_queries):
            raise ValueError("class_hits and class_queries must hold one number for each test class")
        share = sum(self.class_hits) / sum(self.class_queries)
        if not math.isclose(share, self.metrics["recall_at_1"], abs_tol=_TOLERANCE):
            raise ValueError(f"class_hits make {share:.6f}, metrics.recall_at_1 is {self.metrics['recall_at_1']:.6f}")
        return self


def read_records(paths: Iterable[Path], key: Sequence[str] = KEY) -> pd.DataFrame:
    """Records of these files as a table, checked row by row and against each other.

    Args:
        paths: JSON-lines files; each must exist and hold rows.
        key: the fields that tell runs apart.

    Returns:
        One row a run with the fields of the record, a column for each metric, NaN where a run failed, one for each metric
        at the validation epoch, NaN where there is none, and ``file``.

    Raises:
        SuiteError: a file is missing, empty or not JSON, a row lacks a field or has a value that is not allowed, two rows
            describe one run, or rows do not belong to the same data, noise or test classes.
    """
    table = pd.DataFrame([row for path in paths for row in _rows(path)])
    columns = [*METRICS, *(metric + VALIDATION_SUFFIX for metric in METRICS)]
    table[columns] = table[columns].astype(float)
    check_once(table, key)
    _check_constant(table, "data_sha256", ("dataset",))
    _check_constant(table, "noise_sha256", ("dataset", "noise_kind", "noise_level", "seed"))
    finished = table[table["status"] == "ok"]
    _check_constant(finished.assign(class_queries=finished["class_queries"].map(tuple)), "class_queries", ("dataset",))
    return table


def check_once(table: pd.DataFrame, key: Sequence[str] = KEY) -> None:
    """Refuse two rows for one run.

    Raises:
        SuiteError: there are.
    """
    twice = table[table.duplicated(list(key), keep=False)]
    if len(twice):
        run, files = twice.iloc[0][list(key)].to_dict(), allowed(sorted(set(twice["file"])))
        raise SuiteError(f"records hold a run twice: {_named(run)} ({files})")


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
                where = f"{_named(dict(zip(TABLE, place, strict=True)))} ({mine['file'].iloc[0]})"
                raise SuiteError(
                    f"records are not paired: {loss} lacks seed {allowed(missing)}, which another loss has: {where}"
                )


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise SuiteError(f"record file {path} is missing; run: dvc repro")
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines:
        raise SuiteError(f"record file {path} holds no row; delete it and run: dvc repro")
    return [_row(path, number, line) for number, line in enumerate(lines, 1)]


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        record = Record.model_validate(row)
    except json.JSONDecodeError as error:
        raise SuiteError(f"{path}: line {number} is not valid JSON: {error}") from error
    except ValidationError as error:
        raise SuiteError(explain(error, Record, path, f"line {number}")) from error
    later = record.validation_epoch.metrics if record.validation_epoch else {}
    flat = {metric: record.metrics.get(metric) for metric in METRICS}
    flat |= {metric + VALIDATION_SUFFIX: later.get(metric) for metric in METRICS}
    return record.model_dump() | flat | {"file": str(path)}


def _check_constant(table: pd.DataFrame, field: str, group: Sequence[str]) -> None:
    """One value of a field within a group, for runs are compared that had the same."""
    for place, rows in table.groupby(list(group), sort=False):
        first = rows.iloc[0]
        others = rows[rows[field] != first[field]]
        if len(others):
            other = others.iloc[0]
            where = _named(dict(zip(group, place, strict=True)))
            raise SuiteError(
                f"{field} of {other['file']} differs from that of {first['file']} for {where}; "
                "delete the older one and run: dvc repro"
            )


def _named(values: dict[Hashable, Any]) -> str:
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
