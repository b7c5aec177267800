"""``params.yaml``: the one place that sets data sets, losses, noise, seeds and the recipe.

Every model refuses unknown settings; every error is one line that names the setting, the file and what is allowed.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from suite.errors import SuiteError, allowed

PARAMS_FILE = Path("params.yaml")

Scalar = bool | int | float | str | None
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, strict=True)]
NoiseLevel = Annotated[float, Field(ge=0, lt=1)]
# Names become parts of stage and file names.
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]


class Strict(BaseModel):
    """Base of all settings: unknown names raise, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DatasetSettings(Strict):
    """One entry of ``datasets``. An empty entry takes the whole data set."""

    max_classes: Annotated[int, Field(ge=4, strict=True)] | None = None
    """Keep only this many classes, half of them for training, half for test: the smoke pipeline's cut."""


class LossSettings(Strict):
    """One entry of ``losses``. Built-in losses need no settings."""

    target: str | None = None
    """``module:Class`` or ``my_losses/file.py:Class``; built-in names need none."""
    params: dict[str, Scalar] = {}
    """Hyper-parameters set by hand; they win over tuned ones."""
    search: dict[str, dict[str, Any]] | None = None
    """Search space; replaces the one that the loss declares."""


class NoiseSettings(Strict):
    """Label noise of the training labels."""

    kind: Literal["symmetric", "small_cluster"] = "symmetric"
    levels: Annotated[tuple[NoiseLevel, ...], Field(min_length=1)]

    @field_validator("levels")
    @classmethod
    def _distinct(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(levels)) != len(levels):
            raise ValueError("levels must differ from each other")
        return levels


class Recipe(Strict):
    """How a head is trained; the same for every loss, so that losses are what is compared."""

    embedding_dim: Count
    hidden_dim: Annotated[int, Field(ge=0, strict=True)]
    """Width of a hidden layer of the head; 0 for a linear head."""
    epochs: Count
    classes_per_batch: Annotated[int, Field(ge=2, strict=True)]
    samples_per_class: Annotated[int, Field(ge=2, strict=True)]
    learning_rate: Positive
    """Learning rate of the head; a loss's tuned value replaces it."""
    proxy_learning_rate: Positive
    """Learning rate of the loss's own parameters; a loss's tuned value replaces it."""
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """AdamW's decoupled weight decay on the head. Proxies are points on a sphere: none for them."""


class TuningSettings(Strict):
    """Hyper-parameter search on held-out training classes."""

    trials: Count
    folds: Annotated[int, Field(ge=2, strict=True)]


class Settings(Strict):
    """The whole of ``params.yaml``."""

    datasets: Annotated[dict[Name, DatasetSettings], Field(min_length=1)]
    losses: Annotated[dict[Name, LossSettings], Field(min_length=1)]
    noise: NoiseSettings
    seeds: Count
    recipe: Recipe
    tuning: TuningSettings

    @field_validator("datasets", "losses", mode="before")
    @classmethod
    def _empty_entries(cls, entries: Any) -> Any:
        """``emoji:`` with nothing behind it means ``emoji: {}``."""
        if isinstance(entries, dict):
            return {name: {} if value is None else value for name, value in entries.items()}
        return entries


def load_settings(path: Path = PARAMS_FILE) -> Settings:
    """Read and check the settings file.

    Raises:
        SuiteError: it is missing, no YAML, or a setting is unknown or out of range.
    """
    if not path.is_file():
        raise SuiteError(f"settings file {path} is missing; run from the project's root")
    try:
        return Settings.model_validate(yaml.safe_load(path.read_text()))
    except yaml.YAMLError as error:
        raise SuiteError(f"{path} is not valid YAML: {error}") from error
    except ValidationError as error:
        raise SuiteError(explain(error, Settings, path)) from error


def explain(error: ValidationError, model: type[BaseModel], path: Path) -> str:
    """The first problems of a validation error as one line: file, setting, what is wrong, what is allowed."""
    problems = [_explain_one(problem, model) for problem in error.errors()[:3]]
    return f"{path}: " + "; ".join(problems)


def _explain_one(problem: Any, model: type[BaseModel]) -> str:
    location = [part for part in problem["loc"] if part != "[key]"]
    setting = ".".join(str(part) for part in location)
    if problem["type"] == "extra_forbidden":
        names = _names_at(model, location[:-1])
        return f"{setting} is not a setting; allowed: {allowed(names)}"
    shown = "" if isinstance(problem["input"], dict) else f" = {problem['input']!r}"
    return f"{setting}{shown}: {problem['msg'][:1].lower()}{problem['msg'][1:]}"


def _names_at(model: type[BaseModel], location: list[Any]) -> list[str]:
    """Names of the settings that may stand at a location within nested models and mappings of models."""
    for part in location:
        if part in model.model_fields:
            annotation = model.model_fields[part].annotation
            nested = _models_in(annotation)
            if nested:
                model = nested[0]
    return list(model.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    found: list[type[BaseModel]] = []
    for inner in getattr(annotation, "__args__", ()):
        found += _models_in(inner)
    return found
