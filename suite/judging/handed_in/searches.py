"""Searches in a bundle: each had the trials of the board, and what it says that it found follows from them."""

from collections.abc import Mapping

import numpy as np

from suite.errors import SuiteError, allowed
from suite.judging.handed_in.bundle import Bundle
from suite.losses.registry import values_by_hand
from suite.settings.params import Recipe, Settings
from suite.settings.reading import Scalar
from suite.settings.tuned_recipes import TunedRecipe, shared_training
from suite.training.search_space import Range, parse_space


def search_member(regime: str, track: str, dataset: str, number: int) -> str:
    """The member of a bundle that says what a search has found."""
    return f"searches/{regime}/{track}/{dataset}-{number}.json"


def check_search(bundle: Bundle, member: str, recipe: TunedRecipe, settings: Settings, training: Recipe) -> None:
    """Check a search against the board.

    Args:
        bundle: the bundle.
        member: its member, by ``search_member``.
        recipe: what it holds.
        settings: of the board and the regime.
        training: the recipe that the trials trained with, but for what is searched.

    Raises:
        SuiteError: it is not the one of its name, had other trials than the board asks for, or did not find what it says.
    """
    tuning = settings.tuning
    parts = member.removesuffix(".json").split("/")
    dataset, _, number = parts[3].rpartition("-")
    wanted = {
        "regime": parts[1],
        "track": parts[2],
        "dataset": dataset,
        "number": int(number),
        "loss": bundle.loss,
        "data_sha256": bundle.manifest.data_sha256.get(dataset),
        "folds": tuning.folds,
        "held_out": tuning.held_out,
        "noise": 0.0 if parts[2] == "tuned" else tuning.noise,
        "training": shared_training(training, recipe.search_space),
    }
    _check_fields(bundle, member, recipe, wanted)
    if len(recipe.trials) != tuning.trials:
        raise bundle.refuse(member, f"{len(recipe.trials)} trials; allowed: {tuning.trials}, as for every loss")
    _check_values(bundle, member, recipe, settings)
    _check_found(bundle, member, recipe, tuning.folds if tuning.held_out is None else tuning.held_out)


def _check_fields(bundle: Bundle, member: str, recipe: TunedRecipe, wanted: Mapping[str, object]) -> None:
    for field, value in wanted.items():
        if getattr(recipe, field) != value:
            raise bundle.refuse(member, f"{field} = {getattr(recipe, field)!r}; allowed: {value!r}")


def _check_values(bundle: Bundle, member: str, recipe: TunedRecipe, settings: Settings) -> None:
    """Refuse a space that lacks what every loss searches, and trials outside the space."""
    by_hand = values_by_hand(bundle.shared.loss)
    space = recipe.search_space
    if lacking := [name for name in settings.tuning.space if name not in space and name not in by_hand]:
        raise bundle.refuse(member, f"search_space lacks {allowed(lacking)}; allowed: what is searched for every loss")
    own = bundle.shared.loss.search or {}
    if others := [name for name, entry in own.items() if name not in by_hand and space.get(name) != entry]:
        raise bundle.refuse(member, f"search_space.{others[0]} is another than in settings.json; allowed: that one")
    try:
        parsed = parse_space(bundle.loss, space)
    except SuiteError as error:
        raise bundle.refuse(member, f"search_space: {error}; allowed: ranges and lists of values") from error
    for trial in recipe.trials:
        if trial.values.keys() != parsed.keys():
            raise bundle.refuse(member, f"a trial has values of {allowed(trial.values)}; allowed: {allowed(parsed)}")
        for name, value in trial.values.items():
            entry = parsed[name]
            within = _within(value, entry) if isinstance(entry, Range) else value in entry.values
            if not within:
                raise bundle.refuse(member, f"a trial has {name} = {value!r}; allowed: {space[name]}")


def _within(value: Scalar, entry: Range) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and entry.low <= value <= entry.high


def _check_found(bundle: Bundle, member: str, recipe: TunedRecipe, folds: int) -> None:
    """Refuse scores that cannot be, and a summary that does not follow from the trials."""
    for trial in recipe.trials:
        if len(trial.fold_map_at_r) not in {0, folds}:
            raise bundle.refuse(member, f"a trial has {len(trial.fold_map_at_r)} folds; allowed: {folds}")
        for score in trial.fold_map_at_r:
            if not 0 <= score <= 1:
                raise bundle.refuse(member, f"fold_map_at_r holds {score}; allowed: shares from 0 to 1")
    trained = [(mean, trial) for trial in recipe.trials if (mean := trial.map_at_r) is not None]
    if not trained:
        raise bundle.refuse(member, "no trial trained; allowed: at least one")
    greatest, best = max(trained, key=lambda each: each[0])
    if recipe.best != best.values:
        raise bundle.refuse(member, "best is not the best of its trials; allowed: the values with the greatest MAP@R")
    found = {
        "best_map_at_r": greatest,
        "best_fold_map_at_r": best.fold_map_at_r,
        "trial_quartiles": np.percentile([each for each, _ in trained], [25, 50, 75]).tolist(),
        "failed_trials": len(recipe.trials) - len(trained),
    }
    for field, value in found.items():
        given = getattr(recipe, field)
        if np.shape(given) != np.shape(value) or not np.allclose(given, value, rtol=1e-9, atol=0):
            raise bundle.refuse(member, f"{field} = {given!r}; allowed: {value!r}, which follows from the trials")
