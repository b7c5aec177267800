"""Hyper-parameters of a loss on a data set: those of its tuned recipes, or, where there are none, of searches."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from suite.errors import SuiteError, allowed
from suite.files import clear, write_json
from suite.settings.paths import FEATURES, FOUND_RECIPE, SEARCHES_FOLDER, TIMES_FOLDER
from suite.settings.plans import (
    FrozenPlan,
    Planned,
    Search,
    plan_path,
    read_plan_file,
    tuned_plan_path,
    write_plan_file,
)
from suite.settings.tuned_recipes import load_tuned, save_tuned

if TYPE_CHECKING:
    from suite.settings.tuned_recipes import TunedRecipe


def resolve_hyperparameters(dataset: str, loss: str, console: Console) -> None:
    """Write the complete plans of the tuning tracks, after the searches that they ask for.

    Raises:
        SuiteError: there is no plan, or the search fails.
    """
    planned = read_plan_file(plan_path("tuned", dataset, loss))
    path = tuned_plan_path(dataset, loss)
    clear(path.parent, path.name, "*.yaml")
    complete: list[Planned] = []
    seconds: dict[str, float] = {}
    for plan, search in planned:
        if search is None:
            complete.append((plan, None))
            continue
        started = time.perf_counter()
        recipe = _found(plan, search, console)
        save_tuned(recipe, _recipe_beside(path, plan, search))
        complete.append((with_recipe(plan, search, recipe), None))
        seconds[f"search {plan.track} {search.number}"] = round(time.perf_counter() - started, 3)
    write_plan_file(path, complete)
    if seconds:
        write_json(TIMES_FOLDER / f"tune-{dataset}-{loss}.json", {"runs": seconds})


def write_searches(
    dataset: str, loss: str, console: Console, track: str | None = None, number: int | None = None
) -> list[Path]:
    """Search hyper-parameters as if there were no recipes; searches that are done are not repeated.

    Args:
        dataset: name of the data set.
        loss: name of the loss.
        console: where progress is shown.
        track: one tuning track; all of ``params.yaml`` if None.
        number: one search of each track; all if None.

    Returns:
        The recipe of each search.

    Raises:
        SuiteError: there is no plan, no such search, the loss has nothing to search, or a search fails.
    """
    planned = read_plan_file(plan_path("searches", dataset, loss))
    searches = [(plan, search) for plan, search in planned if search is not None]
    if not searches:
        raise SuiteError(
            f"losses.{loss} has no search space; declare search_space in its class, or search in params.yaml"
        )
    tracks, numbers = dict.fromkeys(plan.track for plan, _ in searches), {search.number for _, search in searches}
    if track is not None and track not in tracks:
        raise SuiteError(f"--track {track}: params.yaml asks for no such searches; allowed: {allowed(tracks)}")
    if number is not None and number not in numbers:
        raise SuiteError(f"--number {number}: allowed by tuning.searches in params.yaml: 0 to {max(numbers)}")
    folder = SEARCHES_FOLDER / f"{dataset}-{loss}"
    paths = []
    for plan, search in searches:
        if track in {None, plan.track} and number in {None, search.number}:
            paths.append(_recipe_beside(folder / "any", plan, search))
            if not _is_done(paths[-1], search):
                save_tuned(_found(plan, search, console), paths[-1])
    return paths


def _recipe_beside(path: Path, plan: FrozenPlan, search: Search) -> Path:
    return path.with_name(FOUND_RECIPE.format(track=plan.track, number=search.number))


def _is_done(path: Path, search: Search) -> bool:
    """Whether a recipe was found by this search. DVC deletes those of other code or data."""
    return path.is_file() and _asked(load_tuned(path)) == (
        search.space,
        search.folds,
        search.noise,
        search.number,
        search.trials,
    )


def _asked(recipe: "TunedRecipe") -> tuple[object, ...]:
    return recipe.search_space, recipe.folds, recipe.noise, recipe.number, len(recipe.trials)


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
    return replace(
        tuned, hyperparameter_source="search", validation_epoch=recipe.validation_epoch, search=search.number
    )


def searched_before(plan: FrozenPlan, search: Search, data_sha256: str) -> FrozenPlan | None:
    """The complete plan, if the stage ``tune`` has made it already from this plan by this search on these data."""
    path = tuned_plan_path(plan.dataset, plan.loss)
    recipe_path = _recipe_beside(path, plan, search)
    if not (path.is_file() and recipe_path.is_file() and _is_done(recipe_path, search)):
        return None
    recipe = load_tuned(recipe_path)
    complete = with_recipe(plan, search, recipe)
    return complete if recipe.data_sha256 == data_sha256 and (complete, None) in read_plan_file(path) else None
