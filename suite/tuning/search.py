"""The search: Optuna's TPE sampler, the same number of trials for every loss, MAP@R on class-disjoint folds.

After Musgrave et al. (ECCV 2020): the training classes are cut into contiguous folds of classes; each fold is validation
once while the other folds train; the objective is the mean MAP@R over folds. Labels are clean. A trial whose training fails
counts as a trial.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import TrialState
from rich.console import Console

from suite.config.plan import CellPlan, plan_dataset, with_learning_rates
from suite.config.settings import LossSettings, Settings
from suite.config.tuned import Trial, TunedRecipe, save_tuned
from suite.errors import SuiteError, allowed
from suite.features.store import Features, features_path, load_features
from suite.losses.registry import (
    TRAINING_SETTINGS,
    Hyperparameters,
    LossEntry,
    check_hyperparameters,
    find_loss,
    load_target,
    preload,
)
from suite.parallel import in_parallel
from suite.progress import progress_bar
from suite.randomness import entropy
from suite.training.loop import TrainingFailure
from suite.training.run import evaluate, fit
from suite.tuning.space import Space, parse_space

_RANDOM_TRIALS = 5
"""Trials before TPE models the objective."""


@dataclass(frozen=True, slots=True)
class _Fold:
    """One fold of one trial: the plan to train and the classes to validate on."""

    plan: CellPlan
    held_out: tuple[int, int]


def tune_loss(settings: Settings, dataset: str, loss: str, console: Console) -> Path:
    """Search one loss's hyper-parameters on one data set; writes the tuned recipe and gives its path.

    Raises:
        SuiteError: unknown names, a search space that does not fit the loss, or no trial that trained.
    """
    if loss not in settings.losses or dataset not in settings.datasets:
        raise SuiteError(
            f"suite tune {dataset} {loss}: allowed data sets in params.yaml: {allowed(settings.datasets)}; "
            f"losses: {allowed(settings.losses)}"
        )
    entry = find_loss(loss, settings.losses[loss])
    declared = _declared_space(entry, settings.losses[loss])
    space = parse_space(loss, declared)
    check_hyperparameters(entry, dict.fromkeys(space), f"search space of {loss}")
    preload(entry, {})
    planned = plan_dataset(dataset, settings.datasets[dataset])
    plan = CellPlan(dataset, loss, entry.target, entry.source_sha256, {}, tuned=False, recipe=settings.recipe)
    trials = _search(settings, plan, entry, space, load_features(features_path(dataset)), console)
    finished = [trial for trial in trials if trial.map_at_r is not None]
    if not finished:
        raise SuiteError(f"suite tune {dataset} {loss}: none of {len(trials)} trials trained; narrow the search space")
    best = max(finished, key=lambda trial: trial.map_at_r or 0.0)
    return save_tuned(
        TunedRecipe(
            dataset=dataset,
            loss=loss,
            data_sha256=planned.data_sha256,
            search_space=declared,
            folds=settings.tuning.folds,
            best=best.values,
            best_map_at_r=best.map_at_r or 0.0,
            trials=trials,
        )
    )


def _declared_space(entry: LossEntry, settings: LossSettings) -> dict[str, dict[str, object]]:
    return entry.search_space if settings.search is None else settings.search


def _search(
    settings: Settings, plan: CellPlan, entry: LossEntry, space: Space, features: Features, console: Console
) -> list[Trial]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seed = entropy("tune", plan.dataset, plan.loss) % 2**32
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_RANDOM_TRIALS)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    trials: list[Trial] = []
    with progress_bar(console, "trials") as progress:
        bar = progress.add_task(f"tuning {plan.loss} on {plan.dataset}", total=settings.tuning.trials)
        for number in range(settings.tuning.trials):
            trial = study.ask()
            values = {name: item.suggest(trial, name) for name, item in space.items()}
            score = _score(settings, plan, values, features)
            study.tell(trial, score, state=TrialState.FAIL if score is None else TrialState.COMPLETE)
            trials.append(Trial(values=values, map_at_r=score))
            progress.update(bar, advance=1, refresh=True)
            shown = "failed" if score is None else f"MAP@R {100 * score:.2f} %"
            console.print(f"{plan.dataset} {entry.name} trial {number}: {shown} {values}", markup=False)
    return trials


def _score(settings: Settings, plan: CellPlan, values: Hyperparameters, features: Features) -> float | None:
    """Mean validation MAP@R over folds, or None if a fold failed."""
    hyperparameters = {name: value for name, value in values.items() if name not in TRAINING_SETTINGS}
    recipe = with_learning_rates(settings.recipe, values, plan.loss)
    candidate = replace(plan, hyperparameters=hyperparameters, recipe=recipe)
    _, labels = features.training()
    folds = [_Fold(candidate, bounds) for bounds in fold_bounds(int(labels.max()) + 1, settings.tuning.folds)]
    scores = [score for _, score in in_parallel(_validate, features, folds)]
    finished = sorted(score for score in scores if score is not None)
    return float(np.mean(finished)) if len(finished) == len(folds) else None


def fold_bounds(num_classes: int, folds: int) -> list[tuple[int, int]]:
    """Contiguous, disjoint class ranges [low, high) that cover all training classes."""
    edges: Sequence[int] = np.linspace(0, num_classes, folds + 1).round().astype(int).tolist()
    return list(pairwise(edges))


def _validate(features: Features, fold: _Fold) -> float | None:
    vectors, labels = features.training()
    held_out = (labels >= fold.held_out[0]) & (labels < fold.held_out[1])
    kept, codes = np.unique(labels[~held_out], return_inverse=True)
    _assert_disjoint(kept, labels[held_out], features)
    entry = load_target(fold.plan.loss, fold.plan.target)
    try:
        head, _ = fit(fold.plan, entry, vectors[~held_out], codes, 0, len(kept))
        return evaluate(head, vectors[held_out], labels[held_out])["map_at_r"]
    except TrainingFailure:
        return None


def _assert_disjoint(training: NDArray[np.int64], validation: NDArray[np.int64], features: Features) -> None:
    """Training, validation and test classes share no class; checked on every run."""
    parts = [set(training.tolist()), set(validation.tolist()), set(features.test()[1].tolist())]
    if len(set.union(*parts)) != sum(map(len, parts)):
        raise AssertionError("training, validation and test classes overlap")
