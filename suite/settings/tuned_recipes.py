"""Tuned recipes: one YAML file a (data set, loss), in git, with the search that found it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from suite.settings.reading import read_settings
from suite.settings.params import Recipe, Scalar, Strict
from suite.files import write_text

if TYPE_CHECKING:
    from suite.settings.params import Settings
    from suite.losses.registry import LossEntry

RECIPES_FOLDER = Path("recipes/tuned")


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

    dataset: str
    loss: str
    data_sha256: str
    search_space: dict[str, dict[str, Any]]
    folds: int
    noise: float = 0.0
    """Label noise of the classes that trained."""
    training: dict[str, Scalar]
    """The recipe that every trial trained with, learning rates apart."""
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


def tuned_path(dataset: str, loss: str) -> Path:
    """Recipe file of a (data set, loss)."""
    return RECIPES_FOLDER / dataset / f"{loss}.yaml"


def load_tuned(path: Path) -> TunedRecipe:
    """Read a tuned recipe.

    Raises:
        SuiteError: it is missing, no YAML, or does not fit the schema.
    """
    return read_settings(path, TunedRecipe, "tuned recipe {} is missing")


def save_tuned(recipe: TunedRecipe, path: Path) -> None:
    """Write a tuned recipe."""
    write_text(path, yaml.safe_dump(recipe.model_dump(), sort_keys=False, width=120))


def shared_training(recipe: Recipe) -> dict[str, Scalar]:
    """A recipe without what belongs to each loss: its learning rates."""
    return recipe.model_dump(exclude={"learning_rate", "proxy_learning_rate"})


def applicable_recipe(
    dataset: str, data_sha256: str, entry: "LossEntry", settings: "Settings", remarks: list[str]
) -> TunedRecipe | None:
    """The tuned recipe of a (data set, loss) as it stands, or None; what has changed since is remarked.

    A recipe is used although it is stale: searching anew takes long and is asked for by name.
    """
    path = tuned_path(dataset, entry.name)
    if not path.is_file():
        return None
    recipe = load_tuned(path)
    mine = settings.all_losses[entry.name]

    def searched(space: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {name: item for name, item in space.items() if name not in mine.by_hand}

    changes = [
        change
        for change, changed in (
            ("the search space has", searched(recipe.search_space) != searched(entry.space(mine))),
            ("the data have", recipe.data_sha256 != data_sha256),
            ("tuning.trials has", len(recipe.trials) != settings.tuning.trials),
            ("the recipe has", recipe.training != shared_training(settings.recipe_of(dataset))),
            ("tuning.folds has", recipe.folds != settings.tuning.folds),
            ("tuning.noise has", recipe.noise != settings.tuning.noise),
        )
        if changed
    ]
    stage = "search" if entry.name in settings.losses else "search-also"
    remarks += [
        f"{path} is stale: {change} changed since; renew it with: "
        f"dvc repro pipelines/tuning/dvc.yaml:{stage}@{dataset}-{entry.name} && suite adopt"
        for change in changes
    ]
    return recipe
