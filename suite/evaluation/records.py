"""Records: what each run leaves, in one schema for all regimes; written, and read back and checked as a whole."""

import json
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from suite.errors import SuiteError, named
from suite.evaluation.record_parts import (
    PART,
    AblationPoint,
    Count,
    ListedNoise,
    Metrics,
    ProxyPlaces,
    Share,
    ValidationEpoch,
)
from suite.evaluation.retrieval import MAIN_METRIC, METRICS
from suite.files import ANEW, read_text, write_text
from suite.losses.code_changes import latest_code
from suite.settings.paths import (
    ABLATIONS,
    CROSSED,
    EXTENDED,
    FRESH_SEEDS,
    GEOMETRY,
    PAPER_VALUES,
    RESULTS_FOLDER,
    SPLITS,
    STUDIES,
)
from suite.settings.plans import HyperparameterSource, Regime, Track
from suite.settings.reading import explain_first

KEY = ("regime", "track", "dataset", "loss", "noise_kind", "noise_level", "seed")
"""What tells runs apart."""
TABLE = ("regime", "track", "dataset", "noise_kind", "noise_level")
"""What the runs have in common that are compared with each other."""
CONDITION = ("regime", "track", "dataset", "loss", "noise_kind", "noise_level")
"""What the runs have in common that differ in their seeds alone."""
_TOLERANCE = 1e-9  # of shares that are equal but for rounding
_RECALLS = sorted(
    (name for name in METRICS if name.startswith("recall_at_")), key=lambda name: int(name.split("_")[-1])
)


class Record(BaseModel):
    """One run: its settings, the digests of all that it depends on, and what it measured."""

    model_config = PART

    regime: Regime
    """What learns: the embedding layer (frozen), late blocks too (finetuned), or the whole network (published)."""
    track: Track
    """How hyper-parameters were chosen: by searches, as the paper has them, or one value varied."""
    dataset: Annotated[str, Field(description="Name of the data set, as in params.yaml.")]
    backbone: Annotated[str, Field(description="Name of the network, a model of timm.")]
    loss: Annotated[str, Field(description="Name of the loss, as in params.yaml.")]
    noise_kind: Annotated[str, Field(description="How training labels were made wrong, e.g. symmetric.")]
    noise_level: Annotated[float, Field(ge=0, lt=1)]
    """Share of training labels that were to be made wrong."""
    seed: Annotated[Count, Field(description="Of all that is random; runs of one seed are paired over losses.")]
    search: Count | None = None
    """Number of the search that found the hyper-parameters, of several; None where nothing was searched."""
    split: Annotated[Count, Field(description="Which half of the classes trained; 0 is the stored one.")] = 0
    status: Annotated[Literal["ok", "failed"], Field(description="failed: training did not end, or left no number.")]
    failure: Annotated[str | None, Field(description="Why a run failed, in one line.")] = None
    metrics: Annotated[Metrics, Field(description="Shares on test classes after the last epoch; empty if it failed.")]
    validation_epoch: ValidationEpoch | None = None
    """Test metrics at the epoch that was best on validation classes; None where nothing was searched."""
    class_hits: list[Count] = []
    """For each test class, the queries whose nearest item is of their class."""
    class_queries: Annotated[list[Count], Field(description="For each test class, the number of its queries.")] = []
    hubness: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Skewness of how often a test item is among the nearest of a query."""
    noise_realised: Annotated[Share | None, Field(description="Share of training labels that are wrong.")] = None
    noise_sha256: Annotated[str, Field(description="Digest of the training labels as they were trained on.")]
    noise_list: ListedNoise | None = None
    """Where the wrong labels come from a published list; benchmarks only."""
    data_sha256: Annotated[str, Field(description="Digest of the images that it learned from, or of their features.")]
    views_sha256: str | None = None
    """Of the views that it learned from; regime ``finetuned`` only."""
    config_sha256: Annotated[str, Field(description="Digest of all settings of the run.")]
    loss_sha256: Annotated[str, Field(description="Digest of the code of the loss.")] = ""
    target: Annotated[str, Field(description="Where its class is: module:Class or path/file.py:Class.")] = ""
    hyperparameter_source: HyperparameterSource
    """Where hyper-parameters come from: a search, the paper, by hand, or the class's defaults."""
    hyperparameters: Annotated[dict[str, Any], Field(description="Arguments of the constructor of the loss.")] = {}
    recipe: Annotated[dict[str, Any], Field(description="Learning rates, batches, epochs and the like.")] = {}
    recipe_name: Annotated[str | None, Field(description="Name of the paper's recipe; benchmarks only.")] = None
    precision: Annotated[str | None, Field(description="Of the network's passes; benchmarks only.")] = None
    versions: Annotated[dict[str, str], Field(description="Of Python and of libraries.")] = {}
    before_training: Metrics | None = None
    """Metrics of the pretrained network before training, without its embedding layer; benchmarks only."""
    ablation: Annotated[AblationPoint | None, Field(description="The value that was varied; ablations only.")] = None
    proxies: Annotated[ProxyPlaces | None, Field(description="Where proxies lie; the study of geometry only.")] = None
    file: Annotated[str, Field(exclude=True)] = ""
    """Where it was read from, for messages."""
    line: Annotated[int, Field(exclude=True)] = 0

    @property
    def variant(self) -> Hashable:
        """What tells runs of a study apart: the point of an ablation, or the number of proxies."""
        point = tuple(self.ablation) if self.ablation else None
        return point, self.proxies.proxies_per_class if self.proxies else None

    @property
    def studies(self) -> tuple[str, ...]:
        """The kinds of studies that could leave it, as folders are called."""
        if self.proxies is not None:
            return (GEOMETRY,)
        if self.ablation is not None:
            return (CROSSED if self.ablation.crossed else ABLATIONS,)
        return (SPLITS,) if self.split else (PAPER_VALUES,) if self.track == PAPER_VALUES else (FRESH_SEEDS, EXTENDED)

    def compared(self, field: str) -> Any:
        """The value of a field as it is compared with those of other records: code is the same across harmless changes."""
        return latest_code(self.loss_sha256) if field == "loss_sha256" else getattr(self, field)

    @property
    def where(self) -> str:
        """File and line, for messages."""
        return f"{self.file}, line {self.line}"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.status == "failed":
            if self.metrics:
                raise ValueError("a run with status 'failed' has metrics; allowed: {}")
            return self
        if self.proxies is not None:
            if not self.proxies.size:
                raise ValueError("proxies.size is empty although status is ok")
            return self
        if MAIN_METRIC not in self.metrics:
            raise ValueError(f"metrics lacks {MAIN_METRIC}")
        if not self.class_queries or len(self.class_hits) != len(self.class_queries):
            raise ValueError("class_hits and class_queries must hold one number for each test class")
        share = sum(self.class_hits) / sum(self.class_queries)
        if not math.isclose(share, self.metrics[MAIN_METRIC], abs_tol=_TOLERANCE):
            raise ValueError(f"class_hits make {share:.6f}, metrics.{MAIN_METRIC} is {self.metrics[MAIN_METRIC]:.6f}")
        later = self.validation_epoch.metrics if self.validation_epoch else {}
        found = [contradiction(values) for values in (self.metrics, later, self.before_training or {})]
        if wrong := next(filter(None, [miscounted(self.class_hits, self.class_queries), *found]), ""):
            raise ValueError(wrong)
        return self


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write records as JSON lines."""
    write_text(path, "".join(json.dumps(record.model_dump(mode="json")) + "\n" for record in records))


def read_records(paths: Iterable[Path]) -> list[Record]:
    """Read records, checked line by line and against each other.

    Args:
        paths: JSON-lines files; each must exist and hold a record.

    Raises:
        SuiteError: a file is missing, empty or not JSON, a line lacks a field or has a value that is not allowed, or is of
            another place than its file, two lines describe one run, or runs that are compared did not have the same data,
            noise or test classes.
    """
    records = [record for path in paths for record in _read_file(path)]
    check_records(records)
    return records


def check_records(records: Sequence[Record]) -> None:
    """Check records against each other.

    Raises:
        SuiteError: two describe one run, runs that are compared did not have the same data, noise or test classes, or runs
            that differ in noise and seed alone did not have the same loss and values.
    """
    check_once(records)
    _check_constant(records, "data_sha256", ("dataset",))
    _check_constant(records, "noise_sha256", ("dataset", "noise_kind", "noise_level", "seed"))
    retrieved = [record for record in records if record.class_queries]
    _check_constant(retrieved, "class_queries", ("dataset",))
    for field in ("target", "loss_sha256", "hyperparameters", "recipe"):  # of a search, whatever the noise
        _check_constant(records, field, CONDITION[:4], ("backbone", "search", "variant"))


def check_once(records: Iterable[Record]) -> None:
    """Refuse two records of one run.

    Raises:
        SuiteError: there are.
    """
    seen: dict[Hashable, Record] = {}
    for record in records:
        key = (*(getattr(record, name) for name in KEY), record.backbone, record.split, record.variant)
        if key in seen:
            run = named({name: getattr(record, name) for name in KEY})
            raise SuiteError(f"records hold a run twice: {run} ({seen[key].where}; {record.where})")
        seen[key] = record


def _cure(path: Path) -> str:
    return f"restore it with: git checkout {path}" if path.parts[0] == RESULTS_FOLDER.name else ANEW


def _read_file(path: Path) -> list[Record]:
    if not path.is_file():
        raise SuiteError(f"record file {path} is missing; run: dvc repro")
    records = records_in(read_text(path, _cure(path)), path, _cure(path))
    for record in records:
        if wrong := misplaced(record):
            raise SuiteError(f"{record.where}: {wrong}; {_cure(path)}")
    return records


def records_in(text: str, path: Path, cure: str) -> list[Record]:
    """Records of a text of JSON lines, each checked by itself; ``path`` and ``cure`` are for messages.

    Raises:
        SuiteError: the text is empty or not JSON, a line lacks a field or has a value that is not allowed.
    """
    lines = text.splitlines()
    if not lines:
        raise SuiteError(f"record file {path} holds no record; {cure}")
    return [_read_line(path, number, line, cure) for number, line in enumerate(lines, 1)]


def _read_line(path: Path, number: int, line: str, cure: str) -> Record:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SuiteError(f"{path}, line {number} is not valid JSON: {error}; {cure}") from error
    if not isinstance(values, dict):
        raise SuiteError(f"{path}, line {number} holds {type(values).__name__}; allowed: a mapping, in braces")
    try:
        return Record.model_validate(values | {"file": str(path), "line": number})
    except ValidationError as error:
        raise SuiteError(f"{explain_first(error, Record, Path(f'{path}, line {number}'))}; {cure}") from error


def _check_constant(records: Sequence[Record], field: str, group: Sequence[str], unnamed: Sequence[str] = ()) -> None:
    """One value of a field within a group, which is told by the first names; ``unnamed`` divide it further."""
    firsts: dict[Hashable, Record] = {}
    for record in records:
        place = tuple(getattr(record, name) for name in group)
        first = firsts.setdefault((record.split, place, *(getattr(record, name) for name in unnamed)), record)
        if first.compared(field) != record.compared(field):
            where = named(dict(zip(group, place, strict=True)))
            raise SuiteError(
                f"{field} of {record.where} differs from that of {first.where} for {where}; "
                "delete the older file and run: dvc repro"
            )


def contradiction(metrics: Mapping[str, float]) -> str:
    """What cannot be in the metrics of one model, shares from 0 to 1; empty if nothing.

    More neighbours find no less: R@K does not fall with K. MAP@R weighs each hit by a precision of at most 1, so it is at
    most R-precision.
    """
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            return f"{name} = {value!r}; allowed: shares from 0 to 1"
    ordered = [name for name in _RECALLS if name in metrics]
    pairs = [*pairwise(ordered), ("map_at_r", "r_precision")]
    for less, more in pairs:
        if less in metrics and more in metrics and metrics[less] > metrics[more] + _TOLERANCE:
            return f"{less} = {metrics[less]:.6g} is above {more} = {metrics[more]:.6g}, which cannot be"
    return ""


def miscounted(hits: Sequence[int], queries: Sequence[int]) -> str:
    """What cannot be in the hits and queries of the test classes; empty if nothing."""
    for place, (hit, query) in enumerate(zip(hits, queries, strict=True)):
        if hit > query:
            return f"class_hits[{place}] = {hit} is above class_queries[{place}] = {query}, which cannot be"
    return ""


def misplaced(record: Record, *, by_name: bool = False) -> str:
    """Why a run cannot be in its file, if that is one of a study; empty if it can.

    Args:
        record: the run.
        by_name: whether the file must have the name that the study gives it, too: ``studies/KIND/DATASET-LOSS.jsonl``, with
            the axis of an ablation in place of the loss.
    """
    path = Path(record.file)
    if path.parent.parent.name != STUDIES:
        return ""
    if path.parent.name not in record.studies:
        return f"the run is none of studies/{path.parent.name}; allowed: runs of that study"
    of_axis = record.ablation is not None and record.proxies is None
    mine = f"{record.dataset}-{record.ablation.axis if of_axis and record.ablation else record.loss}"
    return f"the run is of {mine}; allowed: runs of {path.stem}" if by_name and path.stem != mine else ""
