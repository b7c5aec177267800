"""Runs on features, in parallel processes, resumable run by run: what train stages and studies execute."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import Console

from suite.settings.plans import CellPlan, Plan
from suite.errors import SuiteError
from suite.settings.feature_paths import features_path
from suite.data.features import Features, load_features
from suite.hashing import sha256_file
from suite.losses.registry import load_target, preload
from suite.training.executors import Message, in_parallel, report
from suite.training.cache import Slot, resume_all, slots_of
from suite.training.outcome import Outcome, Run, versions
from suite.training.run import run_one

Function = Callable[[Run[CellPlan], Features, Callable[[int], None]], Outcome]
"""What a stage does with a run, as ``run_one`` does; a function of a module, which worker processes find by its name."""


def run_all(stage: str, runs: Sequence[Run[CellPlan]], console: Console, function: Function = run_one) -> list[Outcome]:
    """Run these runs of one data set in parallel processes, or take up what an interrupted stage of that name left.

    Call ``forget`` once the outputs are written.

    Args:
        stage: its name.
        runs: what to run.
        console: where progress is shown.
        function: called with a run, the features of its data set, and what takes the number of finished epochs.

    Returns:
        Outcomes in the order of runs.

    Raises:
        SuiteError: features are missing, or a loss's code is not the planned one.
    """
    (dataset,) = {run.plan.dataset for run in runs}
    features = load_features(features_path(dataset))
    data = sha256_file(features_path(dataset))
    slots = slots_of(stage, runs, data, versions(), [run.plan.recipe.epochs for run in runs])
    return run_slots(slots, features, console, function)


def run_slots(
    slots: Sequence[Slot[CellPlan]],
    features: Features,
    console: Console,
    function: Function = run_one,
    ahead: Sequence[Slot[CellPlan]] = (),
) -> list[Outcome]:
    """Run what is not kept already, of a stage and then of later ones.

    Args:
        slots: the runs of the stage.
        features: of their data set.
        console: where progress is shown.
        function: as in ``run_all``.
        ahead: runs of later stages that are not kept yet. One that raises is left to its own stage, which will say why.

    Returns:
        Outcomes of the stage's own runs, in their order.

    Raises:
        SuiteError: a loss's code is not the planned one.
    """
    runs = [slot.run for slot in (*slots, *ahead)]
    for plan in {id(run.plan): run.plan for run in runs}.values():
        check_code(plan)

    def execute(waiting: Sequence[int], on_message: Callable[[Message], None]) -> Iterator[tuple[int, Outcome]]:
        shared = features, runs, function, len(slots)
        for place, outcome in in_parallel(_run, shared, waiting, on_message):
            if outcome is not None:
                yield place, outcome

    return resume_all(slots, execute, console, ahead)


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


def _run(shared: tuple[Features, Sequence[Run[CellPlan]], Function, int], place: int) -> Outcome | None:
    features, runs, function, own = shared
    try:
        return function(runs[place], features, lambda epoch: report(place, epoch))
    except Exception:
        if place < own:
            raise
        return None
