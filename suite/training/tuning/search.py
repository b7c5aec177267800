"""The search: Optuna's TPE sampler, the same number of trials for every loss, MAP@R on class-disjoint folds.

After Musgrave et al., "A Metric Learning Reality Check" (ECCV 2020): the training classes are cut into contiguous folds of
classes; each fold is validation once while the other folds train, as many steps as a run takes; the objective is the mean
MAP@R over folds. Labels of the classes that train may be wrong, and of those that validate, too: the same for every loss.
Each search has random streams of its own, for its sampler, its networks, batches and wrong labels, which no run shares. A
trial whose training fails counts as a trial; nothing is pruned. Trials are kept in Optuna's journal: a search that was
killed goes on where it stood and ends in the same recipe, as each trial has a random stream of its own.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from suite.data.split import fold_bounds
from suite.errors import SuiteError
from suite.hashing import sha256_value
from suite.processes import in_parallel
from suite.progress import progress_bar
from suite.settings.params import TuningTrack
from suite.settings.paths import TRIALS_FOLDER
from suite.settings.plans import Hyperparameters, Search, SomePlan, folder_of
from suite.settings.tuned_recipes import Trial, TunedRecipe, save_tuned, shared_training
from suite.training.hyperparameters import with_values
from suite.training.search_space import Space, parse_space
from suite.training.stage import Executor
from suite.training.tuning.sampler import sampler
from suite.training.tuning.validation import Fold, TrainingData, Validate, validate_frozen

_SCORES, _SECONDS = "fold_map_at_r", "seconds"
"""What a finished trial keeps in the journal; the scores, which are written last, say that it is finished."""
_BY_EPOCH = "by_epoch"
"""What the study keeps there: number and scores of the best trial, trained once more."""

Measure = Callable[..., list[list[float]]]
"""Gives the scores of hyper-parameters, as ``_scores`` does."""


def search_recipe(
    plan: SomePlan,
    search: Search,
    data: TrainingData,
    console: Console,
    execute: Executor | None = None,
    *,
    inputs_sha256: str,
    path: Path | None = None,
    validate: Validate = validate_frozen,
    label: str = "",
) -> TunedRecipe:
    """Search one loss's hyper-parameters on one data set.

    Args:
        plan: what is trained, without the values to search.
        search: what is searched.
        data: features of the data set, or what else ``validate`` takes.
        console: where progress is shown.
        execute: trains on folds, here by default.
        inputs_sha256: digest of all that trains; trials on anything else are not taken up.
        path: where the recipe is kept, and then no trial; if None the finished trials stay.
        validate: trains and validates on a fold; a function of a module, which workers find by its name.
        label: what tells it from other searches of this plan's track and this number, if anything.

    Raises:
        SuiteError: a search space that does not fit the loss, or no trial that trained.
    """
    started = time.perf_counter()
    space = parse_space(f"losses.{plan.loss}.search", search.space)
    name = f"{plan.dataset} {plan.loss} {plan.track} {search.number}"
    if label:
        name = f"{label} {name}"
    journal = _journal(name, plan, search, inputs_sha256)
    study = _open_study(journal)
    before = sum(trial.user_attrs[_SECONDS] for trial in _finished(study))
    measure = partial(_scores, plan, search, data, partial(execute or in_parallel, validate))
    trials = _run_trials(name, study, plan, search, space, measure, console)
    trained = [trial for trial in trials if trial.fold_map_at_r]
    if not trained:
        raise SuiteError(
            f"tuning {plan.loss} on {plan.dataset}: none of {len(trials)} trials trained; narrow the search space"
        )
    best = max(trained, key=lambda trial: trial.map_at_r or 0.0)
    epochs = _by_epoch(study, trials.index(best), lambda: measure(best.values, every_epoch=True))
    recipe = TunedRecipe(
        regime=plan.regime,
        dataset=plan.dataset,
        loss=plan.loss,
        track=cast("TuningTrack", plan.track),
        number=search.number,
        data_sha256=data.data_sha256,
        code_sha256=sha256_value([plan.code_sha256, plan.loss_sha256]),
        inputs_sha256=inputs_sha256,
        search_space=search.space,
        folds=search.folds,
        held_out=search.held_out,
        noise=search.noise,
        by_hand=search.by_hand,
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
    if path is not None:
        save_tuned(recipe, path)
        journal.unlink(missing_ok=True)
    return recipe


_OF_RUNS = ("seeds", "noise_levels", "searches")
"""What of a plan says which runs follow a search; trials do not depend on it."""


def _journal(name: str, plan: SomePlan, search: Search, inputs_sha256: str) -> Path:
    """The journal of this search: its name covers all that the trials depend on; journals of others are deleted."""
    decides = {name: value for name, value in search.as_dict().items() if name != "trials"}
    mine_alone = {name: value for name, value in plan.as_dict().items() if name not in _OF_RUNS}
    parts = [mine_alone, decides, inputs_sha256]
    name = name.replace(" ", "-")
    folder = folder_of(plan.regime) / TRIALS_FOLDER
    mine = folder / f"{name}-{sha256_value(parts)[:16]}.log"
    for other in folder.glob(f"{name}-*.log"):
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
    except (ValueError, KeyError, TypeError, AssertionError):  # damaged otherwise: search anew
        journal.unlink()
        study = _load_study(journal)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):  # it was killed, perhaps right after its last fold
        _tell(study, trial.number, trial.user_attrs.get(_SCORES))
    return study


def _tell(study: optuna.Study, number: int, scores: list[float] | None) -> None:
    """End a trial: one in which training failed found MAP@R 0; one that was killed has no scores and counts for nothing.

    Optuna's sampler leaves out trials in the state ``FAIL``, so values at which training always fails would look unexplored.
    """
    if scores is None:
        study.tell(number, state=TrialState.FAIL)
    else:
        study.tell(number, Trial(values={}, fold_map_at_r=scores).map_at_r or 0.0)


def _load_study(journal: Path) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(journal)))
    return optuna.create_study(storage=storage, study_name="search", direction="maximize", load_if_exists=True)


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return [trial for trial in study.get_trials() if _SCORES in trial.user_attrs and trial.state.is_finished()]


def _run_trials(
    name: str, study: optuna.Study, plan: SomePlan, search: Search, space: Space, measure: Measure, console: Console
) -> list[Trial]:
    trials = [
        Trial(values=trial.params, fold_map_at_r=trial.user_attrs[_SCORES])
        for trial in _finished(study)[: search.trials]
    ]
    if trials:
        console.print(f"{name}: resuming, {len(trials)} of {search.trials} trials are done", markup=False)
    with progress_bar(console, "trials") as progress:
        bar = progress.add_task(_title(name, trials), total=search.trials, completed=len(trials))
        for number in range(len(trials), search.trials):
            study.sampler = sampler(plan.track, plan.dataset, plan.loss, search.number, number)
            trial = _run_trial(study, space, measure)
            trials.append(trial)
            progress.update(bar, advance=1, description=_title(name, trials), refresh=True)
            shown = "failed" if trial.map_at_r is None else f"MAP@R {100 * trial.map_at_r:.2f} %"
            console.print(f"{name} trial {number}: {shown} {trial.values}", markup=False)
    return trials


def _run_trial(study: optuna.Study, space: Space, measure: Measure) -> Trial:
    started = time.perf_counter()
    asked = study.ask()
    values = {key: item.suggest(asked, key) for key, item in space.items()}
    scores = [fold[-1] for fold in measure(values)]
    trial = Trial(values=values, fold_map_at_r=scores)
    asked.set_user_attr(_SECONDS, time.perf_counter() - started)
    asked.set_user_attr(_SCORES, scores)
    _tell(study, asked.number, scores)
    return trial


def _by_epoch(study: optuna.Study, number: int, measured: Callable[[], list[list[float]]]) -> list[list[float]]:
    """Scores of the best trial after each epoch, by fold; kept, so that a finished search trains nothing later on."""
    kept = study.user_attrs.get(_BY_EPOCH, {})
    if kept.get("trial") != number:
        kept = {"trial": number, "scores": measured()}
        study.set_user_attr(_BY_EPOCH, kept)
    scores: list[list[float]] = kept["scores"]
    return scores


def _title(name: str, trials: Sequence[Trial]) -> str:
    found = [trial.map_at_r for trial in trials if trial.map_at_r is not None]
    return f"tuning {name}" + (f", best MAP@R {100 * max(found):.1f} %" if found else "")


def _scores(
    plan: SomePlan,
    search: Search,
    data: TrainingData,
    execute: Callable[..., Iterator[tuple[Fold, list[float]]]],
    values: Hyperparameters,
    *,
    every_epoch: bool = False,
) -> list[list[float]]:
    """Validation MAP@R of each fold after the last epoch, or after every epoch; empty if a fold failed."""
    candidate = with_values(plan, values)
    bounds = fold_bounds(data.num_training_classes, search.folds)
    count = search.folds if search.held_out is None else search.held_out
    chosen = sorted((search.number + i) % search.folds for i in range(count))
    folds = [Fold(candidate, search, bounds[i], every_epoch) for i in chosen]
    results = {fold.held_out: scores for fold, scores in execute(data, folds)}
    scores = [results[fold.held_out] for fold in folds]
    return scores if all(scores) else []
