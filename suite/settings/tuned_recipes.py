"""Tuned recipes: one YAML file a (track, data set, loss, search), in git, with the search that found it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from suite.files import write_text
from suite.settings.params import Recipe, TuningTrack
from suite.settings.paths import TUNED_RECIPE
from suite.settings.plans import Regime
from suite.settings.reading import Scalar, Strict, read_settings


class Trial(Strict):
    """One point of the search: its values and the validation MAP@R of each fold, none if training failed."""

    values: dict[str, Scalar]
    fold_map_at_r: list[float]

    @property
    def map_at_r(self) -> float | None:
        """Mean over folds, the objective; None if training failed."""
        return sum(self.fold_map_at_r) / len(self.fold_map_at_r) if self.fold_map_at_r else None


class TunedRecipe(Strict):
    """Outcome of a hyper-parameter search on class-disjoint folds of the training classes."""

    regime: Regime = "frozen"
    dataset: str
    loss: str
    track: TuningTrack = "tuned"
    number: Annotated[int, Field(ge=0, strict=True)] = 0
    """Of the search, from 0."""
    data_sha256: str
    code_sha256: str = ""
    """Of the code that trained, the loss's own included."""
    search_space: dict[str, dict[str, Any]]
    folds: int
    held_out: int | None = None
    """How many of the folds validated; all of them if None."""
    noise: float = 0.0
    """Label noise of the classes that trained."""
    training: dict[str, Scalar]
    """The recipe that every trial trained with, without what is searched."""
    best: dict[str, Scalar]
    best_map_at_r: float
    """Of the best trial, mean over folds."""
    best_fold_map_at_r: list[float]
    trial_quartiles: list[float]
    """Lower quartile, median and upper quartile of MAP@R over the trials that trained: how much tuning matters."""
    failed_trials: int
    validation_epoch: int
    """The epoch at which the best trial's MAP@R was best. Training runs to the last one; a sensitivity check uses it."""
    seconds: float
    trials: list[Trial]


def tuned_path(dataset: str, loss: str, track: str = "tuned", number: int = 0, regime: Regime = "frozen") -> Path:
    """Recipe file of a search in git."""
    place = track if regime == "frozen" else f"{regime}/{track}"
    return Path(TUNED_RECIPE.format(track=place, dataset=dataset, loss=loss, number=number))


def load_tuned(path: Path) -> TunedRecipe:
    """Read a tuned recipe.

    Raises:
        SuiteError: it is missing, no YAML, or does not fit the schema.
    """
    return read_settings(path, TunedRecipe, "tuned recipe {} is missing")


def save_tuned(recipe: TunedRecipe, path: Path) -> None:
    """Write a tuned recipe."""
    write_text(path, yaml.safe_dump(recipe.model_dump(), sort_keys=False, width=120))


def shared_training(recipe: Recipe, space: Mapping[str, Any]) -> dict[str, Scalar]:
    """The training settings that all losses share: the recipe without learning rates and without what is searched."""
    return recipe.model_dump(exclude={"learning_rate", "proxy_learning_rate", *space})
