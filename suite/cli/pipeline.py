"""The stages of ``dvc.yaml`` up to the records."""

from typing import Annotated

import typer
from rich.markup import escape

from suite.cli.shared import Dataset, Loss, Published, console
from suite.training.times import begin_work


def plan(published: Published = False) -> None:
    """Check params.yaml, data and losses, and write the plan of each cell."""
    if published:
        from suite.settings.benchmarks import load_benchmarks
        from suite.training.whole_network.planner import write_benchmark_plans

        write_benchmark_plans(load_benchmarks())
        return
    from suite.settings.params import load_settings
    from suite.training.planner import write_plans

    begin_work()
    for remark in write_plans(load_settings()):
        console.print("[yellow]note:[/] " + escape(remark))


def own() -> None:
    """Look at the files of your own that params.yaml names: convert changed images, renew own/digests.json."""
    from suite.settings.params import load_settings
    from suite.training.user_files import update_user_files

    for remark in update_user_files(load_settings()):
        console.print("[yellow]note:[/] " + escape(remark))


def features(dataset: Dataset) -> None:
    """Compute the frozen backbone's features of a data set."""
    from suite.training.features import write_features

    write_features(dataset, console)


def tune(dataset: Dataset, loss: Loss) -> None:
    """Settle a cell's hyper-parameters: those of its tuned recipe, or, where there is none, of a search."""
    from suite.training.tuning.resolve import settle

    settle(dataset, loss, console)


def train(
    dataset: Dataset,
    loss: Loss,
    noise_level: Annotated[float, typer.Argument(help="Label noise, 0 to < 1.")],
    ahead: Annotated[
        bool, typer.Option("--ahead", help="Train the other noise levels of params.yaml too, for their own stages.")
    ] = False,
) -> None:
    """Train and evaluate all seeds of one cell of the tuned track, resuming those that are done."""
    from suite.settings.grid import Cell
    from suite.settings.params import load_settings
    from suite.settings.plans import read_cell
    from suite.training.outcome import is_done
    from suite.training.stage import run_cell

    cell = Cell(dataset, loss, noise_level)
    plan, _ = read_cell(cell.plan)
    levels = load_settings().noise.levels if ahead else ()
    others = [other for level in levels if (other := Cell(dataset, loss, level)) != cell]
    run_cell(cell, plan, console, [other for other in others if not is_done(other, plan)])
