"""Recipes of papers: how a paper trained, value by value, each with its source or with what we chose and why.

A recipe is a YAML file in ``recipes/paper``. Its settings are plain values; beside them stand three mappings from
a setting (``optimiser.weight_decay``) or a group (``images``) to a line of text:

- ``sources``: where the value was read;
- ``undisclosed``: not said by the source; our choice and its reason;
- ``departures``: said by the source, but done otherwise here; what it says and why.

Together they cover each setting exactly once, so that a recipe holds no unexplained number.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from suite.errors import SuiteError, allowed
from suite.settings.params import EMBEDDED_BACKBONE, BenchmarkName
from suite.settings.paths import PAPER_RECIPES_FOLDER
from suite.settings.reading import Count, Number, Positive, Scalar, Strict, read_settings

Text = Annotated[str, Field(min_length=3)]
Share = Annotated[Number, Field(ge=0, le=1)]


BACKBONES = (EMBEDDED_BACKBONE, "resnet50_512", "bn_inception_512", "dino_vits16_384", "vits16_384")
"""Names of networks that claims may speak of: in the frozen regime without a dimension, else as ``Backbone.name``."""


class Backbone(Strict):
    """The network up to the embedding. All end in one linear layer with a bias and division by the L2 norm."""

    architecture: Literal["resnet50", "bn_inception", "vit_small_patch16_224", "tf_efficientnet_lite0"]
    weights: str | None
    """Name of the pretrained weights in timm; None where no kept library has them."""
    pooling: Literal["average", "max", "average_plus_max", "token"]
    embedding_dim: Count
    head_initialisation: Literal["kaiming_normal_fan_out", "default"]
    """``default`` is that of ``torch.nn.Linear``."""
    freeze_batch_norm: Literal["none", "statistics", "statistics_and_affine"]

    @property
    def name(self) -> str:
        """Name with the dimension, as claims and the paper's tables have it, e.g. ``resnet50_512``."""
        short = {"vit_small_patch16_224": "vits16"}.get(self.architecture, self.architecture)
        of_dino = self.weights is not None and self.weights.endswith(".dino")
        return f"{'dino_' if of_dino else ''}{short}_{self.embedding_dim}"


class Images(Strict):
    """What is done to images. Training: resize, random resized crop, horizontal flip. Test: resize, centre crop."""

    train_resize: Count | None
    """Short side before the random crop; None: the size in the archive."""
    train_crop: Count
    train_crop_scale: Annotated[tuple[Share, Share], Field(strict=False)]
    """Smallest and largest share of the area that a random crop covers."""
    flip: Share
    """Probability of a flip."""
    test_resize: Count
    test_crop: Count
    pixels: Literal["rgb_imagenet", "rgb_half", "bgr_255"]
    """ImageNet's mean and deviation, .5 for both, or blue-green-red in 0 to 255 minus (104, 117, 128)."""


class Optimiser(Strict):
    """The optimiser and its learning rates."""

    name: Literal["adam", "adamw"]
    """``adam`` couples weight decay to the gradient, ``adamw`` does not: with Adam the scale of the loss matters."""
    learning_rate: Positive
    """Of backbone and head."""
    proxy_learning_rate_factor: Positive | None
    """Learning rate of proxies as a multiple; None for a loss without proxies."""
    weight_decay: Annotated[Number, Field(ge=0, le=1_000, allow_inf_nan=False)]
    decay_proxies: bool
    clip_gradient_value: Positive | None
    """Largest size of a component of the gradient; None: no clipping."""


class Schedule(Strict):
    """Length of training and how learning rates fall."""

    unit: Literal["epochs", "iterations"]
    length: Count
    warm_up_epochs: Annotated[int, Field(ge=0, le=10_000, strict=True)]
    """Epochs at the start in which only head and proxies learn."""
    kind: Literal["constant", "step"]
    step: Count | None
    """Every so many units the learning rates are multiplied by ``gamma``; None if constant."""
    gamma: Positive | None

    @model_validator(mode="after")
    def _complete(self) -> "Schedule":
        if (self.kind == "step") != (self.step is not None and self.gamma is not None):
            raise ValueError("with kind: step, set step and gamma; with kind: constant, set both to null")
        if self.warm_up_epochs >= self.length:  # an epoch has at least one iteration
            raise ValueError(
                f"warm_up_epochs {self.warm_up_epochs}: the network would never learn in {self.length} {self.unit}; "
                f"allowed: 0 to {self.length - 1}"
            )
        return self


class Batches(Strict):
    """How batches are drawn."""

    sampler: Literal["random", "balanced"]
    """``balanced``: a number of classes, the same number of images of each."""
    size: Count
    samples_per_class: Count | None
    drop_last: bool
    """Whether the last batch of an epoch is left out where it is not full; of ``random`` alone, others are full."""

    @model_validator(mode="after")
    def _fits(self) -> "Batches":
        if (self.sampler == "balanced") != (self.samples_per_class is not None):
            raise ValueError("set samples_per_class with sampler: balanced, and leave it null otherwise")
        if self.samples_per_class is not None and self.size % self.samples_per_class:
            raise ValueError(f"size {self.size} is no multiple of samples_per_class {self.samples_per_class}")
        if self.sampler == "balanced" and not self.drop_last:
            raise ValueError(
                "drop_last: false does nothing with sampler: balanced, whose batches are full; allowed: true"
            )
        return self


class Loss(Strict):
    """The loss and all its hyper-parameters."""

    name: str
    hyperparameters: dict[str, Scalar]


class Evaluation(Strict):
    """What counts. The suite never selects an epoch on test classes, whatever a paper did."""

    epoch: Literal["last"]
    recall_at: tuple[Count, ...]


class RecipeSettings(Strict):
    """All that a run depends on besides data, noise and seed."""

    backbone: Backbone
    images: Images
    optimiser: Optimiser
    schedule: Schedule
    batches: Batches
    loss: Loss
    evaluation: Evaluation

    def leaves(self) -> dict[str, Any]:
        """Values by dotted name, e.g. ``optimiser.weight_decay``."""
        return dict(_leaves(self.model_dump(mode="json")))


class PaperRecipe(Strict):
    """A recipe file."""

    title: Text
    source: Text
    datasets: Annotated[dict[BenchmarkName, dict[str, Any]], Field(min_length=1)]
    """Data sets that it is for, and the settings that differ there, by dotted name."""
    settings: RecipeSettings
    sources: dict[str, Text]
    undisclosed: dict[str, Text]
    departures: dict[str, Text]

    def for_dataset(self, dataset: str) -> RecipeSettings:
        """The settings on a data set.

        Raises:
            SuiteError: the recipe is not for it.
            ValidationError: a setting that differs there is unknown or ill-typed.
        """
        values = next((values for name, values in self.datasets.items() if name == dataset), None)
        if values is None:
            raise SuiteError(f"recipe {self.title!r} is not for {dataset}; allowed: {allowed(self.datasets)}")
        changed = self.settings.model_dump(mode="json")
        for name, value in values.items():
            _replace(changed, name.split("."), name, value)
        return RecipeSettings.model_validate(changed)

    @model_validator(mode="after")
    def _explained_once(self) -> "PaperRecipe":
        explanations = [*self.sources, *self.undisclosed, *self.departures]
        for leaf in self.settings.leaves():
            count = sum(_covers(name, leaf) for name in explanations)
            if count != 1:
                raise ValueError(
                    f"{leaf} is explained {count} times by sources, undisclosed and departures; allowed: once"
                )
        for name in explanations:
            if not any(_covers(name, leaf) for leaf in self.settings.leaves()):
                raise ValueError(f"{name} is explained, but is not a setting")
        for dataset in self.datasets:
            self.for_dataset(dataset)
        return self


def _replace(settings: dict[str, Any], parts: list[str], name: str, value: Any) -> None:
    for part in parts[:-1]:
        settings = settings.get(part, {})
    if parts[-1] not in settings:
        raise ValueError(f"datasets: {name} is no setting of this recipe")
    settings[parts[-1]] = value


def _covers(name: str, leaf: str) -> bool:
    return leaf == name or leaf.startswith(f"{name}.")


def _leaves(values: dict[str, Any], below: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{below}{name}.")
        else:
            yield below + name, value


def load_paper_recipe(name: str, folder: Path = PAPER_RECIPES_FOLDER) -> PaperRecipe:
    """Read a paper's recipe by its file name without ending.

    Raises:
        SuiteError: there is none, or it does not fit the schema.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise SuiteError(f"no paper recipe {name!r}; allowed: {allowed(paper_recipe_names(folder))}")
    return read_settings(path, PaperRecipe)


def find_paper_recipe(recipe: str) -> PaperRecipe:
    """A paper's recipe by its name, or a user's by its path, which ends in .yaml.

    Raises:
        SuiteError: there is none, or it does not fit the schema.
    """
    path = Path(recipe)
    if path.suffix != ".yaml":
        return load_paper_recipe(recipe)
    return read_settings(path, PaperRecipe, "recipe file {} is missing")


def paper_recipe_names(folder: Path = PAPER_RECIPES_FOLDER) -> list[str]:
    """Names of the papers' recipes."""
    return sorted(path.stem for path in folder.glob("*.yaml"))
