"""The search: Optuna's TPE sampler, the same number of trials for every loss, MAP@R on class-disjoint folds.

After Musgrave et al., "A Metric Learning Reality Check" (ECCV 2020): the training classes are cut into contiguous folds of
classes; each fold is validation once while the other folds train, as many steps as a run takes; the objective is the mean
MAP@R over folds. Labels of the classes that train may be wrong, and of those that validate, too: the same for every loss.
Each search has random streams of its own, for its sampler, its networks, batches and wrong labels, which no run shares. A
trial whose training fails counts as a trial; nothing is pruned. Trials are kept in Optuna's journal: a search that was
killed goes on where it stood and ends in the same recipe, as each trial has a random stream of its own.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from torch import nn

from suite.data.features import Features
from suite.data.noise import corrupt
from suite.data.split import fold_bounds
from suite.errors import SuiteError
from suite.hashing import sha256_value
from suite.processes import guarded, in_parallel
from suite.progress import progress_bar
from suite.randomness import entropy
from suite.settings.params import TuningTrack
from suite.settings.paths import TRIALS_FOLDER
from suite.settings.plans import FrozenPlan, Hyperparameters, Search
from suite.settings.tuned_recipes import Trial, TunedRecipe, shared_training
from suite.training.batch_checks import fold_name
from suite.training.planner import with_values
from suite.training.run.frozen import evaluate, fit, use_one_thread
from suite.training.run.loop import TrainingFailure
from suite.training.search_space import Space, parse_space
from suite.training.stage import Executor

_RANDOM_TRIALS = 5
"""Trials before TPE models the objective."""
_SCORES, _SECONDS = "fold_map_at_r", "seconds"
"""What a finished trial keeps in the journal; one that was killed keeps neither."""


@dataclass(frozen=True, slots=True)
class _Fold:
    """One fold of one trial: the plan, the search, the classes to validate on, whether to validate after every epoch."""

    plan: FrozenPlan
    search: Search
    held_out: tuple[int, int]
    every_epoch: bool = False


Measure = Callable[..., list[list[float]]]
"""Gives the scores of hyper-parameters, as ``_scores`` does."""


def search_recipe(
    plan: FrozenPlan,
    search: Search,
    features: Features,
    console: Console,
    execute: Executor | None = None,
    *,
    keep_trials: bool = False,
) -> TunedRecipe:
    """Search one loss's hyper-parameters on one data set.

    Args:
        plan: what is trained, without the values to search.
        search: what is searched.
        features: of the data set.
        console: where progress is shown.
        execute: trains on folds, here by default.
        keep_trials: whether the finished trials stay, for a command that will ask for the same search.

    Raises:
        SuiteError: a search space that does not fit the loss, or no trial that trained.
    """
    started = time.perf_counter()
    space = parse_space(plan.loss, search.space)
    journal = _journal(plan, search, features)
    study = _open_study(journal)
    before = sum(trial.user_attrs[_SECONDS] for trial in _finished(study))
    measure = partial(_scores, plan, search, features, execute or in_parallel)
    trials = _run_trials(study, plan, search, space, measure, console)
    trained = [trial for trial in trials if trial.fold_map_at_r]
    if not trained:
        raise SuiteError(
            f"tuning {plan.loss} on {plan.dataset}: none of {len(trials)} trials trained; narrow the search space"
        )
    best = max(trained, key=lambda trial: trial.map_at_r or 0.0)
    epochs = measure(best.values, every_epoch=True)
    recipe = TunedRecipe(
        dataset=plan.dataset,
        loss=plan.loss,
        track=cast("TuningTrack", plan.track),
        number=search.number,
        data_sha256=features.data_sha256,
        search_space=search.space,
        folds=search.folds,
        noise=search.noise,
        training=shared_training(plan.recipe, search.space),
        best=best.values,
        best_map_at_r=best.map_at_r or 0.0,
        best_fold_map_at_r=best.fold_map_at_r,
        trial_quartiles=np.percentile([trial.map_at_r or 0.0 for trial in trained], [25, 50, 75]).tolist(),
        failed_trials=len(trials) - len(trained),
        validation_epoch=1 + int(np.mean(epochs, axis=0).argmax()),
        seconds=round(before + time.perf_counter() - started, 1),
        trials=trials,
    )
    if not keep_trials:
        journal.unlink(missing_ok=True)
    return recipe


def _journal(plan: FrozenPlan, search: Search, features: Features) -> Path:
    """The journal of this search: its name covers all that the trials depend on; journals of others are deleted."""
    decides = {name: value for name, value in asdict(search).items() if name != "trials"}
    parts = [plan.as_dict(), decides, features.data_sha256]
    name = f"{plan.dataset}-{plan.loss}-{plan.track}-{search.number}"
    mine = TRIALS_FOLDER / f"{name}-{sha256_value(parts)[:16]}.log"
    for other in TRIALS_FOLDER.glob(f"{name}-*.log"):
        if other != mine:
            other.unlink()
    return mine


def _open_study(journal: Path) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal.parent.mkdir(parents=True, exist_ok=True)
    # A killed process may leave its lock and half of a line.
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    if journal.is_file() and not (text := journal.read_bytes()).endswith(b"\n"):
        journal.write_bytes(text[: text.rfind(b"\n") + 1])
    try:
        study = _load_study(journal)
    except (ValueError, KeyError):  # damaged otherwise: search anew
        journal.unlink()
        study = _load_study(journal)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)  # it was killed; the sampler leaves failed trials out
    return study


def _load_study(journal: Path) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(journal)))
    return optuna.create_study(storage=storage, study_name="search", direction="maximize", load_if_exists=True)


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return [trial for trial in study.get_trials() if _SCORES in trial.user_attrs and trial.state.is_finished()]


def _run_trials(
    study: optuna.Study, plan: FrozenPlan, search: Search, space: Space, measure: Measure, console: Console
) -> list[Trial]:
    name = f"{plan.dataset} {plan.loss} {plan.track} {search.number}"
    trials = [
        Trial(values=trial.params, fold_map_at_r=trial.user_attrs[_SCORES])
        for trial in _finished(study)[: search.trials]
    ]
    if trials:
        console.print(f"{name}: resuming, {len(trials)} of {search.trials} trials are done", markup=False)
    with progress_bar(console, "trials") as progress:
        bar = progress.add_task(_title(name, trials), total=search.trials, completed=len(trials))
        for number in range(len(trials), search.trials):
            words = ("tune", plan.track, plan.dataset, plan.loss, search.number, number)
            trial = _run_trial(study, entropy(*words) % 2**32, space, measure)
            trials.append(trial)
            progress.update(bar, advance=1, description=_title(name, trials), refresh=True)
            shown = "failed" if trial.map_at_r is None else f"MAP@R {100 * trial.map_at_r:.2f} %"
            console.print(f"{name} trial {number}: {shown} {trial.values}", markup=False)
    return trials


def _run_trial(study: optuna.Study, seed: int, space: Space, measure: Measure) -> Trial:
    started = time.perf_counter()
    study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_RANDOM_TRIALS)
    asked = study.ask()
    values = {key: item.suggest(asked, key) for key, item in space.items()}
    scores = [fold[-1] for fold in measure(values)]
    trial = Trial(values=values, fold_map_at_r=scores)
    asked.set_user_attr(_SCORES, scores)
    asked.set_user_attr(_SECONDS, time.perf_counter() - started)
    study.tell(asked, trial.map_at_r, state=TrialState.FAIL if trial.map_at_r is None else TrialState.COMPLETE)
    return trial


def _title(name: str, trials: Sequence[Trial]) -> str:
    found = [trial.map_at_r for trial in trials if trial.map_at_r is not None]
    return f"tuning {name}" + (f", best MAP@R {100 * max(found):.1f} %" if found else "")


def _scores(
    plan: FrozenPlan,
    search: Search,
    features: Features,
    execute: Executor,
    values: Hyperparameters,
    *,
    every_epoch: bool = False,
) -> list[list[float]]:
    """Validation MAP@R of each fold after the last epoch, or after every epoch; empty if a fold failed."""
    candidate = with_values(plan, values)
    bounds = fold_bounds(features.num_training_classes, search.folds)
    folds = [_Fold(candidate, search, bound, every_epoch) for bound in bounds]
    results = {fold.held_out: scores for fold, scores in execute(_validate, features, folds)}
    scores = [results[fold.held_out] for fold in folds]
    return scores if all(scores) else []


def _validate(features: Features, fold: _Fold) -> list[float]:
    where = f"tuning {fold.plan.loss} ({fold.plan.target}) on {fold.plan.dataset} with {fold.plan.hyperparameters}"
    with guarded(where):
        return _scores_of(features, fold)


def _scores_of(features: Features, fold: _Fold) -> list[float]:
    use_one_thread()
    plan, search, name = fold.plan, fold.search, fold_name(fold.search, fold.held_out[0])
    features = features.under_split(plan.split)
    vectors, labels = features.training()
    held_out = (labels >= fold.held_out[0]) & (labels < fold.held_out[1])
    kept, codes = np.unique(labels[~held_out], return_inverse=True)
    _assert_disjoint(kept, labels[held_out], features)

    def wrong(true: NDArray[np.int64], inputs: NDArray[np.float32], words: str) -> NDArray[np.int64]:
        return corrupt(true, plan.dataset, plan.noise_kind, search.noise, words, inputs).labels

    given = wrong(codes, vectors[~held_out], name)
    asked, answers = vectors[held_out], labels[held_out]
    if search.noisy_validation:
        answers = wrong(answers - fold.held_out[0], asked, f"{name}, validation")
    scores: list[float] = []

    def score(head: nn.Module) -> None:
        scores.append(evaluate(head, asked, answers).metrics["map_at_r"])

    def after_epoch(epoch: int, _loss: float, head: nn.Module) -> None:
        if fold.every_epoch and epoch < plan.recipe.epochs:
            score(head)

    try:
        head, _ = fit(plan, vectors[~held_out], given, name, len(kept), after_epoch, len(labels))
        score(head)
    except TrainingFailure:
        return []
    return scores


def _assert_disjoint(training: NDArray[np.int64], validation: NDArray[np.int64], features: Features) -> None:
    """Training, validation and test classes share no class; checked on every run."""
    parts = [set(training.tolist()), set(validation.tolist()), set(features.test()[1].tolist())]
    if len(set.union(*parts)) != sum(map(len, parts)):
        raise AssertionError("training, validation and test classes overlap")
