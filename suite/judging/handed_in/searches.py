"""Searches in a bundle: each had the board's trials in the board's space, and what it says that it found follows from them.

The values of a search's first trials follow from its name alone, those of later ones from the scores before them. So trials
that were chosen, repeated or left out are found by drawing them anew, all of them, whatever version of Optuna is said to
have drawn them: where this machine's draws others, nothing tells a trial that was chosen.
"""

from collections.abc import Mapping
from importlib.metadata import version

import numpy as np
import optuna

from suite.errors import SuiteError, allowed
from suite.hashing import sha256_value
from suite.judging.handed_in.bundle import SETTINGS, Bundle
from suite.judging.handed_in.code import declared_of
from suite.losses.by_hand import values_by_hand
from suite.losses.registry import target_of
from suite.settings.params import Recipe, Settings
from suite.settings.paths import PARAMS_FILE
from suite.settings.reading import Scalar
from suite.settings.tuned_recipes import TunedRecipe, shared_training
from suite.training.search_space import Range, Space, Values, parse_space, space_on
from suite.training.tuning.sampler import sampler

BUDGET = "epochs"
"""The hyper-parameter that makes a run longer: searched or set for one loss alone, it is no equal budget."""
_CLOSE = 1e-9
"""Relative difference of values that are drawn alike."""


def check_budget(bundle: Bundle, settings: Settings) -> None:
    """Refuse longer training than the board's, in the loss's own search space or set by hand.

    Raises:
        SuiteError: it is there, and the board does not search it for every loss.
    """
    own, by_hand = bundle.shared.loss.search or {}, values_by_hand(bundle.shared.loss)
    if BUDGET in own and own[BUDGET] != settings.tuning.space.get(BUDGET):
        raise bundle.refuse(SETTINGS, f"loss.search.{BUDGET} = {own[BUDGET]}; {_same_epochs(settings)}")
    if BUDGET in by_hand and not is_equal_budget(by_hand[BUDGET], settings):
        raise bundle.refuse(SETTINGS, f"loss.params.{BUDGET} = {by_hand[BUDGET]!r}; {_same_epochs(settings)}")


def is_equal_budget(epochs: object, settings: Settings) -> bool:
    """Whether so many epochs are the board's, or among those that it searches for every loss."""
    if BUDGET not in settings.tuning.space:
        return epochs == settings.recipe.epochs
    item = parse_space("", {BUDGET: settings.tuning.space[BUDGET]})[BUDGET]
    return _fits(epochs, item)


def _same_epochs(settings: Settings) -> str:
    if BUDGET in settings.tuning.space:
        return f"allowed: {settings.tuning.space[BUDGET]} for every loss, tuning.space.{BUDGET} of the board"
    return f"allowed: {settings.recipe.epochs} for every loss, recipe.{BUDGET} of the board"


def check_search(
    bundle: Bundle, member: str, recipe: TunedRecipe, settings: Settings, training: Recipe, loss_sha256: str
) -> None:
    """Check a search against the board.

    Args:
        bundle: the bundle.
        member: its member, by ``search_member``.
        recipe: what it holds.
        settings: of the board and the regime.
        training: the recipe that the trials trained with, but for what is searched.
        loss_sha256: digest of the loss's code.

    Raises:
        SuiteError: it is not the one of its name, had other trials than the board asks for, or did not find what it says.
    """
    tuning = settings.tuning
    parts = member.removesuffix(".json").split("/")
    code = bundle.manifest.protocol.code_sha256[recipe.regime]
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
        "code_sha256": sha256_value([code, loss_sha256]),
    }
    _check_fields(bundle, member, recipe, wanted)
    space = _check_space(bundle, member, recipe, settings)
    if len(recipe.trials) != tuning.trials:
        raise bundle.refuse(member, f"{len(recipe.trials)} trials; allowed: {tuning.trials}, as for every loss")
    _check_values(bundle, member, recipe, space)
    check_drawn(bundle, member, recipe, space)
    epochs = recipe.best.get(BUDGET, training.epochs)
    if not 1 <= recipe.validation_epoch <= int(epochs or 0):
        raise bundle.refuse(member, f"validation_epoch = {recipe.validation_epoch}; allowed: 1 to {epochs}, its epochs")


def _check_fields(bundle: Bundle, member: str, recipe: TunedRecipe, wanted: Mapping[str, object]) -> None:
    for field, value in wanted.items():
        if getattr(recipe, field) != value:
            cure = ", the code in the bundle; search anew and run anew" if field == "code_sha256" else ""
            raise bundle.refuse(member, f"{field} = {getattr(recipe, field)!r}; allowed: {value!r}{cure}")


def _check_space(bundle: Bundle, member: str, recipe: TunedRecipe, settings: Settings) -> Space:
    """Refuse a space that is not the board's with the loss's own, which settings or the loss's class declare."""
    entry, shared = bundle.shared.loss, settings.tuning.space
    by_hand = values_by_hand(entry)
    own, where = entry.search, SETTINGS
    if own is None:
        where = target_of(bundle.loss, entry)
        own = declared_of(where, bundle.code, bundle.name, "search_space")
    wanted = {name: item for name, item in ((shared | own) if own else {}).items() if name not in by_hand}
    limits = settings.datasets[recipe.dataset].limits
    wanted = space_on(recipe.dataset, limits, wanted)
    given = {name: item for name, item in recipe.search_space.items() if name not in by_hand}
    if BUDGET in given and given[BUDGET] != shared.get(BUDGET):
        raise bundle.refuse(member, f"search_space.{BUDGET} = {given[BUDGET]}; {_same_epochs(settings)}")
    for name in dict.fromkeys((*given, *wanted)):
        if given.get(name) != wanted.get(name):
            why = f"tuning.space of {settings.recipe.file}" if name in shared and name not in own else where
            if name in limits:
                why += f", within datasets.{recipe.dataset}.limits of {PARAMS_FILE}"
            told = wanted.get(name, "no such entry")
            raise bundle.refuse(member, f"search_space.{name} = {given.get(name)}; allowed: {told}, as in {why}")
    try:
        return parse_space(f"losses.{bundle.loss}.search", recipe.search_space)
    except SuiteError as error:
        raise bundle.refuse(member, f"search_space: {error}; allowed: ranges and lists of values") from error


def _check_values(bundle: Bundle, member: str, recipe: TunedRecipe, space: Space) -> None:
    """Refuse trials outside the space, and values that stand twice, where whole numbers alone would repeat."""
    real = any(isinstance(item, Range) and not isinstance(item.low + item.high, int) for item in space.values())
    seen: list[tuple[dict[str, Scalar], list[float]]] = []
    for trial in recipe.trials:
        if trial.values.keys() != space.keys():
            raise bundle.refuse(
                member,
                f"a trial has values of {allowed(trial.values) or 'nothing'}; allowed: {allowed(space) or 'none'}",
            )
        for name, value in trial.values.items():
            if not _fits(value, space[name]):
                raise bundle.refuse(member, f"a trial has {name} = {value!r}; allowed: {recipe.search_space[name]}")
        for values, scores in seen:
            if trial.values == values and (real or trial.fold_map_at_r != scores):
                raise bundle.refuse(
                    member, f"two trials have the values {trial.values}; allowed: each trial once, as it was drawn"
                )
        seen.append((trial.values, trial.fold_map_at_r))


def check_drawn(bundle: Bundle, member: str, recipe: TunedRecipe, space: Space) -> None:
    """Refuse trials that this search does not draw: its streams belong to its name, and scores lead to what comes next."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        _draw_anew(bundle, member, recipe, space)
    finally:
        optuna.logging.set_verbosity(verbosity)


def _draw_anew(bundle: Bundle, member: str, recipe: TunedRecipe, space: Space) -> None:
    study, theirs = optuna.create_study(direction="maximize"), bundle.manifest.versions.get("optuna")
    for number, trial in enumerate(recipe.trials):
        study.sampler = sampler(recipe.track, recipe.dataset, recipe.loss, recipe.number, number)
        asked = study.ask()
        drawn = {name: item.suggest(asked, name) for name, item in space.items()}
        if not all(_alike(trial.values[name], value) for name, value in drawn.items()):
            told = f"trial {number + 1} has {trial.values}; allowed: {drawn}, which search {recipe.number} draws"
            if theirs != version("optuna"):
                told += f" with optuna {version('optuna')} of this machine; the manifest says {theirs}"
            raise bundle.refuse(member, told)
        study.tell(asked.number, trial.map_at_r or 0.0)


def _alike(given: Scalar, drawn: Scalar) -> bool:
    if isinstance(given, float) and isinstance(drawn, float):
        return bool(np.isclose(given, drawn, rtol=_CLOSE, atol=0))
    return type(given) is type(drawn) and given == drawn


def _fits(value: object, item: Range | Values) -> bool:
    """Whether a value can be drawn, of the right kind: true is not 1."""
    if isinstance(item, Values):
        return any(type(value) is type(each) and value == each for each in item.values)
    whole = isinstance(item.low, int) and isinstance(item.high, int)
    right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    return right and item.low <= value <= item.high  # type: ignore[operator]
