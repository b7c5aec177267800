"""The search: Optuna's TPE sampler, the same number of trials for every loss, MAP@R on class-disjoint folds.

After Musgrave et al., "A Metric Learning Reality Check" (ECCV 2020): the training classes are cut into contiguous folds of
classes; each fold is validation once while the other folds train; the objective is the mean MAP@R over folds. The classes
that validate have their true labels; those that train may have wrong ones, the same for every loss. A trial whose training
fails counts as a trial; nothing is pruned. Finished trials are kept in ``partial/``: a search that was killed goes on where
it stood and ends in the same recipe, as each trial has a random stream of its own.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import TrialState, create_trial
from rich.console import Console
from torch import nn

from suite.settings.plans import CellPlan, Search
from suite.training.tuning.folds import fold_bounds
from suite.training.planner import with_values
from suite.settings.tuned_recipes import Trial, TunedRecipe, shared_training
from suite.data.noise import corrupt
from suite.errors import SuiteError
from suite.data.features import Features
from suite.files import read_lines, write_lines
from suite.hashing import sha256_value
from suite.losses.registry import load_target, preload
from suite.training.executors import in_parallel
from suite.training.progress import progress_bar
from suite.randomness import entropy
from suite.training.loop import TrainingFailure
from suite.training.run import evaluate, fit
from suite.training.tuning.space import Space, parse_space

PARTIAL_FOLDER = Path("partial/tuning")
_RANDOM_TRIALS = 5
"""Trials before TPE models the objective."""


@dataclass(frozen=True, slots=True)
class _Fold:
    """One fold of one trial: the plan to train, the classes to validate on, label noise, and whether after every epoch."""

    plan: CellPlan
    held_out: tuple[int, int]
    noise: float
    every_epoch: bool = False


def search_recipe(plan: CellPlan, search: Search, features: Features, console: Console) -> TunedRecipe:
    """Search one loss's hyper-parameters on one data set.

    Raises:
        SuiteError: a search space that does not fit the loss, or no trial that trained.
    """
    started = time.perf_counter()
    space = parse_space(plan.loss, search.space)
    preload(load_target(plan.loss, plan.target), plan.hyperparameters)
    log = _Log(PARTIAL_FOLDER / f"{plan.dataset}-{plan.loss}.jsonl", plan, search, features)
    trials = _run_trials(plan, search, space, features, log, console)
    finished = [trial for trial in trials if trial.fold_map_at_r]
    if not finished:
        raise SuiteError(
            f"tuning {plan.loss} on {plan.dataset}: none of {len(trials)} trials trained; narrow its search space"
        )
    best = max(finished, key=lambda trial: trial.map_at_r or 0.0)
    epochs = _scores(with_values(plan, best.values), search, features, every_epoch=True)
    recipe = TunedRecipe(
        dataset=plan.dataset,
        loss=plan.loss,
        data_sha256=features.data_sha256,
        search_space=search.space,
        folds=search.folds,
        noise=search.noise,
        training=shared_training(plan.recipe),
        best=best.values,
        best_map_at_r=best.map_at_r or 0.0,
        best_fold_map_at_r=best.fold_map_at_r,
        trial_quartiles=np.percentile([trial.map_at_r or 0.0 for trial in finished], [25, 50, 75]).tolist(),
        failed_trials=len(trials) - len(finished),
        validation_epoch=1 + int(np.mean(epochs, axis=0).argmax()),
        seconds=round(log.seconds + time.perf_counter() - started, 1),
        trials=trials,
    )
    log.path.unlink(missing_ok=True)
    return recipe


class _Log:
    """Finished trials of an unfinished search, with the seconds they took, under a key of all they depend on."""

    def __init__(self, path: Path, plan: CellPlan, search: Search, features: Features) -> None:
        self.path = path
        key = [plan.as_dict(), search.space, search.by_hand, search.folds, search.noise, features.data_sha256]
        self._key = sha256_value(key)
        self._rows = []
        if path.is_file():
            try:
                self._rows = [row for row in read_lines(path) if row["key"] == self._key]
            except (json.JSONDecodeError, KeyError):
                self._rows = []
        self.seconds = sum(row["seconds"] for row in self._rows)
        self.trials = [Trial.model_validate(row["trial"]) for row in self._rows]

    def add(self, trial: Trial, seconds: float) -> None:
        self._rows.append({"key": self._key, "trial": trial.model_dump(), "seconds": seconds})
        write_lines(self.path, self._rows)


def _run_trials(
    plan: CellPlan, search: Search, space: Space, features: Features, log: _Log, console: Console
) -> list[Trial]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    name = f"{plan.dataset} {plan.loss}"
    trials = log.trials[: search.trials]
    for trial in trials:
        study.add_trial(_as_optuna(trial, space))
    if trials:
        console.print(f"{name}: resuming, {len(trials)} of {search.trials} trials are done", markup=False)
    with progress_bar(console, "trials", f"tune-{plan.dataset}-{plan.loss}") as progress:
        bar = progress.add_task(_title(name, trials), total=search.trials, completed=len(trials))
        for number in range(len(trials), search.trials):
            started = time.perf_counter()
            seed = entropy("tune", plan.dataset, plan.loss, number) % 2**32
            study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_RANDOM_TRIALS)
            asked = study.ask()
            values = {key: item.suggest(asked, key) for key, item in space.items()}
            scores = _scores(with_values(plan, values), search, features)
            trial = Trial(values=values, fold_map_at_r=[fold[-1] for fold in scores])
            state = TrialState.FAIL if trial.map_at_r is None else TrialState.COMPLETE
            study.tell(asked, trial.map_at_r, state=state)
            trials.append(trial)
            log.add(trial, time.perf_counter() - started)
            progress.update(bar, advance=1, description=_title(name, trials), refresh=True)
            shown = "failed" if trial.map_at_r is None else f"MAP@R {100 * trial.map_at_r:.2f} %"
            console.print(f"{name} trial {number}: {shown} {values}", markup=False)
    return trials


def _title(name: str, trials: Sequence[Trial]) -> str:
    found = [trial.map_at_r for trial in trials if trial.map_at_r is not None]
    return f"tuning {name}" + (f", best MAP@R {100 * max(found):.1f} %" if found else "")


def _as_optuna(trial: Trial, space: Space) -> optuna.trial.FrozenTrial:
    return create_trial(
        params=trial.values,
        distributions={key: item.distribution() for key, item in space.items()},
        value=trial.map_at_r,
        state=TrialState.FAIL if trial.map_at_r is None else TrialState.COMPLETE,
    )


def _scores(candidate: CellPlan, search: Search, features: Features, *, every_epoch: bool = False) -> list[list[float]]:
    """Validation MAP@R of each fold after the last epoch, or after every epoch; empty if a fold failed."""
    _, labels = features.training()
    bounds = fold_bounds(int(labels.max()) + 1, search.folds)
    folds = [_Fold(candidate, fold, search.noise, every_epoch) for fold in bounds]
    results = {fold.held_out: scores for fold, scores in in_parallel(_validate, features, folds)}
    scores = [results[fold] for fold in bounds]
    return scores if all(scores) else []


def _validate(features: Features, fold: _Fold) -> list[float]:
    vectors, labels = features.training()
    held_out = (labels >= fold.held_out[0]) & (labels < fold.held_out[1])
    kept, codes = np.unique(labels[~held_out], return_inverse=True)
    _assert_disjoint(kept, labels[held_out], features)
    given = corrupt(codes, fold.plan.dataset, fold.plan.noise_kind, fold.noise, 0).labels
    entry = load_target(fold.plan.loss, fold.plan.target)
    scores: list[float] = []

    def score(head: nn.Module) -> None:
        scores.append(evaluate(head, vectors[held_out], labels[held_out]).metrics["map_at_r"])

    def after_epoch(epoch: int, _loss: float, head: nn.Module) -> None:
        if fold.every_epoch and epoch < fold.plan.recipe.epochs:
            score(head)

    try:
        head, _ = fit(fold.plan, entry, vectors[~held_out], given, 0, len(kept), after_epoch)
        score(head)
    except TrainingFailure:
        return []
    return scores


def _assert_disjoint(training: NDArray[np.int64], validation: NDArray[np.int64], features: Features) -> None:
    """Training, validation and test classes share no class; checked on every run."""
    parts = [set(training.tolist()), set(validation.tolist()), set(features.test()[1].tolist())]
    if len(set.union(*parts)) != sum(map(len, parts)):
        raise AssertionError("training, validation and test classes overlap")
