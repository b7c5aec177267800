"""Rows that claims are judged by, read from JSON lines and checked field by field."""

import json
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from suite.errors import SuiteError
from suite.judging.claims.vocabulary import EMBEDDED_BACKBONE, Metric
from suite.settings.reading import explain

METRICS = get_args(Metric)


def _shares(metrics: dict[str, float]) -> dict[str, float]:
    """Retrieval metrics are shares; beside them may stand counts, e.g. of queries."""
    for name, value in metrics.items():
        if name in METRICS and not 0 <= value <= 1:
            raise ValueError(f"{name} = {value}; allowed: shares from 0 to 1")
    return metrics


Metrics = Annotated[dict[str, float], AfterValidator(_shares)]
Length = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class Row(BaseModel):
    """What all rows have in common. Fields that no claim asks for pass unread."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    dataset: str
    loss: str
    seed: Count
    status: Literal["ok", "failed"]
    data_sha256: str
    file: str
    line: int

    @property
    def where(self) -> str:
        """File and line, for messages."""
        return f"{self.file}, line {self.line}"


class ValidationEpoch(BaseModel):
    """Metrics at the epoch that was best on validation classes."""

    epoch: Count
    metrics: Metrics


class RunRow(Row):
    """A run of the grid."""

    track: str
    noise_kind: str
    noise_level: Annotated[float, Field(ge=0, lt=1)]
    noise_sha256: str
    backbone: str = EMBEDDED_BACKBONE
    """Rows of the embedded data sets do not name theirs."""
    metrics: Metrics
    validation_epoch: ValidationEpoch | None = None

    @model_validator(mode="after")
    def _metrics_of_finished_runs(self) -> Self:
        if self.status == "ok" and not self.metrics:
            raise ValueError("metrics is empty although status is ok")
        return self


class AblationRow(RunRow):
    """A run of an ablation."""

    axis: str
    value: Annotated[float, Field(allow_inf_nan=False)]


class GeometryRow(Row):
    """Where the proxies of a trained model lie; arrays have an entry for each training class."""

    proxies_per_class: Annotated[int, Field(ge=1)]
    delta: Length | None = None
    size: tuple[Count, ...] = ()
    spread: tuple[Length, ...] = ()
    w2: tuple[Length, ...] = ()
    nearest: tuple[Length, ...] = ()
    condition: tuple[Annotated[float, Field(ge=0, le=1)], ...] | None = None
    minima_met: tuple[Count, Count] | None = None
    minima_unmet: tuple[Count, Count] | None = None

    @model_validator(mode="before")
    @classmethod
    def _summed_over_classes(cls, values: dict[str, object]) -> dict[str, object]:
        """Counts of flows may stand class by class."""
        for field in ("minima_met", "minima_unmet"):
            counts = values.get(field)
            if isinstance(counts, list) and counts and isinstance(counts[0], list):
                values = values | {field: [sum(column) for column in zip(*counts, strict=True)]}
        return values

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        if self.status == "failed":
            return self
        for field in ("spread", "w2", "nearest", "condition"):
            array = getattr(self, field)
            if array is not None and len(array) != len(self.size):
                raise ValueError(f"{field} has {len(array)} entries; allowed: one a class, {len(self.size)} as in size")
        if not self.size:
            raise ValueError("size is empty although status is ok")
        return self


R = TypeVar("R", bound=Row)


def read_rows(folder: Path, model: type[R], files: str = "*.jsonl") -> list[R]:
    """All rows of all JSON-lines files of a folder, by default ``*.jsonl``; none where the folder is missing.

    Raises:
        SuiteError: a line is no JSON object, or a field is missing or out of range; file, line and field are named.
    """
    rows = []
    for path in sorted(folder.glob(files)):
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            place = Path(f"{path}, line {number}")
            try:
                values = json.loads(text)
            except json.JSONDecodeError as error:
                raise SuiteError(f"{place}: no JSON: {error}") from error
            if not isinstance(values, dict):
                raise SuiteError(f"{place}: the whole line; allowed: a mapping")
            try:
                rows.append(model.model_validate(values | {"file": str(path), "line": number}))
            except ValidationError as error:
                raise SuiteError(explain(error, model, place)) from error
    return rows
