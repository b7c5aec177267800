"""What a claim file must say. One model a kind; a file that leaves something out, or says something unknown, is refused.

A claim is written before its results are looked at; results carry the hash of the claim files.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from suite.data.noise import KINDS as NOISE_KINDS
from suite.data.noise_lists import LISTED_KINDS
from suite.errors import allowed
from suite.judging.claims.parts import (
    BENCHMARKS,
    AlongAxis,
    AxisRange,
    ClaimPart,
    ClaimSource,
    ClaimText,
    ClaimTrack,
    DatasetName,
    Finite,
    LossPair,
    MetricName,
    Noise,
    NoiseLevels,
    Premise,
    ReportedValue,
    RisingValues,
    ShareAboveZero,
    SingleLoss,
    Slug,
    SmallestEffect,
)
from suite.settings.paper_recipes import BACKBONES
from suite.settings.params import EMBEDDED_BACKBONE
from suite.settings.plans import Regime
from suite.settings.reading import Positive


class Claim(ClaimPart):
    """What every claim says."""

    id: Slug
    """Also the name of the file."""
    kind: str
    statement: ClaimText
    said_by: Literal["paper", "suite"] = "suite"
    """Whether the paper says it, of whatever regime, or the suite has carried it on: to more noise, to other baselines."""
    source: ClaimSource
    smallest_effect: SmallestEffect
    family: Slug
    """Claims of one family answer one question together; Holm's adjustment runs over all their lines."""


class ClaimOnRecords(Claim):
    """A claim that records of trained networks decide, in one regime."""

    datasets: Annotated[tuple[DatasetName, ...], Field(min_length=1)]
    regime: Regime
    """What learns. By default ``published`` for CUB, Cars and SOP and ``frozen`` for other data sets."""
    backbone: ClaimText = EMBEDDED_BACKBONE
    minimum_seeds: Annotated[int, Field(ge=3, strict=True)]

    @model_validator(mode="before")
    @classmethod
    def _default_regime(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "regime" in values:
            return values
        datasets = values.get("datasets")
        benchmark = isinstance(datasets, list | tuple) and any(name in BENCHMARKS for name in datasets)
        return values | {"regime": "published" if benchmark else "frozen"}

    @model_validator(mode="after")
    def _regime_fits(self) -> Self:
        for dataset in self.datasets:
            if (dataset in BENCHMARKS) != (self.regime == "published"):
                fitting = "published" if dataset in BENCHMARKS else "frozen, finetuned"
                raise ValueError(f"regime = {self.regime!r} with data set {dataset}; allowed: {fitting}")
        if self.regime == "published" and self.backbone not in BACKBONES:
            raise ValueError(f"backbone = {self.backbone!r} in regime 'published'; allowed: {allowed(BACKBONES)}")
        kind = getattr(getattr(self, "noise", None), "kind", None)
        if kind in LISTED_KINDS and self.regime != "published":
            raise ValueError(f"noise.kind = {kind!r} in regime {self.regime!r}; allowed: {allowed(NOISE_KINDS)}")
        return self


class ClaimOnRuns(ClaimOnRecords):
    """A claim about retrieval metrics under label noise."""

    estimand: MetricName
    track: ClaimTrack = "tuned"


class Superiority(ClaimOnRuns):
    """The subject's metric is above the reference's at one noise level."""

    kind: Literal["superiority"]
    contrast: LossPair
    noise: Noise
    direction: Literal["higher"]
    reported: dict[DatasetName, Finite] | None
    """The same contrast in the paper, in points, by data set; for the reader, not for the test."""
    test: Literal["paired_t"]


class Equivalence(ClaimOnRuns):
    """At one noise level the subject's metric differs from the reference's by less than the smallest effect of interest."""

    kind: Literal["equivalence"]
    contrast: LossPair
    noise: Noise
    direction: Literal["equal"]
    reported: None
    test: Literal["tost"]


class Robustness(ClaimOnRuns):
    """The subject loses less under noise than the reference: a difference in differences, or a slope over several levels."""

    kind: Literal["robustness"]
    contrast: LossPair
    noise: NoiseLevels
    direction: Literal["higher"]
    reported: dict[DatasetName, Finite] | None
    """The same difference in differences in the paper, in points; for the reader, not for the test."""
    test: Literal["paired_t"]


class Reproduction(ClaimOnRecords):
    """Our mean is the reported one, up to the margin."""

    kind: Literal["reproduction"]
    estimand: Annotated[tuple[MetricName, ...], Field(min_length=1)]
    contrast: SingleLoss
    track: ClaimTrack = "tuned"
    backbone: ClaimText
    noise: Noise
    direction: Literal["equal"]
    reported: Annotated[dict[MetricName, ReportedValue], Field(min_length=1)]
    test: Literal["tost_summary"]

    @model_validator(mode="after")
    def _a_number_each(self) -> Self:
        if set(self.estimand) != set(self.reported):
            raise ValueError("reported must have one entry for each metric of estimand")
        if len(self.datasets) != 1:
            raise ValueError("datasets must name one data set, the one that the numbers belong to")
        return self


class ClaimOnAblation(ClaimOnRecords):
    """A claim about PFML along one of its hyper-parameters; without noise, unless it says otherwise."""

    estimand: MetricName
    contrast: AlongAxis
    reported: dict[DatasetName, Annotated[tuple[tuple[Finite, Finite], ...], Field(min_length=2)]] | None
    """Pairs (value, metric in percent) read off the paper's plots; on other data, so for the reader, not for the test."""


class Insensitivity(ClaimOnAblation):
    """No two values of the hyper-parameter within a range differ by the margin."""

    kind: Literal["insensitivity"]
    within: AxisRange
    direction: Literal["equal"]
    test: Literal["tost_pairs"]


class Trend(ClaimOnAblation):
    """The metric rises, or falls, with every step along the hyper-parameter."""

    kind: Literal["trend"]
    values: Annotated[RisingValues, Field(min_length=3)]
    """Of the hyper-parameter, from step to step; other values that were run do not count."""
    direction: Literal["higher", "lower"]
    test: Literal["adjacent_steps"]


class Interaction(ClaimOnAblation):
    """What noise takes from the metric rises, or falls, with every step along the hyper-parameter."""

    kind: Literal["interaction"]
    noise: NoiseLevels
    values: Annotated[RisingValues, Field(min_length=2)]
    direction: Literal["higher", "lower"]
    test: Literal["adjacent_steps"]


class Saturation(ClaimOnAblation):
    """The metric rises from a start to a plateau and stays level on it."""

    kind: Literal["saturation"]
    start: Finite
    plateau_from: dict[DatasetName, Finite]
    direction: Literal["higher"]
    test: Literal["rise_and_tost"]

    @model_validator(mode="after")
    def _for_each_dataset(self) -> Self:
        if set(self.plateau_from) != set(self.datasets):
            raise ValueError("plateau_from must have one entry for each data set of datasets")
        if min(self.plateau_from.values()) <= self.start:
            raise ValueError("plateau_from must have values above start")
        return self


class Closeness(ClaimOnRecords):
    """The subject's proxies are closer to their class's training embeddings than the reference's."""

    kind: Literal["closeness"]
    estimand: Literal["w2", "w2_relative", "nearest", "nearest_relative"]
    contrast: LossPair
    premise: Premise
    direction: Literal["lower"]
    reported: None
    test: Literal["paired_t"]


class Minima(ClaimOnRecords):
    """A flow of the class field that starts at an embedding ends within delta of it."""

    kind: Literal["minima"]
    estimand: Literal["share_ended_within_delta"]
    contrast: SingleLoss
    premise: Premise
    direction: Literal["at_least"]
    target: ShareAboveZero
    """The share that the theorem promises; shown when the true share is within the smallest effect of it, or above."""
    reported: None
    test: Literal["t_and_binomial"]


class InfluenceDecay(Claim):
    """The greatest influence of a far point is a smaller share of the greatest of all under the subject than the reference.

    Nothing is trained, so it belongs to no regime. It is measured without sampling error: there are no seeds, hence neither
    interval nor p.
    """

    kind: Literal["decay"]
    estimand: Literal["share_of_largest_influence"]
    contrast: LossPair
    pair: Literal["positive", "negative"]
    beyond: Positive
    """A chord; points this far from the anchor, or farther, are the far ones."""
    direction: Literal["lower"]
    reported: None
    test: Literal["deterministic"]
    minimum_seeds: Literal[0]


CLAIM_KINDS: dict[str, type[Claim]] = {
    "superiority": Superiority,
    "equivalence": Equivalence,
    "robustness": Robustness,
    "reproduction": Reproduction,
    "insensitivity": Insensitivity,
    "trend": Trend,
    "interaction": Interaction,
    "saturation": Saturation,
    "closeness": Closeness,
    "minima": Minima,
    "decay": InfluenceDecay,
}
