"""From records to results."""

from typing import Annotated

import typer

from suite.cli.shared import Published, console, errors
from suite.training.times import begin_work


def leaderboard(published: Published = False) -> None:
    """Compute results/leaderboard.{csv,json,md} and the noise figure from the records."""
    from suite.report.leaderboard.write import (
        BENCHMARK_RESULTS,
        RESULTS_FOLDER,
        write_benchmark_leaderboard,
        write_leaderboard,
    )
    from suite.settings.benchmarks import load_benchmarks
    from suite.settings.params import load_settings

    begin_work()
    folder = BENCHMARK_RESULTS if published else RESULTS_FOLDER
    if published:
        write_benchmark_leaderboard(load_benchmarks())
    else:
        write_leaderboard(load_settings())
    console.print((folder / "leaderboard.md").read_text(encoding="utf-8"), markup=False)


def times(published: Published = False) -> None:
    """Collect the seconds of all runs in results/times.csv."""
    from suite.report.leaderboard.write import write_benchmark_times, write_times
    from suite.settings.benchmarks import load_benchmarks
    from suite.settings.params import load_settings

    if published:
        write_benchmark_times(load_benchmarks())
    else:
        write_times(load_settings())


def measure(command: Annotated[list[str], typer.Argument(help="A command, e.g. dvc repro.")]) -> None:
    """Run a command and print its time, its peak memory, and what start-up and DVC took of it."""
    from suite.training.times import measure, report

    measured = measure(command)
    console.print(report(measured), highlight=False)
    raise typer.Exit(measured.exit_code)


def readme() -> None:
    """Put the tables of results/leaderboard.md and the verdicts of results/claims.json into README.md."""
    from suite.report.leaderboard.write import RESULTS_FOLDER
    from suite.report.readme import update_readme

    update_readme(RESULTS_FOLDER)


def figures() -> None:
    """Write docs/figures: each loss's influence by distance, and a class field in the plane; print their numbers."""
    from suite.report.figures.write import write_figures
    from suite.settings.params import load_settings

    console.print(write_figures(load_settings(), errors), markup=False, highlight=False)
