"""The published track: a loss at the values of its paper, at all noise levels and seeds, on one data set."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from suite.settings.plans import published_plan_path, read_cell
from suite.files import write_lines
from suite.settings.folders import PUBLISHED_FOLDER
from suite.training.runs import run_all
from suite.training.cache import forget
from suite.training.outcome import Run


def run_published(dataset: str, loss: str, levels: Sequence[float], console: Console) -> Path:
    """Run or resume the published track of a loss; writes a record for each noise level and seed.

    Returns:
        The file written.

    Raises:
        SuiteError: there is no plan for it.
    """
    plan, _ = read_cell(published_plan_path(dataset, loss))
    name = f"published-{dataset}-{loss}"
    runs = [Run(plan, level, seed) for level in levels for seed in range(plan.seeds)]
    path = PUBLISHED_FOLDER / f"{dataset}-{loss}.jsonl"
    write_lines(path, [outcome.record for outcome in run_all(name, runs, console)])
    forget(name)
    return path
