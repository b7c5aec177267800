"""What a claim file must say. One model a kind; a file that leaves something out, or says something unknown, is refused.

A claim is written before its results are looked at; results carry the hash of the claim files.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from suite.judging.claims.vocabulary import EMBEDDED_BACKBONE, Axis, Backbone, Metric

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]
Text = Annotated[str, Field(min_length=3)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Dataset = Literal["emoji", "furniture", "typefaces", "cub", "cars", "sop"]
Track = Literal["tuned", "published"]
Level = Annotated[float, Field(ge=0, lt=1)]
MinimumSeeds = Annotated[int, Field(ge=3, strict=True)]


class Part(BaseModel):
    """Base of all parts of a claim: nothing unknown, nothing changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Part):
    """Where the paper or its project says it."""

    section: Text
    table: Text
    """Table or figure; "none" where the text says it."""


class SmallestEffect(Part):
    """The smallest effect of interest, in the units of the estimand (points of percent for retrieval metrics), and why."""

    value: Positive
    because: Text


class Noise(Part):
    """One level of label noise."""

    kind: Literal["symmetric", "small_cluster"]
    level: Level


class NoiseLevels(Part):
    """Levels of label noise, without noise first."""

    kind: Literal["symmetric", "small_cluster"]
    levels: Annotated[tuple[Level, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _from_clean(self) -> Self:
        if self.levels[0] != 0 or list(self.levels) != sorted(set(self.levels)):
            raise ValueError("allowed: rising levels that begin with 0")
        return self


class Pair(Part):
    """A method of interest and the one that it is compared with."""

    subject: Name
    reference: Name

    @model_validator(mode="after")
    def _different(self) -> Self:
        if self.subject == self.reference:
            raise ValueError("allowed: a reference other than the subject")
        return self


class Subject(Part):
    """A method alone."""

    subject: Name


class Along(Part):
    """A method along one of its hyper-parameters."""

    subject: Literal["pfml"]
    axis: Axis


class Claim(Part):
    """What every claim says."""

    id: Slug
    """Also the name of the file."""
    statement: Text
    source: Source
    datasets: Annotated[tuple[Dataset, ...], Field(min_length=1)]
    smallest_effect: SmallestEffect
    family: Slug
    """Claims of one family answer one question together; Holm's adjustment runs over all their lines."""
    minimum_seeds: MinimumSeeds

    def losses(self) -> dict[str, str]:
        """Losses that the claim names, by field."""
        contrast = getattr(self, "contrast")  # noqa: B009 - every kind has one, each of its own shape
        return {f"contrast.{field}": name for field, name in contrast if field in {"subject", "reference"}}


class OnRuns(Claim):
    """A claim about retrieval metrics of trained heads or networks."""

    estimand: Metric
    track: Track = "tuned"
    backbone: Backbone = EMBEDDED_BACKBONE


class Superiority(OnRuns):
    """The subject's metric is above the reference's at one noise level."""

    kind: Literal["superiority"]
    contrast: Pair
    noise: Noise
    direction: Literal["higher"]
    published: dict[Dataset, Finite] | None
    """The same contrast in the paper, in points, by data set; for the reader, not for the test."""
    test: Literal["paired_t"]


class Robustness(OnRuns):
    """The subject loses less under noise than the reference: a difference in differences, or a slope over several levels."""

    kind: Literal["robustness"]
    contrast: Pair
    noise: NoiseLevels
    direction: Literal["higher"]
    published: dict[Dataset, Finite] | None
    """The same difference in differences in the paper, in points; for the reader, not for the test."""
    test: Literal["paired_t"]


class PublishedValue(Part):
    """A number of a table, in percent."""

    value: Annotated[float, Field(gt=0, le=100)]
    spread: Positive | None
    """What stands behind the +-; null where the table gives none. Read as a standard error, the wider of the two
    readings."""
    runs: Annotated[int, Field(ge=1, strict=True)] | None
    """Runs behind the number; null where the table does not say, which is read as one."""

    @model_validator(mode="after")
    def _spread_of_runs(self) -> Self:
        if self.spread is not None and (self.runs is None or self.runs < 2):
            raise ValueError("a spread needs runs of 2 or more")
        return self


class Reproduction(Claim):
    """Our mean is the published one, up to the margin."""

    kind: Literal["reproduction"]
    estimand: Annotated[tuple[Metric, ...], Field(min_length=1)]
    contrast: Subject
    track: Track = "tuned"
    backbone: Backbone
    noise: Noise
    direction: Literal["equal"]
    published: Annotated[dict[Metric, PublishedValue], Field(min_length=1)]
    test: Literal["tost_summary"]

    @model_validator(mode="after")
    def _a_number_each(self) -> Self:
        if set(self.estimand) != set(self.published):
            raise ValueError("published: allowed: one entry for each metric of estimand")
        if len(self.datasets) != 1:
            raise ValueError("datasets: allowed: the one that the numbers belong to")
        return self


class Range(Part):
    """A stretch of a hyper-parameter, both ends included."""

    low: Finite
    high: Finite

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.low < self.high:
            raise ValueError("allowed: low below high")
        return self


class OnAblation(Claim):
    """A claim about PFML along one of its hyper-parameters, without noise, the others at their tuned values."""

    estimand: Metric
    contrast: Along
    published: dict[Dataset, Annotated[tuple[tuple[Finite, Finite], ...], Field(min_length=2)]] | None
    """Pairs (value, metric in percent) read off the paper's plots; on other data, so for the reader, not for the test."""


class Insensitivity(OnAblation):
    """No two values of the hyper-parameter within a range differ by the margin."""

    kind: Literal["insensitivity"]
    within: Range
    direction: Literal["equal"]
    test: Literal["tost_pairs"]


class Trend(OnAblation):
    """The metric rises or falls along the hyper-parameter."""

    kind: Literal["trend"]
    within: Range
    direction: Literal["higher", "lower"]
    test: Literal["slope_t"]


class Saturation(OnAblation):
    """The metric rises from a start to a plateau and stays level on it."""

    kind: Literal["saturation"]
    start: Finite
    plateau_from: dict[Dataset, Finite]
    direction: Literal["higher"]
    test: Literal["rise_and_tost"]

    @model_validator(mode="after")
    def _for_each_dataset(self) -> Self:
        if set(self.plateau_from) != set(self.datasets):
            raise ValueError("plateau_from: allowed: one entry for each data set")
        if min(self.plateau_from.values()) <= self.start:
            raise ValueError("plateau_from: allowed: values above start")
        return self


class Premise(Part):
    """The premise of a theorem, and the least share of classes or embeddings that must meet it for a verdict."""

    name: Literal["delta_below_spread", "condition_star"]
    minimum_share: Share
    because: Text


class Closeness(Claim):
    """The subject's proxies are closer to their class's training embeddings than the reference's."""

    kind: Literal["closeness"]
    estimand: Literal["w2", "w2_relative", "nearest", "nearest_relative"]
    contrast: Pair
    premise: Premise
    direction: Literal["lower"]
    published: None
    test: Literal["paired_t"]


class Minima(Claim):
    """A flow of the class field that starts at an embedding ends within delta of it."""

    kind: Literal["minima"]
    estimand: Literal["share_ended_within_delta"]
    contrast: Subject
    premise: Premise
    direction: Literal["at_least"]
    target: Share
    """The share that the theorem promises; shown when the true share is within the smallest effect of it, or above."""
    published: None
    test: Literal["t_and_binomial"]


class Decay(Claim):
    """The greatest influence of a far point is a smaller share of the greatest of all under the subject than the reference.

    It is measured without sampling error: there are no seeds, hence neither interval nor p.
    """

    kind: Literal["decay"]
    estimand: Literal["share_of_largest_influence"]
    contrast: Pair
    pair: Literal["positive", "negative"]
    beyond: Positive
    """A chord; points this far from the anchor, or farther, are the far ones."""
    direction: Literal["lower"]
    published: None
    test: Literal["deterministic"]
    datasets: tuple[()] = ()
    minimum_seeds: Literal[0]


KINDS: dict[str, type[Claim]] = {
    "superiority": Superiority,
    "robustness": Robustness,
    "reproduction": Reproduction,
    "insensitivity": Insensitivity,
    "trend": Trend,
    "saturation": Saturation,
    "closeness": Closeness,
    "minima": Minima,
    "decay": Decay,
}
