"""The runs that a bundle must hold, worked out anew: from a board's settings, the loss's own entry and what was found.

Each run has its ``config_sha256``, the digest of all settings that it depends on, code included. So all that a record
says of how it was made can be compared with what follows from here.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from suite.errors import SuiteError, shortened
from suite.evaluation.records import Record
from suite.judging.handed_in.bundle import SETTINGS, Bundle, search_member
from suite.judging.handed_in.code import declared_of
from suite.judging.handed_in.searches import BUDGET, check_budget, check_search, is_equal_budget
from suite.losses.by_hand import values_by_hand
from suite.losses.paper_values import values_for
from suite.losses.registry import Hyperparameters, target_of
from suite.settings.params import Settings
from suite.settings.paths import PARAMS_FILE
from suite.settings.plans import PLANS, Regime, Run, SomePlan, runs_of
from suite.training.batch_checks import training_half
from suite.training.hyperparameters import with_values

_MOST = 100
"""Hyper-parameters of a loss, learning rates included."""
_WORD = re.compile("[A-Za-z0-9_.-]{1,64}")
"""A name, or a value that is one of several words."""


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
    check_budget(bundle, settings)
    bare = bare_plan(bundle, settings, regime, dataset, loss_sha256)
    start = f"searches/{regime}/"
    found = {name: recipe for name, recipe in bundle.searches.items() if name.startswith(start)}
    if not any(recipe.dataset == dataset for recipe in found.values()):
        return runs_of(_filled(bundle, SETTINGS, bare, by_hand))
    tuning, runs = settings.tuning, list[Run[SomePlan]]()
    wrong = tuple(level for level in bare.noise_levels if level)
    for track in tuning.tracks:
        clean = track == "tuned"
        for number in range(tuning.searches if clean or wrong else 0):
            member = search_member(regime, track, dataset, number)
            if member not in found:
                raise bundle.refuse(member, f"is missing; allowed: {tuning.searches} searches for every loss")
            recipe = found[member]
            training = _filled(bundle, SETTINGS, bare, by_hand).recipe
            check_search(bundle, member, recipe, settings, training, loss_sha256)
            plan = replace(
                bare,
                track=track,
                hyperparameter_source="search",
                noise_levels=bare.noise_levels if clean else wrong,
                validation_epoch=recipe.validation_epoch,
                search=number,
                searches=tuning.searches,
            )
            runs += runs_of(_filled(bundle, member, plan, recipe.best | by_hand))
    return runs


def paper_runs_due(
    bundle: Bundle, settings: Settings, dataset: str, loss_sha256: str, records: Sequence[Record]
) -> list[Run[SomePlan]]:
    """The runs at the values of the loss's paper, which its class declares.

    Raises:
        SuiteError: it declares none that can be read, or they were trained otherwise than the board's.
    """
    first, member = records[0], f"records/paper_values/{dataset}.jsonl"
    bare = bare_plan(bundle, settings, "frozen", dataset, loss_sha256)
    if not is_equal_budget(given := first.recipe.get(BUDGET), settings):
        raise bundle.refuse(
            member,
            f"recipe.{BUDGET} = {given!r}; allowed: {bare.recipe.epochs} for every loss, also at its paper's values",
        )
    declared = declared_of(bare.target, bundle.code, bundle.name, "paper_values")
    half = training_half(dataset, settings.datasets[dataset].max_classes)
    try:
        values = values_for(declared, half.mean_images, f"{bare.target}: paper_values")
    except SuiteError as error:
        raise bundle.refuse(member, str(error)) from error
    if not values:
        raise bundle.refuse(member, f"{bare.target} declares no paper_values; allowed: no such records")
    plan = replace(bare, track="paper_values", hyperparameter_source="paper")
    return runs_of(_filled(bundle, member, plan, values))


def _filled(bundle: Bundle, member: str, plan: SomePlan, values: Hyperparameters) -> SomePlan:
    """A plan with these values, which a member of the bundle or its code gives."""
    if len(values) > _MOST:
        raise bundle.refuse(member, f"{len(values):,} hyper-parameters; allowed: up to {_MOST}")
    for name, value in values.items():
        number = isinstance(value, int | float) and math.isfinite(value)
        if not (
            _WORD.fullmatch(name) and (number or value is None or (isinstance(value, str) and _WORD.fullmatch(value)))
        ):
            told = f"{shortened(name, 80)} = {shortened(repr(value), 120)}"
            raise bundle.refuse(member, f"{told}; allowed: finite numbers, true, false, null, or a word")
    try:
        return with_values(plan, values)
    except SuiteError as error:
        why = str(error).replace(f"{PARAMS_FILE}: losses.{bundle.loss}.params.", "")  # it is not this project's file
        raise bundle.refuse(member, why) from error


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
