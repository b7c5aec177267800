"""What searches have found, held against what is asked for now."""

from dataclasses import replace
from pathlib import Path

from suite.hashing import sha256_value
from suite.settings.paths import FOUND_RECIPE, SEARCHES_FOLDER
from suite.settings.plans import (
    Search,
    SomePlan,
    folder_of,
    read_plan_file,
    tuned_plan_path,
)
from suite.settings.tuned_recipes import TunedRecipe, load_tuned, shared_training

Asked = tuple[SomePlan, Search]
"""A plan, and a search that comes before it."""


def search_path(plan: SomePlan, search: Search) -> Path:
    """Where a search leaves its recipe as soon as it is found."""
    folder = folder_of(plan.regime) / SEARCHES_FOLDER / f"{plan.dataset}-{plan.loss}"
    return recipe_beside(folder / "any", plan, search)


def recipe_beside(path: Path, plan: SomePlan, search: Search) -> Path:
    """Where the recipe of a search lies beside another file of its loss."""
    return path.with_name(FOUND_RECIPE.format(track=plan.track, number=search.number))


def is_done(plan: SomePlan, search: Search, inputs_sha256: str) -> bool:
    """Whether a search has left its recipe, with the space, budget, training, code and data of today."""
    path = search_path(plan, search)
    if not _is_recipe_of(path, plan, search):
        return False
    recipe, code = load_tuned(path), sha256_value([plan.code_sha256, plan.loss_sha256])
    return (recipe.code_sha256, recipe.inputs_sha256) == (code, inputs_sha256)


def _is_recipe_of(path: Path, plan: SomePlan, search: Search) -> bool:
    """Whether a recipe was found by this search."""
    return path.is_file() and _asked(load_tuned(path)) == (
        search.space,
        search.folds,
        search.held_out,
        search.noise,
        search.by_hand,
        search.number,
        search.trials,
        shared_training(plan.recipe, search.space),
    )


def _asked(recipe: TunedRecipe) -> tuple[object, ...]:
    return (
        recipe.search_space,
        recipe.folds,
        recipe.held_out,
        recipe.noise,
        recipe.by_hand,
        recipe.number,
        len(recipe.trials),
        recipe.training,
    )


def is_set_otherwise(recipe: TunedRecipe, search: Search) -> bool:
    """Whether a value that was set by hand beside a search is another now, or none; those that are searched now aside."""
    was = {name: value for name, value in recipe.by_hand.items() if name not in search.space}
    return not was.items() <= search.by_hand.items()


def with_recipe(plan: SomePlan, search: Search, recipe: TunedRecipe) -> SomePlan:
    """The complete plan after a search."""
    from suite.training.hyperparameters import with_values  # loads torch, which a complete plan does without

    tuned = with_values(plan, recipe.best | search.by_hand)
    return replace(
        tuned, hyperparameter_source="search", validation_epoch=recipe.validation_epoch, search=search.number
    )


def searched_before(plan: SomePlan, search: Search, inputs_sha256: str) -> SomePlan | None:
    """The complete plan, if the stage ``tune`` has made it already from this plan by this search on these data."""
    path = tuned_plan_path(plan.dataset, plan.loss, plan.regime)
    recipe_path = recipe_beside(path, plan, search)
    if not (path.is_file() and recipe_path.is_file() and _is_recipe_of(recipe_path, plan, search)):
        return None
    recipe = load_tuned(recipe_path)
    complete = with_recipe(plan, search, recipe)
    return complete if recipe.inputs_sha256 == inputs_sha256 and (complete, None) in read_plan_file(path) else None
