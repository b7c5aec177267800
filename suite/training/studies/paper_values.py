"""The track ``paper_values``: a loss at the values of its paper, at all noise levels and seeds, on one data set."""

from pathlib import Path

from rich.console import Console

from suite.evaluation.records import write_records
from suite.settings.paths import PAPER_VALUES, STUDY_OUTPUTS
from suite.settings.plans import plan_path, read_plan, runs_of
from suite.training.stage import run_frozen_stage
from suite.training.studies.parts import Part


def run_paper_values(dataset: str, loss: str, console: Console) -> Path:
    """Run or resume a loss at the values of its paper; writes a record for each noise level and seed.

    Returns:
        The file written.

    Raises:
        SuiteError: there is no plan for it.
    """
    runs = [run for part in paper_value_parts(dataset, loss) for run in part.runs(part.plan)]
    _, finished = run_frozen_stage(f"paper-values-{dataset}-{loss}", runs, console)
    path = STUDY_OUTPUTS / PAPER_VALUES / f"{dataset}-{loss}.jsonl"
    write_records(path, [each.record for each in finished])
    return path


def paper_value_parts(dataset: str, loss: str) -> list[Part]:
    """The runs, all of one plan.

    Raises:
        SuiteError: there is no plan for it.
    """
    plan, _ = read_plan(plan_path("paper_values", dataset, loss))
    return [Part(plan, runs_of)]
