"""Tuned recipes: one YAML file a (data set, loss), in git, with the search that found it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from suite.config.settings import Scalar, Strict, explain
from suite.errors import SuiteError
from suite.files import write_text
from suite.hashing import sha256_value

if TYPE_CHECKING:
    from suite.config.plan import DatasetPlan
    from suite.losses.registry import Hyperparameters, LossEntry

TUNED_FOLDER = Path("suite/recipes/tuned")


class Trial(Strict):
    """One point of the search: its values and the mean validation MAP@R over folds, or None if training failed."""

    values: dict[str, Scalar]
    map_at_r: float | None


class TunedRecipe(Strict):
    """Outcome of a hyper-parameter search on class-disjoint folds of the training classes, without label noise."""

    dataset: str
    loss: str
    data_sha256: str
    search_space: dict[str, dict[str, Any]]
    folds: int
    best: dict[str, Scalar]
    best_map_at_r: float
    trials: list[Trial]


def tuned_path(dataset: str, loss: str) -> Path:
    """Recipe file of a (data set, loss)."""
    return TUNED_FOLDER / dataset / f"{loss}.yaml"


def load_tuned(path: Path) -> TunedRecipe:
    """Read a tuned recipe.

    Raises:
        SuiteError: it is no YAML or does not fit the schema.
    """
    try:
        return TunedRecipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise SuiteError(f"{path} is not valid YAML: {error}") from error
    except ValidationError as error:
        raise SuiteError(explain(error, TunedRecipe, path)) from error


def save_tuned(recipe: TunedRecipe) -> Path:
    """Write a tuned recipe and give its path."""
    path = tuned_path(recipe.dataset, recipe.loss)
    write_text(path, yaml.safe_dump(recipe.model_dump(), sort_keys=False, width=120))
    return path


def tuned_values(
    dataset: "DatasetPlan", entry: "LossEntry", search: dict[str, dict[str, Any]] | None, remarks: list[str]
) -> "Hyperparameters | None":
    """Tuned hyper-parameters of a (data set, loss), or None without a recipe; stale or missing ones are remarked."""
    path = tuned_path(dataset.dataset, entry.name)
    again = f"suite tune {dataset.dataset} {entry.name}"
    if not path.is_file():
        remarks.append(f"{entry.name} on {dataset.dataset} is not tuned and uses its defaults; tune it with: {again}")
        return None
    recipe = load_tuned(path)
    space = entry.search_space if search is None else search
    if sha256_value(recipe.search_space) != sha256_value(space):
        remarks.append(f"{path} is stale: the search space has changed since; renew it with: {again}")
    if recipe.data_sha256 != dataset.data_sha256:
        remarks.append(f"{path} is stale: the data have changed since; renew it with: {again}")
    return dict(recipe.best)
