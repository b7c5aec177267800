"""One stage of the grid: a list of runs on one data set, resumable run by run.

Each finished run is kept in ``partial/`` under a key that covers everything it depends on: plan, features, noise, code and
versions. A stage that was killed takes up the runs whose key still fits; one that ends deletes them, so that a later,
deliberate rerun computes afresh. The outputs are written at the end, in the order of runs, and so have the same bytes
however often the stage was interrupted and whatever the number of processes.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from suite.config.cells import CellPlan, Plan
from suite.config.grid import CURVES_NAME, EMBEDDINGS_NAME, RECORDS_NAME, runs_folder
from suite.errors import SuiteError
from suite.features.store import Features, features_path, load_features
from suite.files import replacing, write_json, write_lines
from suite.hashing import sha256_file, sha256_source, sha256_value
from suite.live import RunsView
from suite.losses.registry import load_target, preload
from suite.parallel import Message, in_parallel, report
from suite.timing import StageClock
from suite.training.run import Outcome, Run, config_sha256, run_one, versions

PARTIAL_FOLDER = Path("partial")

Function = Callable[[Run[CellPlan], Features, Callable[[int], None]], Outcome]
"""What a stage does with a run, as ``run_one`` does; a function of a module, which worker processes find by its name."""
Execute = Callable[[Sequence[int], Callable[[Message], None]], Iterator[tuple[int, Outcome]]]
"""Runs those of these numbers; gives number and outcome as they finish, and (number, finished epochs) as messages."""

_CODE = Path(__file__).parents[1]


def run_cell(name: str, plan: CellPlan, levels: Sequence[float], console: Console) -> None:
    """Run or resume all seeds of a plan at these noise levels; writes ``runs/NAME`` and ``times/NAME.json``.

    The first seed's embeddings of the test classes are kept for the tuned track.

    Raises:
        SuiteError: features are missing, or the loss's code is not the planned one.
    """
    clock = StageClock()
    first = PARTIAL_FOLDER / name / EMBEDDINGS_NAME if plan.track == "tuned" else None
    runs = [
        Run(plan, level, seed, first if (seed, level) == (0, levels[0]) else None)
        for level in levels
        for seed in range(plan.seeds)
    ]
    write_outputs(name, runs, run_all(name, runs, console), clock)


def write_outputs(
    name: str, runs: Sequence[Run[Plan[Any]]], outcomes: Sequence[Outcome], clock: StageClock, root: Path = Path()
) -> None:
    """Write what a stage leaves below ``root``; forget what was kept for resuming it.

    That is ``runs/NAME`` with records, curves and, where a run kept them, embeddings; and ``times/NAME.json``.
    """
    folder = runs_folder(name, root)
    curves = [
        {"noise_level": run.noise_level, "seed": run.seed, "epoch": epoch, "loss": value}
        for run, outcome in zip(runs, outcomes, strict=True)
        for epoch, value in enumerate(outcome.curve, 1)
    ]
    shutil.rmtree(folder, ignore_errors=True)
    write_lines(folder / CURVES_NAME, curves)
    write_lines(folder / RECORDS_NAME, [outcome.record for outcome in outcomes])
    for kept in [run.embeddings for run in runs if run.embeddings is not None]:
        with replacing(folder / EMBEDDINGS_NAME) as temporary:
            shutil.copyfile(kept, temporary)
    clock.write(name, {run.name: outcome.seconds for run, outcome in zip(runs, outcomes, strict=True)}, root)
    forget(name)


def run_all(name: str, runs: Sequence[Run[CellPlan]], console: Console, function: Function = run_one) -> list[Outcome]:
    """Run these runs of one data set in parallel processes, or take up what an interrupted stage of that name left.

    Call ``forget`` once the outputs are written.

    Args:
        name: of the stage.
        runs: what to run.
        console: where progress is shown.
        function: called with a run, the features of its data set, and what takes the number of finished epochs.

    Returns:
        Outcomes in the order of runs.

    Raises:
        SuiteError: features are missing, or a loss's code is not the planned one.
    """
    (dataset,) = {run.plan.dataset for run in runs}
    path = features_path(dataset)
    features = load_features(path)
    for plan in {id(run.plan): run.plan for run in runs}.values():
        check_code(plan)

    def execute(waiting: Sequence[int], on_message: Callable[[Message], None]) -> Iterator[tuple[int, Outcome]]:
        return in_parallel(_run, (features, runs, function), waiting, on_message)

    keys = run_keys(runs, sha256_file(path), versions())
    return resume_all(name, runs, keys, [run.plan.recipe.epochs for run in runs], execute, console)


def run_keys(runs: Sequence[Run[Plan[Any]]], data: str, with_versions: dict[str, str]) -> list[str]:
    """A key for each run that covers all it depends on: its settings, data (by digest), all code, versions."""
    shared = [data, sha256_source(_CODE), with_versions]
    return [sha256_value([*shared, config_sha256(run)]) for run in runs]


def resume_all(
    name: str,
    runs: Sequence[Run[Plan[Any]]],
    keys: Sequence[str],
    epochs: Sequence[int],
    execute: Execute,
    console: Console,
) -> list[Outcome]:
    """Take up what an interrupted stage of that name left, and run the rest.

    Args:
        name: of the stage.
        runs: all runs of the stage.
        keys: what each of them depends on.
        epochs: how many each of them has.
        execute: runs some of them.
        console: where progress is shown.

    Returns:
        Outcomes in the order of runs.
    """
    outcomes = finished(name, runs, keys)
    waiting = [number for number in range(len(runs)) if number not in outcomes]
    with RunsView(name, runs, epochs, outcomes, console) as view:
        for number, outcome in execute(waiting, view.on_epoch):
            outcomes[number] = outcome
            write_json(PARTIAL_FOLDER / name / f"run-{number}.json", {"key": keys[number]} | asdict(outcome))
            view.finish(number, outcome)
    return [outcomes[number] for number in range(len(runs))]


def finished(name: str, runs: Sequence[Run[Plan[Any]]], keys: Sequence[str]) -> dict[int, Outcome]:
    """Outcomes that an interrupted stage of that name left, by the number of the run."""
    folder = PARTIAL_FOLDER / name
    return {
        number: found
        for number, (run, key) in enumerate(zip(runs, keys, strict=True))
        if (found := _resume(folder, number, run, key))
    }


def forget(name: str) -> None:
    """Delete what was kept for resuming a stage."""
    shutil.rmtree(PARTIAL_FOLDER / name, ignore_errors=True)


def check_code(plan: Plan[Any]) -> None:
    """Check that a loss's code is the planned one, and load what its constructor imports.

    Raises:
        SuiteError: it is not.
    """
    entry = load_target(plan.loss, plan.target)
    if entry.source_sha256 != plan.source_sha256:
        raise SuiteError(
            f"loss {plan.loss}: its code ({plan.target}) has changed since the plan was made; run: suite plan"
        )
    preload(entry, plan.hyperparameters)


def _run(shared: tuple[Features, Sequence[Run[CellPlan]], Function], number: int) -> Outcome:
    features, runs, function = shared
    return function(runs[number], features, lambda epoch: report(number, epoch))


def _resume(folder: Path, number: int, run: Run[Plan[Any]], key: str) -> Outcome | None:
    path = folder / f"run-{number}.json"
    if not path.is_file() or (run.embeddings is not None and not run.embeddings.is_file()):
        return None
    try:
        kept = json.loads(path.read_text())
    except json.JSONDecodeError:
        return None
    return Outcome(kept["record"], kept["curve"], kept["seconds"]) if kept["key"] == key else None
