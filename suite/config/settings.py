"""``params.yaml``: the one place that sets data sets, losses, noise, seeds and the recipe.

Every model refuses unknown settings; every error is one line that names the setting, the file and what is allowed.
"""

import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from suite.errors import SuiteError, allowed

PARAMS_FILE = Path("params.yaml")


def _no_flag(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("allowed: numbers")  # noqa: TRY004 - pydantic reports ValueError only
    return value


Scalar = bool | int | float | str | None
Number = Annotated[float, BeforeValidator(_no_flag)]
Positive = Annotated[Number, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, strict=True)]
NoiseLevel = Annotated[Number, Field(ge=0, lt=1)]
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

    @field_validator("levels", mode="before")
    @classmethod
    def _as_in_file_names(cls, levels: Any) -> Any:
        """DVC puts a level into stage and file names as it is spelt."""
        for level in levels if isinstance(levels, list | tuple) else ():
            if isinstance(level, float) and f"{level:g}" != str(level) and math.isfinite(level):
                raise ValueError(f"{level} becomes part of file names; allowed: {level:g}")
        return levels

    @field_validator("levels")
    @classmethod
    def _distinct(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(levels)) != len(levels):
            raise ValueError("allowed: levels that differ from each other")
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
    weight_decay: Annotated[Number, Field(ge=0, allow_inf_nan=False)]
    """AdamW's decoupled weight decay on the head. Proxies are points on a sphere: none for them."""


class TuningSettings(Strict):
    """Hyper-parameter search on held-out training classes."""

    trials: Count
    folds: Annotated[int, Field(ge=2, strict=True)]


class PublishedSettings(Strict):
    """One entry of ``published``: a loss that also runs at the values of its paper. There is nothing to set."""


class Settings(Strict):
    """The whole of ``params.yaml``."""

    datasets: Annotated[dict[Name, DatasetSettings], Field(min_length=1)]
    losses: Annotated[dict[Name, LossSettings], Field(min_length=1)]
    published: dict[Name, PublishedSettings] = {}
    noise: NoiseSettings
    seeds: Count
    recipe: Recipe
    tuning: TuningSettings

    @field_validator("datasets", "losses", "published", mode="before")
    @classmethod
    def _empty_entries(cls, entries: Any) -> Any:
        """``emoji:`` with nothing behind it means ``emoji: {}``."""
        if isinstance(entries, dict):
            return {name: {} if value is None else value for name, value in entries.items()}
        return entries

    @model_validator(mode="after")
    def _published_are_losses(self) -> Self:
        for name in self.published:
            if name not in self.losses:
                raise ValueError(f"published.{name} is not under losses; allowed: {allowed(self.losses)}")
        return self


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
        raise SuiteError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise SuiteError(explain(error, Settings, path)) from error


_ALLOWED = {
    "bool_type": "a number, a string, true, false or null",  # the first of the types that a Scalar may have
    "dict_type": "a mapping",
    "finite_number": "finite numbers",
    "float_parsing": "numbers",
    "float_type": "numbers",
    "greater_than": "numbers above {gt:g}",
    "greater_than_equal": "numbers from {ge:g}",
    "int_from_float": "whole numbers",
    "int_type": "whole numbers",
    "less_than": "numbers below {lt:g}",
    "literal_error": "{expected}",
    "model_type": "a mapping",
    "string_pattern_mismatch": "letters, digits and _, a letter first",
    "string_type": "a string",
    "too_short": "at least {min_length} entry",
    "tuple_type": "a list",
}
"""What is allowed in place of a value, by pydantic's kind of error."""


def explain(error: ValidationError, model: type[BaseModel], path: Path, below: str = "") -> str:
    """The first problems of a validation error as one line: file, setting, what is wrong, what is allowed.

    Args:
        error: the validation error.
        model: the model that was validated.
        path: the file that the values come from.
        below: the setting in that file whose value was validated; empty for the whole file.
    """
    problems: dict[str, str] = {}
    for problem in error.errors():
        location = [str(part) for part in problem["loc"] if part != "[key]"]
        if problem["type"] == "extra_forbidden":
            text = f" is not a setting; allowed: {allowed(_names_at(model, location[:-1]))}"
        else:
            text = _explain_value(problem)
        if problem["type"] in _SCALAR_ERRORS and location[-1] in _SCALAR_TYPES:
            location.pop()
        problems.setdefault(".".join([below, *location] if below else location) or "the whole file", text)
    return f"{path}: " + "; ".join(setting + text for setting, text in list(problems.items())[:3])


_SCALAR_TYPES = ("bool", "int", "float", "str")
_SCALAR_ERRORS = tuple(f"{name}_{kind}" for name in ("bool", "int", "float", "string") for kind in ("type", "parsing"))


def _explain_value(problem: Any) -> str:
    shown = "" if isinstance(problem["input"], dict) else f" = {problem['input']!r}"
    if problem["type"] == "missing":
        return " is missing"
    if problem["type"] in _ALLOWED:
        return f"{shown}; allowed: {_ALLOWED[problem['type']].format(**problem.get('ctx', {}))}"
    return f"{shown}: {problem['msg'].removeprefix('Value error, ')}"


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
