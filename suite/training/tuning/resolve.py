"""Hyper-parameters of a loss on a data set: those of its tuned recipe, or, where there is none, of a search."""

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from suite.errors import SuiteError
from suite.files import write_json
from suite.settings.paths import FEATURES, FOUND_RECIPE_NAME, SEARCHES_FOLDER, TIMES_FOLDER
from suite.settings.plans import FrozenPlan, Search, plan_path, read_plan, tuned_plan_path, write_plan
from suite.settings.tuned_recipes import load_tuned, save_tuned

if TYPE_CHECKING:
    from suite.settings.tuned_recipes import TunedRecipe


def resolve_hyperparameters(dataset: str, loss: str, console: Console) -> None:
    """Write the complete plan of the tuned track, after a search where the plan asks for one.

    Raises:
        SuiteError: there is no plan, or the search fails.
    """
    plan, search = read_plan(plan_path("tuned", dataset, loss))
    path = tuned_plan_path(dataset, loss)
    shutil.rmtree(path.parent, ignore_errors=True)
    if search is None:
        write_plan(path, plan)
        return
    started = time.perf_counter()
    recipe = _found(plan, search, console)
    save_tuned(recipe, path.with_name(FOUND_RECIPE_NAME))
    write_plan(path, with_recipe(plan, search, recipe))
    seconds = {"search": round(time.perf_counter() - started, 3)}
    write_json(TIMES_FOLDER / f"tune-{dataset}-{loss}.json", {"runs": seconds})


def write_search(dataset: str, loss: str, console: Console) -> Path:
    """Search hyper-parameters as if there was no recipe; writes the recipe found and gives its path.

    Raises:
        SuiteError: there is no plan, the loss has nothing to search, or the search fails.
    """
    plan, search = read_plan(plan_path("searches", dataset, loss))
    if search is None:
        raise SuiteError(
            f"losses.{loss} has no search space; declare search_space in its class, or search in params.yaml"
        )
    path = SEARCHES_FOLDER / f"{dataset}-{loss}.yaml"
    save_tuned(_found(plan, search, console), path)
    return path


def _found(plan: FrozenPlan, search: Search, console: Console) -> "TunedRecipe":
    # Imported here, because most calls only read a recipe and need no torch.
    from suite.data.features import load_features
    from suite.training.stage import check_code, code_sha256
    from suite.training.tuning.search import search_recipe

    check_code(plan, code_sha256())
    return search_recipe(plan, search, load_features(Path(FEATURES.format(dataset=plan.dataset))), console)


def with_recipe(plan: FrozenPlan, search: Search, recipe: "TunedRecipe") -> FrozenPlan:
    """The complete plan after a search."""
    from suite.training.planner import with_values

    tuned = with_values(plan, recipe.best | search.by_hand)
    return replace(tuned, hyperparameter_source="search", validation_epoch=recipe.validation_epoch)


def searched_before(plan: FrozenPlan, search: Search, data_sha256: str) -> FrozenPlan | None:
    """The complete plan, if the stage ``tune`` has made it already from this plan by this search on these data."""
    path = tuned_plan_path(plan.dataset, plan.loss)
    recipe_path = path.with_name(FOUND_RECIPE_NAME)
    if not (path.is_file() and recipe_path.is_file()):
        return None
    recipe, (complete, _) = load_tuned(recipe_path), read_plan(path)
    asked = (data_sha256, search.space, search.folds, search.noise, search.trials)
    same = asked == (recipe.data_sha256, recipe.search_space, recipe.folds, recipe.noise, len(recipe.trials))
    return complete if same and with_recipe(plan, search, recipe) == complete else None
