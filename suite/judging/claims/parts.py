"""Parts of a claim file, and the names in it. Each kind of name is checked against the one table that lists it.

Data sets and losses of a user are allowed too: ``load_claims`` passes them as the context of the validation.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from suite.data.catalog import EMBEDDED
from suite.data.noise import KINDS as NOISE_KINDS
from suite.data.noise_lists import LISTED_KINDS
from suite.errors import allowed
from suite.evaluation.retrieval import METRICS
from suite.losses.registry import BUILT_IN
from suite.settings.params import BenchmarkName, TuningTrack
from suite.settings.reading import Positive
from suite.settings.studies import AblationAxes

BENCHMARKS: tuple[str, ...] = get_args(BenchmarkName)
NOT_IMPLEMENTED = ("proxy_nca", "hse_pa", "ms_das", "hier")
"""Methods of the paper's tables that the suite does not have. Claims about them read "not run" until someone adds them."""


def _one_of(what: str, *tables: Iterable[str]) -> AfterValidator:
    """A check that a name is in one of the tables, or among the user's names of this kind."""

    def check(name: str, info: ValidationInfo) -> str:
        known = dict.fromkeys(chain(*tables, (info.context or {}).get(what, ())))
        if name not in known:
            raise ValueError(f"unknown {what}; allowed: {allowed(known)}")
        return name

    return AfterValidator(check)


DATASET, LOSS = "data set", "loss"
"""Kinds of names that a user may add, as keys of the context."""
MetricName = Annotated[str, _one_of("metric", METRICS)]
NoiseKind = Annotated[str, _one_of("noise kind", NOISE_KINDS, LISTED_KINDS)]
Axis = Annotated[str, _one_of("ablation axis", AblationAxes.model_fields)]
DatasetName = Annotated[str, _one_of(DATASET, EMBEDDED, BENCHMARKS)]
LossName = Annotated[str, _one_of(LOSS, BUILT_IN, NOT_IMPLEMENTED)]

Finite = Annotated[float, Field(allow_inf_nan=False)]
ShareAboveZero = Annotated[float, Field(gt=0, le=1)]
ClaimText = Annotated[str, Field(min_length=3)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
ClaimTrack = Literal[TuningTrack, "paper_values"]
Level = Annotated[float, Field(ge=0, lt=1)]


def _rising(values: tuple[float, ...]) -> tuple[float, ...]:
    if list(values) != sorted(set(values)):
        raise ValueError("allowed: values that rise, each named once")
    return values


RisingValues = Annotated[tuple[Finite, ...], AfterValidator(_rising)]


class ClaimPart(BaseModel):
    """Base of all parts of a claim: nothing unknown, nothing changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ClaimSource(ClaimPart):
    """Where the paper or its project says it."""

    section: ClaimText
    table: ClaimText
    """Table or figure; "none" where the text says it."""


class SmallestEffect(ClaimPart):
    """The smallest effect of interest, in the units of the estimand (points of percent for retrieval metrics), and why."""

    value: Positive
    because: ClaimText


class Noise(ClaimPart):
    """One level of label noise."""

    kind: NoiseKind
    level: Level


class NoiseLevels(ClaimPart):
    """Levels of label noise, without noise first."""

    kind: NoiseKind
    levels: Annotated[tuple[Level, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _from_clean(self) -> Self:
        if self.levels[0] != 0 or list(self.levels) != sorted(set(self.levels)):
            raise ValueError("levels must rise and begin with 0")
        return self


class LossPair(ClaimPart):
    """A method of interest and the one that it is compared with."""

    subject: LossName
    reference: LossName

    @model_validator(mode="after")
    def _different(self) -> Self:
        if self.subject == self.reference:
            raise ValueError("allowed: a reference other than the subject")
        return self


class SingleLoss(ClaimPart):
    """A method alone."""

    subject: LossName


class AlongAxis(ClaimPart):
    """A method along one of its hyper-parameters."""

    subject: Literal["pfml"]
    axis: Axis


class ReportedValue(ClaimPart):
    """A number of a table, in percent."""

    value: Annotated[float, Field(gt=0, le=100)]
    spread: Positive | None
    """The number behind the +-; null if the table gives none. Read as a standard error: the wider of the two readings."""
    runs: Annotated[int, Field(ge=1, strict=True)] | None
    """Runs behind the number; null if the table does not say, which is read as one run."""

    @model_validator(mode="after")
    def _spread_of_runs(self) -> Self:
        if self.spread is not None and (self.runs is None or self.runs < 2):
            raise ValueError("a spread needs runs, 2 or more")
        return self


class AxisRange(ClaimPart):
    """A stretch of a hyper-parameter, both ends included."""

    low: Finite
    high: Finite

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.low < self.high:
            raise ValueError("low must be below high")
        return self


class Premise(ClaimPart):
    """The premise of a theorem, and the least share of classes or embeddings that must meet it for a verdict."""

    name: Literal["delta_below_spread", "condition_star"]
    minimum_share: ShareAboveZero
    because: ClaimText
