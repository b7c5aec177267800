"""From records to results."""

from pathlib import Path
from typing import Annotated

import typer

from suite.commands.shared import console, errors


def leaderboard() -> None:
    """Compute results/leaderboard.{csv,json,md} and the noise figure from the records."""
    from suite.config.settings import load_settings
    from suite.leaderboard.write import RESULTS_FOLDER, write_leaderboard

    write_leaderboard(load_settings())
    console.print((RESULTS_FOLDER / "leaderboard.md").read_text(encoding="utf-8"), markup=False)


def times() -> None:
    """Collect the seconds of all runs in results/times.csv."""
    from suite.config.settings import load_settings
    from suite.leaderboard.write import write_times

    write_times(load_settings())


def measure(command: Annotated[list[str], typer.Argument(help="A command, e.g. dvc repro.")]) -> None:
    """Run a command that fills results/times.csv and print its time, peak memory and share of start-up."""
    import pandas as pd

    from suite.leaderboard.write import TIMES_FILE
    from suite.timing import measure, report

    measured = measure(command)
    console.print(report(measured, pd.read_csv(TIMES_FILE)), highlight=False)
    raise typer.Exit(measured.exit_code)


def readme() -> None:
    """Put the tables of results/leaderboard.md into README.md."""
    from suite.leaderboard.readme import update_readme
    from suite.leaderboard.write import RESULTS_FOLDER

    update_readme(Path("README.md"), RESULTS_FOLDER / "leaderboard.md")


def figures() -> None:
    """Write docs/figures: each loss's influence by distance, and a class field in the plane; print their numbers."""
    from suite.config.settings import load_settings
    from suite.figures.write import write_figures

    console.print(write_figures(load_settings(), errors), markup=False, highlight=False)
