"""JSON schemas of what others read: a record, the rows of the leaderboard, the manifest of a bundle; in ``docs/schemas/``.

They follow from the models that write and check these files. A schema that no longer takes what the one before took gets
the next number; the old file stays.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, create_model

from suite.evaluation.records import Record
from suite.evaluation.retrieval import METRICS
from suite.files import write_json
from suite.judging.handed_in.bundle import Manifest
from suite.judging.handed_in.standing import NOT_REPRODUCED, NOT_RERUN, SPOT_CHECKED, UNDECIDED
from suite.settings.paths import SCHEMAS_FOLDER
from suite.settings.plans import Regime, Track

NUMBERS = {"record": 1, "board": 1, "bundle": 1}
"""The present number of each schema."""
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
Percent = Annotated[float, Field(ge=0, le=100)] | None
Points = float | None
Rank = Annotated[int, Field(ge=1)] | None
Count = Annotated[int, Field(ge=0)]


class _Condition(BaseModel):
    """A row of the leaderboard: a condition, or the frozen backbone; percentages and points, null where there is none."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    regime: Regime
    """What learns: the embedding layer (frozen), late blocks too (finetuned), or the whole network (published)."""
    track: Track
    """How hyper-parameters were chosen."""
    dataset: str
    """Name of the data set."""
    noise_kind: str
    """How training labels were made wrong."""
    noise_level: Annotated[float, Field(ge=0, lt=1)]
    """Share of training labels that were made wrong."""
    loss: str
    """Its name, or "frozen backbone"."""
    runs: Count
    """Number of runs, failed ones included; 0 for the frozen backbone."""
    failures: Count
    """Number of failed runs."""
    tuned: bool
    """Whether a search on true labels found the hyper-parameters."""
    searches: Count
    """Number of searches that found them, each for its share of the seeds."""
    rank_low: Rank
    """The ranks that the paired differences leave open."""
    rank_high: Rank
    """The greatest of these ranks."""
    ties_best: bool
    """Whether it cannot be told apart from the best of its table."""
    behind_low: Points
    """By how much it lies behind the best, in points of R@1."""
    behind_high: Points
    """At most so many points behind the best."""
    class_error: Points
    """Standard error of R@1 over test classes."""
    class_low: Points
    """Low end of the interval of R@1 over test classes."""
    class_high: Points
    """High end of that interval."""
    drop_from_clean: Points
    """R@1 without label noise less R@1 with it, paired by seed."""
    drop_low: Points
    """Low end of the 95 % interval of that loss."""
    drop_high: Points
    """High end of that interval."""
    gain_over_frozen: Points
    """Points of R@1 above the frozen backbone."""
    trials: Count | None
    """Trials of the search behind each value: the fewest, 0 where nothing was searched, null where it is not known."""
    extended: bool = False
    """Whether its loss is not run by ``dvc repro``; absent where there is no such loss."""
    handed_in: Literal["", NOT_RERUN, SPOT_CHECKED, UNDECIDED, NOT_REPRODUCED] = ""  # type: ignore[valid-type]
    """The mark of a row that was handed in; empty for own rows, and absent where there are own rows alone."""
    ties_own: bool | None = None
    """``ties_best`` among the rows that were not handed in; null for those that were, and absent where none was."""
    suite_version: str = ""
    """The version of the suite that computed the row, where it is another one."""
    spot_check: str = ""
    """What the last spot check showed."""


def _with_metrics() -> type[BaseModel]:
    """The row with its metrics: of each that was measured the mean over seeds and its 95 % t-interval."""
    fields: dict[str, Any] = {}
    for name, metric in METRICS.items():
        fields[name] = (Percent, Field(None, description=f"Mean {metric.label} over seeds, in percent."))
        for end in ("low", "high"):
            fields[f"{name}_{end}"] = (Points, Field(None, description=f"{end.title()} end of its interval."))
    return create_model("Row", __base__=_Condition, __doc__=_Condition.__doc__, **fields)


Row = _with_metrics()


class _Board(RootModel[list[Row]]):  # type: ignore[valid-type]
    """``leaderboard.json``: a row for each condition."""


def schemas() -> dict[Path, dict[str, Any]]:
    """All schemas by the files that they are written to."""
    models: dict[str, type[BaseModel]] = {"record": Record, "board": _Board, "bundle": Manifest}
    return {
        SCHEMAS_FOLDER / f"{name}.v{NUMBERS[name]}.json": {
            "$schema": _DIALECT,
            "$id": f"urn:pfml-suite:{name}:v{NUMBERS[name]}",
            **_schema(model),
        }
        for name, model in models.items()
    }


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """Its schema without fields that are not written, and under a public name."""
    schema = model.model_json_schema()
    for field, about in model.model_fields.items():
        if about.exclude:
            del schema["properties"][field]
    return schema | {"title": model.__name__.lstrip("_")}


def write_schemas() -> list[Path]:
    """Write all schemas; gives the files."""
    found = schemas()
    for path, schema in found.items():
        write_json(path, schema)
    return list(found)
