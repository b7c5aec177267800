"""The stages around the search: settle a cell's hyper-parameters, or search them anew."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from suite.settings.plans import (
    CellPlan,
    Search,
    cell_plan_path,
    read_cell,
    search_plan_path,
    tuned_plan_path,
    write_cell,
)
from suite.settings.tuned_recipes import save_tuned
from suite.errors import SuiteError
from suite.training.times import StageClock

if TYPE_CHECKING:
    from suite.settings.tuned_recipes import TunedRecipe

SEARCHES_FOLDER = Path("searches")
FOUND_FILE = "search.yaml"
"""Name of the recipe beside a settled plan, where a search found it."""


def settle(dataset: str, loss: str, console: Console) -> None:
    """Write the complete plan of a cell of the tuned track, after a search where its plan asks for one.

    Raises:
        SuiteError: there is no plan, or the search fails.
    """
    plan, search = read_cell(cell_plan_path(dataset, loss))
    path = tuned_plan_path(dataset, loss)
    shutil.rmtree(path.parent, ignore_errors=True)
    if search is None:
        write_cell(path, plan)
        return
    clock = StageClock()
    recipe = _found(plan, search, console)
    save_tuned(recipe, path.with_name(FOUND_FILE))
    write_cell(path, _with_recipe(plan, search, recipe))
    clock.write(f"tune-{dataset}-{loss}")


def write_search(dataset: str, loss: str, console: Console) -> Path:
    """Search a cell's hyper-parameters as if it had no recipe; writes the recipe found and gives its path.

    Raises:
        SuiteError: there is no plan, the loss has nothing to search, or the search fails.
    """
    plan, search = read_cell(search_plan_path(dataset, loss))
    if search is None:
        raise SuiteError(f"losses.{loss} has nothing to search; give it a search space, in its class or in params.yaml")
    path = SEARCHES_FOLDER / f"{dataset}-{loss}.yaml"
    save_tuned(_found(plan, search, console), path)
    return path


def _found(plan: CellPlan, search: Search, console: Console) -> "TunedRecipe":
    # Imported late: most cells have a recipe and should not wait for torch.
    from suite.settings.feature_paths import features_path
    from suite.data.features import load_features
    from suite.training.runs import check_code
    from suite.training.tuning.search import search_recipe

    check_code(plan)
    return search_recipe(plan, search, load_features(features_path(plan.dataset)), console)


def _with_recipe(plan: CellPlan, search: Search, recipe: "TunedRecipe") -> CellPlan:
    from suite.training.planner import with_values

    settled = with_values(plan, recipe.best | search.by_hand)
    return replace(settled, origin="search", validation_epoch=recipe.validation_epoch)
