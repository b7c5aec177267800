"""Fresh seeds: tuned losses as in the grid, on the seeds that follow its own."""

from functools import partial
from pathlib import Path

from rich.console import Console

from suite.evaluation.records import write_records
from suite.settings.paths import FRESH_SEEDS, STUDY_OUTPUTS
from suite.settings.plans import Run, SomePlan, fresh_seeds, read_plan_file, tuned_plan_path
from suite.training.stage import run_frozen_stage
from suite.training.studies.parts import Part


def run_fresh_seeds(dataset: str, loss: str, count: int, console: Console) -> Path:
    """Run or resume a loss with its tuned values on fresh seeds; writes a record for each track, noise level and seed.

    Args:
        dataset: name of the data set.
        loss: name of the loss.
        count: number of seeds, from the first that the grid does not run.
        console: where progress is shown.

    Returns:
        The file written.

    Raises:
        SuiteError: there is no complete plan, or code is not the planned one.
    """
    runs = [run for part in fresh_seed_parts(dataset, loss, count) for run in part.runs(part.plan)]
    _, finished = run_frozen_stage(f"fresh-seeds-{dataset}-{loss}", runs, console)
    path = STUDY_OUTPUTS / FRESH_SEEDS / f"{dataset}-{loss}.jsonl"
    write_records(path, [each.record for each in finished])
    return path


def fresh_seed_parts(dataset: str, loss: str, count: int) -> list[Part]:
    """The runs of each track and search.

    Raises:
        SuiteError: there is no complete plan.
    """
    return [Part(plan, partial(_runs, count)) for plan, _ in read_plan_file(tuned_plan_path(dataset, loss))]


def _runs(count: int, plan: SomePlan) -> list[Run[SomePlan]]:
    return [Run(plan, level, seed) for level in plan.noise_levels for seed in fresh_seeds(plan, count)]
