"""``pipelines/finetuned/params.yaml``: how the network learns in the regime ``finetuned``.

What is compared (data sets, losses, backbone, noise, seeds) stands in ``params.yaml``, for all regimes alike.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from suite.errors import SuiteError, allowed
from suite.settings.params import BackboneSettings, Recipe, Settings, TuningSettings, alike_but_for_case, load_settings
from suite.settings.paths import FINETUNED_FILE, PARAMS_FILE
from suite.settings.reading import Filled, Name, Number, Strict, read_settings
from suite.settings.studies import (
    AblationAxes,
    CrossedSettings,
    ExtendedSettings,
    FreshSeedSettings,
    GeometrySettings,
    SplitSettings,
)

Share = Annotated[Number, Field(ge=0, le=1)]


def _no_number(value: object) -> object:
    """1 equals true, and stands for it nowhere else in settings."""
    if type(value) in (int, float):
        raise ValueError("Input should be True, False or 'on_cpu'")
    return value


class FinetunedRecipe(Recipe):
    """How views are made, and blocks and embedding layer trained: the same for every loss.

    ``learning_rate`` is that of the embedding layer.
    """

    file: ClassVar[Path] = FINETUNED_FILE

    whole_network: Annotated[Literal[True, False, "on_cpu"], BeforeValidator(_no_number)] = False
    """Whether all blocks learn, from images, on a GPU; ``on_cpu`` does it without one.

    ``cut`` and ``views`` count for nothing then: each image is changed anew for each batch.
    """
    cut: str
    """The last block of the backbone that stands, by its name in timm; all blocks after it learn."""
    views: Annotated[int, Field(ge=1, le=100, strict=True)]
    """Random views of each training image; the plain image comes on top."""
    crop: Annotated[Number, Field(gt=0, le=1)]
    """Least share of an image's area that a view shows; it is scaled to the image's size."""
    flip: bool
    """Whether half of the views are mirrored."""
    colour: Share
    """By how much brightness, contrast and saturation of a view change at most, as a share."""
    backbone_rate: Share
    """Learning rate of the blocks as a share of that of the embedding layer."""
    warm_up_epochs: Annotated[int, Field(ge=0, le=10_000, strict=True)] = 0
    """Epochs at the start in which only embedding layer and proxies learn: fewer than there are."""


class RecipeChanges(Strict):
    """What a data set has in place of values of ``recipe``."""

    epochs: Annotated[int, Field(ge=1, le=10_000, strict=True)] | None = None
    flip: bool | None = None
    colour: Share | None = None


class SettingsOfRegime(Settings):
    """``params.yaml`` with recipe, searches and studies of this regime in place of its own."""

    changes: dict[str, RecipeChanges]
    own: frozenset[str] = frozenset()
    """Losses under ``tuning.also`` of the file of this regime."""

    def file_of(self, loss: str) -> Path:
        """The settings file that holds a loss."""
        return FINETUNED_FILE if loss in self.own else PARAMS_FILE

    def recipe_of(self, dataset: str) -> Recipe:
        """The recipe on a data set, with its own values."""
        mine = self.changes.get(dataset, RecipeChanges()).model_dump(exclude_none=True)
        return super().recipe_of(dataset).model_copy(update=mine)


class GeometryChanges(Strict):
    """What runs of the geometry study have on a data set in place of values of ``recipe``, for all losses; not searches."""

    backbone_rate: Share | None = None


class GeometryOfRegime(GeometrySettings):
    """The study of geometry, on some of the data sets, for cost."""

    datasets: Annotated[dict[Name, GeometryChanges], Filled] = {}

    @model_validator(mode="after")
    def _has_datasets(self) -> Self:
        if self.losses and not self.datasets:
            raise ValueError("datasets names none, and losses are named; allowed: data sets of params.yaml")
        return self

    def on(self, dataset: str) -> bool:
        """Whether the study is of a data set."""
        return dataset in self.datasets

    def in_recipe(self, dataset: str) -> dict[str, float]:
        """What runs of the study have on a data set in place of values of the grid's recipe."""
        return self.datasets.get(dataset, GeometryChanges()).model_dump(exclude_none=True)


class FinetunedSettings(Strict):
    """The whole of the file."""

    recipe: FinetunedRecipe
    datasets: Annotated[dict[Name, RecipeChanges], Filled] = Field(default_factory=dict)
    tuning: TuningSettings
    ablation: Annotated[dict[Name, AblationAxes], Filled] = {}
    crossed: CrossedSettings = CrossedSettings()
    fresh_seeds: FreshSeedSettings = FreshSeedSettings()
    extended: ExtendedSettings = ExtendedSettings()
    geometry: GeometryOfRegime = GeometryOfRegime()

    @model_validator(mode="after")
    def _tracks_are_searched(self) -> Self:
        self.extended.check_tracks(self.tuning.tracks)
        return self

    @model_validator(mode="after")
    def _blocks_learn(self) -> Self:
        warm_up, space = self.recipe.warm_up_epochs, self.tuning.space.get("epochs", {})
        values = space.get("values", [space.get("low")])
        searched = values if isinstance(values, list) else []  # anything else is refused where spaces are read
        lengths = {
            "recipe.epochs": self.recipe.epochs,
            **{
                f"datasets.{name}.epochs": each.epochs
                for name, each in self.datasets.items()
                if each.epochs is not None
            },
            **{f"tuning.space.epochs: {value}": value for value in searched},
        }
        for place, epochs in lengths.items():
            if isinstance(epochs, int) and warm_up >= epochs:
                raise ValueError(
                    f"recipe.warm_up_epochs = {warm_up}: no block would learn in the {epochs} epochs of {place}; "
                    f"allowed: 0 to {epochs - 1}"
                )
        return self

    def within(self, settings: Settings) -> SettingsOfRegime:
        """All settings of the regime; views are of the stored split, and papers' values are for other recipes.

        Losses that the grid does not run are those under ``tuning.also`` of ``params.yaml`` that studies of the regime name.

        Raises:
            SuiteError: a loss of the grid stands under ``tuning.also``, or its name differs in case alone from another.
        """
        if twice := [name for name in self.tuning.also if name in settings.losses]:
            raise SuiteError(
                f"{FINETUNED_FILE}: tuning.also.{allowed(twice)} is under losses of {PARAMS_FILE} as well; allowed: losses "
                "that the grid does not run"
            )
        studied = {*self.extended.losses, *self.geometry.losses}
        also = {name: entry for name, entry in settings.tuning.also.items() if name in studied}
        mine = {name: value for name, value in dict(self).items() if name != "datasets"}
        others = {
            "changes": self.datasets,
            "splits": SplitSettings(),
            "paper_values": {},
            "tuning": self.tuning.model_copy(update={"also": also | self.tuning.also}),
            "own": frozenset(self.tuning.also),
        }
        if alike := alike_but_for_case([*settings.losses, *(also | self.tuning.also)]):
            raise SuiteError(
                f"{FINETUNED_FILE}: tuning.also: {allowed(alike)} differ in case alone; allowed: other names"
            )
        return SettingsOfRegime.model_construct(**dict(settings) | mine | others)

    def without_studies(self) -> "FinetunedSettings":
        """What decides the runs of the grid alone."""
        return FinetunedSettings(
            recipe=self.recipe, datasets=self.datasets, tuning=self.tuning.model_copy(update={"also": {}})
        )

    def unused(self, settings: Settings) -> list[str]:
        """A line for each data set that ``params.yaml`` does not name: it is left out."""
        return [
            f"{FINETUNED_FILE}: {place}.{name} is left out: it is not under datasets in {PARAMS_FILE}; "
            f"allowed: {allowed(settings.datasets)}"
            for place, names in (("datasets", [*self.datasets]), ("geometry.datasets", [*self.geometry.datasets]))
            for name in names
            if name not in settings.datasets
        ]


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """What the views of a data set are made from.

    Attributes:
        dataset: its name.
        data_sha256: digest of its file.
        max_classes: the cut to fewer classes, or None for all.
        backbone: the network.
        cut: the last block that stands; empty where the whole network learns.
        views: number of random views of each training image; 0 where the whole network learns.
        crop: least share of the area that they show.
        flip: whether half of them are mirrored.
        colour: by how much their colours change at most.
    """

    dataset: str
    data_sha256: str
    max_classes: int | None
    backbone: BackboneSettings
    cut: str
    views: int
    crop: float
    flip: bool
    colour: float

    @property
    def whole_network(self) -> bool:
        """Whether no block stands, so that images are changed for each batch."""
        return not self.cut

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self) | {"backbone": self.backbone.model_dump()}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "ViewPlan":
        """The inverse of ``as_dict``."""
        return cls(**value | {"backbone": BackboneSettings.model_validate(value["backbone"])})


def load_finetuned(path: Path = FINETUNED_FILE) -> FinetunedSettings:
    """Read and check the settings file.

    Raises:
        SuiteError: it is missing, no YAML, or a setting is unknown or out of range.
    """
    return read_settings(path, FinetunedSettings, "settings file {} is missing; run from the project's root")


def settings_of(regime: str) -> Settings:
    """All settings of the regime ``frozen`` or ``finetuned``.

    Raises:
        SuiteError: as ``load_settings`` and ``load_finetuned``.
    """
    settings = load_settings()
    return load_finetuned().within(settings) if regime == "finetuned" else settings
