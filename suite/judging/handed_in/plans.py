"""The runs that a bundle must hold, worked out anew: from a board's settings, the loss's own entry and what was found.

Each run has its ``config_sha256``, the digest of all settings that it depends on, code included. So all that a record
says of how it was made can be compared with what follows from here.
"""

from collections.abc import Sequence
from dataclasses import replace

from suite.errors import allowed
from suite.evaluation.records import Record
from suite.judging.handed_in.bundle import Bundle
from suite.losses.build import TRAINING_SETTINGS
from suite.losses.registry import target_of, values_by_hand
from suite.settings.params import Recipe, Settings
from suite.settings.plans import PLANS, Regime, Run, SomePlan, runs_of
from suite.settings.tuned_recipes import TunedRecipe, shared_training
from suite.training.hyperparameters import with_values


def search_member(regime: str, track: str, dataset: str, number: int) -> str:
    """The member of a bundle that says what a search has found."""
    return f"searches/{regime}/{track}/{dataset}-{number}.json"


def runs_due(bundle: Bundle, settings: Settings, regime: Regime, dataset: str, loss_sha256: str) -> list[Run[SomePlan]]:
    """The runs of the tuning tracks.

    Args:
        bundle: the bundle.
        settings: of the board and the regime.
        regime: what learns.
        dataset: name of a data set.
        loss_sha256: digest of the loss's code.

    Raises:
        SuiteError: a search is missing, is another one than the board asks for, or was not given the same trials.
    """
    entry = bundle.shared.loss
    by_hand = values_by_hand(entry)
    bare = bare_plan(bundle, settings, regime, dataset, loss_sha256)
    start = f"searches/{regime}/"
    found = {name: recipe for name, recipe in bundle.searches.items() if name.startswith(start)}
    if not any(recipe.dataset == dataset for recipe in found.values()):
        return runs_of(with_values(bare, by_hand))
    tuning, runs = settings.tuning, list[Run[SomePlan]]()
    wrong = tuple(level for level in bare.noise_levels if level)
    for track in tuning.tracks:
        clean = track == "tuned"
        for number in range(tuning.searches if clean or wrong else 0):
            member = search_member(regime, track, dataset, number)
            if member not in found:
                raise bundle.refuse(member, f"is missing; allowed: {tuning.searches} searches for every loss")
            recipe = found[member]
            _check_search(bundle, member, recipe, settings, with_values(bare, by_hand).recipe)
            plan = replace(
                bare,
                track=track,
                hyperparameter_source="search",
                noise_levels=bare.noise_levels if clean else wrong,
                validation_epoch=recipe.validation_epoch,
                search=number,
                searches=tuning.searches,
            )
            runs += runs_of(with_values(plan, recipe.best | by_hand))
    return runs


def paper_runs_due(
    bundle: Bundle, settings: Settings, dataset: str, loss_sha256: str, records: Sequence[Record]
) -> list[Run[SomePlan]]:
    """The runs at the values of the loss's paper, which the records themselves say.

    Raises:
        SuiteError: they were trained otherwise than the board's.
    """
    first = records[0]
    bare = bare_plan(bundle, settings, "frozen", dataset, loss_sha256)
    rates = {name: value for name, value in first.recipe.items() if name in TRAINING_SETTINGS}
    plan = replace(bare, track="paper_values", hyperparameter_source="paper")
    return runs_of(with_values(plan, first.hyperparameters | rates))


def bare_plan(bundle: Bundle, settings: Settings, regime: Regime, dataset: str, loss_sha256: str) -> SomePlan:
    """The plan of a loss without any values of its own."""
    entry = bundle.shared.loss
    return PLANS[regime][0](
        regime=regime,
        track="tuned",
        dataset=dataset,
        backbone=settings.backbone.name,
        loss=bundle.loss,
        target=target_of(bundle.loss, entry),
        loss_sha256=loss_sha256,
        code_sha256=bundle.manifest.protocol.code_sha256[regime],
        noise_kind=settings.noise.kind,
        noise_levels=settings.noise.levels,
        seeds=settings.seeds,
        hyperparameter_source="params.yaml" if values_by_hand(entry) else "defaults",
        hyperparameters={},
        recipe=settings.recipe_of(dataset),
    )


def _check_search(bundle: Bundle, member: str, recipe: TunedRecipe, settings: Settings, training: Recipe) -> None:
    """Refuse a search that is not the one of its name, had not the trials of the board, or did not find what it says."""
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
    for field, value in wanted.items():
        if getattr(recipe, field) != value:
            raise bundle.refuse(member, f"{field} = {getattr(recipe, field)!r}; allowed: {value!r}")
    if len(recipe.trials) != tuning.trials:
        raise bundle.refuse(member, f"{len(recipe.trials)} trials; allowed: {tuning.trials}, as for every loss")
    by_hand = values_by_hand(bundle.shared.loss)
    if lacking := [name for name in tuning.space if name not in recipe.search_space and name not in by_hand]:
        raise bundle.refuse(member, f"search_space lacks {allowed(lacking)}; allowed: what is searched for every loss")
    scores = [trial.map_at_r for trial in recipe.trials]
    best = max((score for score in scores if score is not None), default=None)
    chosen = [trial for trial, score in zip(recipe.trials, scores, strict=True) if score == best is not None]
    if best is None or recipe.best not in [trial.values for trial in chosen]:
        raise bundle.refuse(member, "best is not the best of its trials; allowed: the values with the greatest MAP@R")
    if recipe.search_space.keys() != recipe.best.keys():
        raise bundle.refuse(member, f"best has {allowed(recipe.best)}; allowed: {allowed(recipe.search_space)}")
    validated = tuning.folds if tuning.held_out is None else tuning.held_out
    for score in (score for trial in recipe.trials for score in trial.fold_map_at_r):
        if not 0 <= score <= 1:
            raise bundle.refuse(member, f"fold_map_at_r holds {score}; allowed: shares from 0 to 1")
    if wrong := [trial for trial in recipe.trials if len(trial.fold_map_at_r) not in {0, validated}]:
        raise bundle.refuse(member, f"a trial has {len(wrong[0].fold_map_at_r)} folds; allowed: {validated}")
