"""The track ``paper_values``: a loss at the values of its paper, at all noise levels and seeds, on one data set."""

from pathlib import Path

from rich.console import Console

from suite.settings.paths import PAPER_VALUES
from suite.settings.plans import plan_path, read_plan, runs_of
from suite.training.studies.parts import Part, run_parts


def run_paper_values(dataset: str, loss: str, console: Console) -> Path:
    """Run or resume a loss at the values of its paper; writes a record for each noise level and seed.

    Returns:
        The file written.

    Raises:
        SuiteError: there is no plan for it.
    """
    parts = paper_value_parts(dataset, loss)
    return run_parts(f"paper-values-{dataset}-{loss}", f"{PAPER_VALUES}/{dataset}-{loss}.jsonl", parts, console)


def paper_value_parts(dataset: str, loss: str) -> list[Part]:
    """The runs, all of one plan.

    Raises:
        SuiteError: there is no plan for it.
    """
    plan, _ = read_plan(plan_path("paper_values", dataset, loss))
    return [Part(plan, runs_of)]
