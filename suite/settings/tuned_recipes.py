"""Tuned recipes: one YAML file a (track, data set, loss, search), in git, with the search that found it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import yaml
from pydantic import Field, model_validator

from suite.errors import SuiteError
from suite.files import write_text
from suite.settings.params import Recipe, TuningTrack
from suite.settings.paths import FOUND_RECIPE, TUNED_RECIPE
from suite.settings.plans import Regime
from suite.settings.reading import NoiseLevel, Number, Scalar, Strict, read_settings

_Share = Annotated[Number, Field(ge=0, le=1)]


class Trial(Strict):
    """One point of the search: its values and the validation MAP@R of each fold, none if training failed."""

    values: dict[str, Scalar]
    fold_map_at_r: list[_Share]

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
    inputs_sha256: str = ""
    """Of all that trained: the data file and its classes, or the views."""
    search_space: dict[str, dict[str, Any]]
    folds: Annotated[int, Field(ge=2, strict=True)]
    held_out: Annotated[int, Field(ge=1, strict=True)] | None = None
    """How many of the folds validated; all of them if None."""
    noise: NoiseLevel = 0.0
    """Label noise of the classes that trained."""
    by_hand: dict[str, Scalar] = {}
    """Values that were set, and not searched."""
    training: dict[str, Scalar]
    """The recipe that every trial trained with, without what is searched."""
    best: dict[str, Scalar]
    best_map_at_r: _Share
    """Of the best trial, mean over folds."""
    best_fold_map_at_r: list[_Share]
    trial_quartiles: list[_Share]
    """Lower quartile, median and upper quartile of MAP@R over the trials that trained: how much tuning matters."""
    failed_trials: Annotated[int, Field(ge=0, strict=True)]
    validation_epoch: Annotated[int, Field(ge=1, strict=True)]
    """The epoch at which the best trial's MAP@R was best. Training runs to the last one; a sensitivity check uses it."""
    seconds: Annotated[Number, Field(ge=0, allow_inf_nan=False)]
    trials: list[Trial]

    @model_validator(mode="after")
    def _follows_from_its_trials(self) -> Self:
        """Refuse a summary that does not follow from the trials."""
        folds = self.folds if self.held_out is None else self.held_out
        for trial in self.trials:
            if len(trial.fold_map_at_r) not in {0, folds}:
                raise ValueError(f"a trial has {len(trial.fold_map_at_r)} folds; allowed: {folds}")
        trained = [(mean, trial) for trial in self.trials if (mean := trial.map_at_r) is not None]
        if not trained:
            raise ValueError("no trial trained; allowed: at least one")
        greatest, best = max(trained, key=lambda each: each[0])
        if self.best != best.values:
            raise ValueError("best is not the best of its trials; allowed: the values with the greatest MAP@R")
        found = {
            "best_map_at_r": greatest,
            "best_fold_map_at_r": best.fold_map_at_r,
            "trial_quartiles": np.percentile([each for each, _ in trained], [25, 50, 75]).tolist(),
            "failed_trials": len(self.trials) - len(trained),
        }
        for field, value in found.items():
            given = getattr(self, field)
            if np.shape(given) != np.shape(value) or not np.allclose(given, value, rtol=1e-9, atol=0):
                raise ValueError(f"{field} = {given!r}; allowed: {value!r}, which follows from the trials")
        epochs = self.best.get("epochs", self.training.get("epochs"))
        if isinstance(epochs, int) and self.validation_epoch > epochs:
            raise ValueError(f"validation_epoch = {self.validation_epoch}; allowed: 1 to {epochs}, as there are epochs")
        return self


def tuned_path(dataset: str, loss: str, track: str = "tuned", number: int = 0, regime: Regime = "frozen") -> Path:
    """Recipe file of a search in git."""
    place = track if regime == "frozen" else f"{regime}/{track}"
    return Path(TUNED_RECIPE.format(track=place, dataset=dataset, loss=loss, number=number))


def load_tuned(path: Path) -> TunedRecipe:
    """Read a tuned recipe, in git or beside a complete plan or in a folder of ``searches``.

    Raises:
        SuiteError: it is missing, no YAML, does not fit the schema, says what does not follow from its trials, or is not the
            one that its place names.
    """
    recipe = read_settings(path, TunedRecipe, "tuned recipe {} is missing")
    in_git = tuned_path(recipe.dataset, recipe.loss, recipe.track, recipe.number, recipe.regime)
    found = Path(f"{recipe.dataset}-{recipe.loss}", FOUND_RECIPE.format(track=recipe.track, number=recipe.number))
    if not any(path.parts[-len(place.parts) :] == place.parts for place in (in_git, found)):
        raise SuiteError(f"{path} is of another place: its dataset, loss, track and number are those of {in_git}")
    return recipe


def save_tuned(recipe: TunedRecipe, path: Path) -> None:
    """Write a tuned recipe."""
    write_text(path, yaml.safe_dump(recipe.model_dump(), sort_keys=False, width=120))


def shared_training(recipe: Recipe, space: Mapping[str, Any]) -> dict[str, Scalar]:
    """The training settings that all losses share: the recipe without learning rates and without what is searched."""
    return recipe.model_dump(exclude={"learning_rate", "proxy_learning_rate", *space})
