"""Fresh seeds: tuned losses as in the grid, on the seeds that follow its own."""

from functools import partial
from pathlib import Path

from rich.console import Console

from suite.settings.paths import FRESH_SEEDS
from suite.settings.plans import Regime, Run, SomePlan, fresh_seeds
from suite.training.stage import read_tuned_plans
from suite.training.studies.parts import Part, run_parts
from suite.training.tuning.resolve import Tools


def run_fresh_seeds(dataset: str, loss: str, count: int, console: Console, tools: Tools | None = None) -> Path:
    """Run or resume a loss with its tuned values on fresh seeds; writes a record for each track, noise level and seed.

    Args:
        dataset: name of the data set.
        loss: name of the loss.
        count: number of seeds, from the first that the grid does not run.
        console: where progress is shown.
        tools: of another regime than the frozen one.

    Returns:
        The file written.

    Raises:
        SuiteError: there is no complete plan, or code is not the planned one.
    """
    parts = fresh_seed_parts(dataset, loss, count, tools.regime if tools else "frozen")
    return run_parts(f"fresh-seeds-{dataset}-{loss}", f"{FRESH_SEEDS}/{dataset}-{loss}.jsonl", parts, console, tools)


def fresh_seed_parts(dataset: str, loss: str, count: int, regime: Regime = "frozen") -> list[Part]:
    """The runs of each track and search.

    Raises:
        SuiteError: there is no complete plan.
    """
    return [Part(plan, partial(_runs, count)) for plan, _ in read_tuned_plans(dataset, loss, regime)]


def _runs(count: int, plan: SomePlan) -> list[Run[SomePlan]]:
    return [Run(plan, level, seed) for level in plan.noise_levels for seed in fresh_seeds(plan, count)]
