"""``params.yaml``: the one place that sets data sets, losses, noise, seeds and the recipe.

Every model refuses unknown settings; every error is one line that names the setting, the file and what is allowed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from suite.errors import allowed
from suite.settings.paths import PARAMS_FILE
from suite.settings.reading import (
    LEAST_LEVEL,
    AtLeastTwo,
    Dimension,
    Distinct,
    Filled,
    Name,
    NoiseLevel,
    Number,
    Rate,
    Scalar,
    Seeds,
    Strict,
    read_settings,
)
from suite.settings.studies import (
    AblationAxes,
    Chosen,
    CrossedSettings,
    ExtendedSettings,
    FreshSeedSettings,
    GeometrySettings,
    SplitSettings,
)

BATCH = ("classes_per_batch", "samples_per_class")
"""Settings of ``recipe`` that a data set may have of its own."""
BenchmarkName = Literal["cub", "cars", "sop"]
"""The benchmarks, whose images people bring."""
EMBEDDED_BACKBONE = "tf_efficientnet_lite0"
"""The network whose weights come with the suite."""
TuningTrack = Literal["tuned", "tuned_under_noise", "tuned_with_noisy_validation"]
"""Which labels are wrong in a search: none; those that train; those that validate, too."""


class Limits(Strict):
    """The least and the greatest value that a search may try; either may be left out."""

    low: Annotated[Number, Field(ge=-1e15, le=1e15)] | None = None
    high: Annotated[Number, Field(ge=-1e15, le=1e15)] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("low must not be above high")
        return self


class DatasetSettings(Strict):
    """One entry of ``datasets``. An empty entry takes the whole data set."""

    max_classes: Annotated[int, Field(ge=4, le=1_000_000, strict=True)] | None = None
    """Keep only this many classes, half of them for training, half for test. For quick tests."""
    path: str | None = None
    """A user's images: a folder with a folder a class, or a .csv or .parquet table of image files and labels."""
    path_column: str = "path"
    """Column of the table with image files, relative to the table's folder."""
    label_column: str = "label"
    """Column of the table with class names."""
    source_column: str | None = None
    """Column of the table with the source of each image; by default its file."""
    licence_column: str | None = None
    """Column of the table with the licence of each image; where it is empty, ``licence`` counts."""
    side: Annotated[int, Field(ge=32, le=512, strict=True)] = 96
    """A user's images are cut to squares of this many pixels; the embedded ones have 96."""
    licence: str = "unknown"
    """Licence of the images, for the record."""
    classes_per_batch: AtLeastTwo | None = None
    """In place of the one in ``recipe``, where this data set has fewer classes."""
    samples_per_class: AtLeastTwo | None = None
    """In place of the one in ``recipe``, where the classes of this data set have fewer images."""
    limits: Annotated[dict[Name, Limits], Filled] = {}
    """Where the entries of these names end in all search spaces, e.g. of ``proxies_per_class`` where classes are small."""

    @model_validator(mode="after")
    def _only_with_path(self) -> Self:
        extra = sorted(self.model_fields_set - {"path", "max_classes", "limits", *BATCH})
        if extra and self.path is None:
            raise ValueError(f"{extra[0]} needs a path; add path: FOLDER or TABLE, or remove it")
        return self


class WrappedLoss(Strict):
    """A loss that another one wraps."""

    target: str
    """``module:Class`` or ``path/file.py:Class``."""
    params: dict[str, Scalar] = {}
    """Hyper-parameters set by hand; in search spaces and recipes they have ``wrapped_`` before their names."""


class LossSettings(Strict):
    """One entry of ``losses``. Built-in losses need no settings."""

    target: str | None = None
    """``module:Class`` or ``path/file.py:Class``, the file anywhere in the project; built-in names need none."""
    params: dict[str, Scalar] = {}
    """Hyper-parameters set by hand; they win over tuned ones."""
    search: dict[str, dict[str, Any]] | None = None
    """Search space; replaces the one that the loss declares."""
    wraps: WrappedLoss | None = None
    """The loss that this one wraps: its constructor takes it as ``loss``."""
    miner: str | None = None
    """A miner in front of the loss, spelt like a target."""
    miner_params: dict[str, Scalar] = {}
    """Hyper-parameters of the miner; in search spaces and recipes they have ``miner_`` before their names."""

    @model_validator(mode="after")
    def _miner_of_params(self) -> Self:
        if self.miner_params and self.miner is None:
            raise ValueError("miner_params needs a miner; add miner: module:Class, or remove miner_params")
        return self


class NoiseSettings(Strict):
    """Label noise of the training labels."""

    kind: str = "symmetric"
    """One of ``suite.data.noise.KINDS``; of the benchmarks also one of ``suite.data.noise_lists.LISTED_KINDS``."""
    levels: Annotated[tuple[NoiseLevel, ...], Field(min_length=1), Distinct]

    @field_validator("levels", mode="before")
    @classmethod
    def _as_in_file_names(cls, levels: Any) -> Any:
        """DVC puts a level into stage and file names as it is spelt."""
        for level in levels if isinstance(levels, list | tuple) else ():
            if isinstance(level, float) and 0 < level < LEAST_LEVEL:
                raise ValueError(
                    f"{level} is below the least level of noise; allowed: 0, or numbers from {LEAST_LEVEL}"
                )
            if isinstance(level, float) and f"{level:g}" != str(level) and 0 <= level < 1:
                raise ValueError(f"{level} becomes part of file names; allowed: {level:g}")
        return levels


class Recipe(Strict):
    """How the head, the embedding layer, is trained. It is the same for every loss, so that only losses differ."""

    file: ClassVar[Path] = PARAMS_FILE
    """Where it is set, for messages."""

    embedding_dim: Dimension
    hidden_dim: Annotated[int, Field(ge=0, le=65_536, strict=True)]
    """Width of a hidden layer of the head; 0 for a linear head."""
    epochs: Annotated[int, Field(ge=1, le=10_000, strict=True)]
    """A loss's tuned value replaces it."""
    classes_per_batch: AtLeastTwo
    samples_per_class: AtLeastTwo
    sampler: Literal["p_k", "uniform"] = "p_k"
    """Batches of P classes and K images of each, by given labels; or of as many images without regard to labels."""
    learning_rate: Rate
    """Learning rate of the head; a loss's tuned value replaces it."""
    proxy_learning_rate: Rate
    """Learning rate of the loss's own parameters; a loss's tuned value replaces it."""
    weight_decay: Annotated[Number, Field(ge=0, le=1_000, allow_inf_nan=False)]
    """AdamW's decoupled weight decay on the head. Proxies are points on a sphere: none for them."""


class TuningSettings(Strict):
    """Hyper-parameter search on held-out training classes."""

    trials: Annotated[int, Field(ge=1, le=10_000, strict=True)]
    folds: Annotated[int, Field(ge=2, le=100, strict=True)]
    searches: Annotated[int, Field(ge=1, le=100, strict=True)] = 1
    """Searches of a loss on a data set that differ in their random streams; the runs of a seed take the values of one."""
    tracks: Annotated[tuple[TuningTrack, ...], Field(min_length=1), Distinct] = ("tuned",)
    """Which searches there are: on true labels, with wrong training labels, or with wrong validation labels, too."""
    noise: NoiseLevel = 0.2
    """Label noise in the searches under noise, of the kind of ``noise``."""
    held_out: Annotated[int, Field(ge=1, le=100, strict=True)] | None = None
    """How many of the folds validate, each once: search s begins with fold s. All of them if left out."""
    space: Annotated[dict[Name, dict[str, Any]], Filled] = {}
    """Searched for every loss besides its own search space, e.g. ``epochs``."""
    also: Annotated[dict[Name, LossSettings], Filled] = {}
    """Losses that studies need and the grid does not run."""

    @model_validator(mode="after")
    def _folds_are_there(self) -> Self:
        if self.held_out is not None and self.held_out > self.folds:
            raise ValueError(f"held_out = {self.held_out}: there are {self.folds} folds; allowed: 1 to {self.folds}")
        return self


class BackboneSettings(Strict):
    """The network whose frozen features are trained on."""

    name: str = EMBEDDED_BACKBONE
    """Any name of a model in timm."""
    weights: str = "embedded"
    """``embedded`` (of the default network alone), ``pretrained`` (timm's, from its hub or cache), or path of a file."""
    sha256: str | None = None
    """Digest that a weight file must have; needed with a path."""

    @model_validator(mode="after")
    def _weights_fit(self) -> Self:
        if self.weights == "embedded" and self.name != EMBEDDED_BACKBONE:
            raise ValueError(
                f"backbone.weights = 'embedded' are those of {EMBEDDED_BACKBONE}; allowed for {self.name}: pretrained, "
                "or the path of a weight file"
            )
        if (self.sha256 is not None) != (self.weights not in ("embedded", "pretrained")):
            raise ValueError("backbone.sha256 is needed with the path of a weight file, and allowed only there")
        return self


class Settings(Strict):
    """The whole of ``params.yaml``."""

    datasets: Annotated[dict[Name, DatasetSettings], Field(min_length=1), Filled]
    losses: Annotated[dict[Name, LossSettings], Field(min_length=1), Filled]
    paper_values: Annotated[dict[Name, Chosen], Filled] = {}
    """Losses that also run at the values of their papers."""
    backbone: BackboneSettings = BackboneSettings()
    noise: NoiseSettings
    seeds: Seeds
    recipe: Recipe
    tuning: TuningSettings
    ablation: Annotated[dict[Name, AblationAxes], Filled] = {}
    crossed: CrossedSettings = CrossedSettings()
    splits: SplitSettings = SplitSettings()
    fresh_seeds: FreshSeedSettings = FreshSeedSettings()
    extended: ExtendedSettings = ExtendedSettings()
    geometry: GeometrySettings = GeometrySettings()

    @property
    def all_losses(self) -> dict[str, LossSettings]:
        """Losses of the grid and those that are tuned besides."""
        return self.tuning.also | self.losses

    def place_of(self, loss: str) -> str:
        """The setting that holds a loss of ``all_losses``; also of another, which a user would put into the grid."""
        return "tuning.also" if loss in self.tuning.also and loss not in self.losses else "losses"

    def file_of(self, loss: str) -> Path:  # noqa: ARG002 - a regime has losses in a file of its own
        """The settings file that holds a loss."""
        return PARAMS_FILE

    def recipe_of(self, dataset: str) -> Recipe:
        """The recipe on a data set: with its own size of batches, if it has one."""
        mine = self.datasets[dataset]
        own = {name: value for name in BATCH if (value := getattr(mine, name)) is not None}
        return self.recipe.model_copy(update=own)

    @property
    def unused(self) -> list[str]:
        """A line for each setting of a study that names a loss or data set which is not in the grid: it is left out."""
        return [
            f"{self.recipe.file}: {setting}.{name} is left out: it is not under {place}; allowed: {allowed(known)}"
            for setting, names, place, known in (
                ("paper_values", self.paper_values, "losses", self.losses),
                ("ablation", self.ablation, "datasets", self.datasets),
                ("splits.losses", self.splits.losses, "losses", self.losses),
                ("fresh_seeds.losses", self.fresh_seeds.losses, "losses", self.losses),
                ("extended.losses", self.extended.losses, "losses or tuning.also", self.losses | self.tuning.also),
                ("geometry.losses", self.geometry.losses, "losses or tuning.also", self.losses | self.tuning.also),
            )
            for name in names
            if name not in known
        ]

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        if twice := [name for name in self.tuning.also if name in self.losses]:
            raise ValueError(
                f"tuning.also.{allowed(twice)} is under losses as well; allowed: losses that the grid does not run"
            )
        self.extended.check_tracks(self.tuning.tracks)
        for place, names in (("datasets", [*self.datasets]), ("losses", [*self.losses, *self.tuning.also])):
            if alike := alike_but_for_case(names):
                raise ValueError(f"{place}: {allowed(alike)} differ in case alone; allowed: other names")
        return self


def alike_but_for_case(names: Sequence[str]) -> list[str]:
    """Those that differ from another in case alone: on some file systems their files would be the same."""
    return [name for name in names if [*map(str.casefold, names)].count(name.casefold()) > 1]


def load_settings(path: Path = PARAMS_FILE) -> Settings:
    """Read and check the settings file.

    Raises:
        SuiteError: it is missing, no YAML, or a setting is unknown or out of range.
    """
    return read_settings(path, Settings, "settings file {} is missing; run from the project's root")
