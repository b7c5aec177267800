"""What the record of a run consists of besides its plain fields."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Length = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Metrics = dict[str, Share]
"""Metrics by name. One that is not there was not measured."""

PART = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
"""Of a record and its parts: unknown fields raise, values do not change."""


class _Part(BaseModel):
    model_config = PART


class ValidationEpoch(_Part):
    """Test metrics at the epoch that was best on validation classes during tuning."""

    epoch: Count
    """Number of the epoch, from 1."""
    metrics: Metrics
    """Metrics on test classes after it, as shares."""


class ListedNoise(_Part):
    """The published list that wrong labels come from, and what was to be decided about it."""

    source: str
    """Name of the published file."""
    source_sha256: str
    """Digest of that file."""
    kept_true: Count
    """Images whose label in the list names no class and that therefore keep their true one."""
    undecided: Count
    """Images of classes that all share one label, so that the list does not say which of them it names."""
    swappable: Count
    """Images of whose labels a pair might be the other way round, because their names do not tell them apart."""


class AblationPoint(_Part):
    """The value that an ablation varies."""

    axis: str
    """Name of the hyper-parameter."""
    value: Annotated[float, Field(allow_inf_nan=False)]
    """Its value."""
    crossed: bool = False
    """Whether other values were searched anew at this one; else they are as they were tuned."""


class ProxyPlaces(_Part):
    """Where the proxies of a trained model lie among the training embeddings; lists have an entry for each training class.

    Lengths are chords. All lists are empty for a failed run.
    """

    proxies_per_class: Annotated[int, Field(ge=1)]
    """Number of proxies of each class."""
    alpha: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Decay of PFML's field; None for a loss without one."""
    delta: Length | None = None
    """Of PFML's field; None for a loss without one."""
    size: list[Count] = []
    """Number of training embeddings of the class."""
    spread: list[Length] = []
    """Standard deviation of the class."""
    spread_by_epoch: list[Length] = []
    """Mean of the classes' standard deviations after each epoch of training."""
    wider_by_epoch: list[Share] | None = None
    """Share of the classes whose standard deviation is above delta after each epoch; None for a loss without delta."""
    w2: list[Length] = []
    """2-Wasserstein distance between the proxies of the class and its embeddings."""
    nearest: list[Length] = []
    """Mean distance from a proxy to its nearest embedding."""
    apart: list[Length] | None = None
    """Mean distance between two proxies of the class; None where it has one."""
    condition: list[Share] | None = None
    """Share of the class's embeddings that meet condition (*) of Proposition 1."""
    minima_met: list[tuple[Count, Count]] | None = None
    """Flows started and ended within delta, at embeddings that meet the condition."""
    minima_unmet: list[tuple[Count, Count]] | None = None
    """The same at embeddings that do not meet it."""

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        for field in ("spread", "w2", "nearest", "apart", "condition"):
            values = getattr(self, field)
            if values is not None and len(values) != len(self.size):
                raise ValueError(
                    f"{field} has {len(values)} entries; allowed: one a class, {len(self.size)} as in size"
                )
        for field in ("minima_met", "minima_unmet"):
            if wrong := next((pair for pair in getattr(self, field) or [] if pair[1] > pair[0]), None):
                raise ValueError(f"{field} holds {wrong}: more flows ended within delta than were started")
        return self
