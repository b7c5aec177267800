"""The part of ``params.yaml`` that sets studies, which are run by name."""

from typing import Annotated

from pydantic import Field

from suite.errors import allowed
from suite.settings.reading import Chord, Distinct, Filled, Name, Number, Seeds, Strict

ABLATED = "pfml"
"""The loss that ablations vary, and at further deltas of which the geometry is studied."""


class Chosen(Strict):
    """An entry without settings: its name says all."""


class AblationAxes(Strict):
    """Values of pfml that are varied one at a time around its tuned ones; of an axis without values nothing is run."""

    proxies_per_class: Annotated[tuple[Annotated[int, Field(ge=0, le=1_000, strict=True)], ...], Distinct] = ()
    alpha: Annotated[tuple[Annotated[Number, Field(ge=0, le=100, allow_inf_nan=False)], ...], Distinct] = ()
    delta: Annotated[tuple[Chord, ...], Distinct] = ()
    repulsion_margin: Annotated[tuple[Annotated[Number, Field(ge=0, le=2, allow_inf_nan=False)], ...], Distinct] = ()
    """By how much the radius of repulsion exceeds that of attraction."""


class CrossedSettings(Strict):
    """Ablations of pfml under label noise, with the rates searched anew at each value."""

    values: AblationAxes = AblationAxes()
    searched: Annotated[tuple[Name, ...], Field(min_length=1), Distinct] = (
        "learning_rate",
        "proxy_learning_rate",
        "min_distance_ratio",
    )
    """What is searched at each value: entries of pfml's search space."""
    trials: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 10
    folds: Annotated[int, Field(ge=2, le=100, strict=True)] = 2


class SplitSettings(Strict):
    """Losses under further splits of the classes, drawn at random, each searched anew on its own training classes."""

    losses: Annotated[dict[Name, Chosen], Filled] = {}
    """Losses that are studied."""
    count: Annotated[int, Field(ge=1, le=100, strict=True)] = 3
    """Number of splits besides the stored one."""
    trials: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 10
    folds: Annotated[int, Field(ge=2, le=100, strict=True)] = 2


class FreshSeedSettings(Strict):
    """Runs of tuned losses on seeds that follow those of the grid: a confirmatory run, more seeds, or both."""

    losses: Annotated[dict[Name, Chosen], Filled] = {}
    """Losses that are run."""
    count: Seeds = 20
    """Number of seeds."""


class ExtendedLoss(Strict):
    """A loss of the study ``extended``."""

    tracks: Annotated[tuple[Name, ...], Distinct] = ()
    """Of ``tuning.tracks``, those whose values of this loss are run; if none is named, those of all losses."""


class ExtendedSettings(Strict):
    """Runs as in the grid that it does not have: of losses under ``tuning.also``, and of further kinds of label noise."""

    losses: Annotated[dict[Name, ExtendedLoss], Filled] = {}
    """Losses that are run: those of the grid under ``noise_kinds``, others under the grid's own kind, too."""
    noise_kinds: Annotated[tuple[Name, ...], Distinct] = ()
    """Kinds of label noise besides ``noise.kind``, at the same levels."""
    tracks: Annotated[tuple[Name, ...], Distinct] = ()
    """Of ``tuning.tracks``, those whose values are run; if none is named, ``tuned``, or all where that is not searched."""

    def check_tracks(self, searched: tuple[str, ...]) -> None:
        """Check that the tracks whose values are run are searched.

        Raises:
            ValueError: one is not.
        """
        own = {f"extended.losses.{name}.tracks": each.tracks for name, each in self.losses.items()}
        for place, tracks in {"extended.tracks": self.tracks, **own}.items():
            if beyond := [track for track in tracks if track not in searched]:
                raise ValueError(f"{place}: {allowed(beyond)} is not searched; allowed: {allowed(searched)}")

    def tracks_of(self, loss: str, searched: tuple[str, ...]) -> tuple[str, ...]:
        """The tracks whose values of a loss are run, of those that are searched."""
        named = self.losses[loss].tracks or self.tracks
        return named or tuple(track for track in searched if track == "tuned") or searched

    def kinds(self, grid_kind: str, *, in_grid: bool) -> tuple[str, ...]:
        """The kinds of noise of a loss: the grid's own first, where the grid does not run the loss."""
        further = tuple(kind for kind in self.noise_kinds if kind != grid_kind)
        return further if in_grid else (grid_kind, *further)


class GeometrySettings(Strict):
    """Where proxies lie among the embeddings of trained models."""

    losses: Annotated[dict[Name, Chosen], Filled] = {}
    """Losses with proxies; all take the same number of them a class."""
    proxies_per_class: Annotated[int, Field(ge=1, le=1_000, strict=True)] = 2
    deltas: Annotated[tuple[Chord, ...], Distinct] = ()
    """At which pfml is studied besides the delta that a search finds."""
    search_at_deltas: Annotated[bool, Field(strict=True)] = True
    """Whether its other values are searched anew at each of them; else they are those found without a held delta."""
    trials: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 10
    folds: Annotated[int, Field(ge=2, le=100, strict=True)] = 2

    def on(self, dataset: str) -> bool:  # noqa: ARG002 - a regime may name some
        """Whether the study is of a data set."""
        return True

    def in_recipe(self, dataset: str) -> dict[str, float]:  # noqa: ARG002 - a regime may change some
        """What runs of the study have on a data set in place of values of the grid's recipe."""
        return {}
