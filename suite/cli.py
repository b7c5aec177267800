"""The command line: ``suite COMMAND``. The stages of ``dvc.yaml`` are the same commands.

Imports stand inside the commands, so that each loads what it needs only: loading torch takes longer than some stages run.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from suite.commands.site import site
from suite.errors import SuiteError, as_markup

app = typer.Typer(help=__doc__.split("\n")[0], no_args_is_help=True, pretty_exceptions_enable=False)
data_app = typer.Typer(help="The embedded data sets.", no_args_is_help=True)
app.add_typer(data_app, name="data")

console = Console(soft_wrap=True)
errors = Console(stderr=True, soft_wrap=True)

Dataset = Annotated[str, typer.Argument(help="Name of a data set, e.g. emoji.")]
Loss = Annotated[str, typer.Argument(help="Name of a loss in params.yaml.")]


@app.command()
def plan() -> None:
    """Check params.yaml, data and losses, and write the plan of each cell."""
    from suite.config.plan import write_plans
    from suite.config.settings import load_settings

    for remark in write_plans(load_settings()):
        console.print("[yellow]note:[/] " + escape(remark))


@app.command()
def features(dataset: Dataset) -> None:
    """Compute the frozen backbone's features of a data set."""
    from suite.features.extract import write_features

    write_features(dataset, console)


@app.command()
def train(
    dataset: Dataset, loss: Loss, noise_level: Annotated[float, typer.Argument(help="Label noise, 0 to < 1.")]
) -> None:
    """Train and evaluate all seeds of one cell, resuming those that are done."""
    from suite.config.grid import Cell
    from suite.config.settings import load_settings
    from suite.training.cell import run_cell

    settings = load_settings()
    run_cell(Cell(dataset, loss, noise_level), settings.noise.kind, settings.seeds, console)


@app.command()
def leaderboard() -> None:
    """Compute results/leaderboard.{csv,json,md} and the noise figure from the records."""
    from suite.config.settings import load_settings
    from suite.leaderboard.write import RESULTS_FOLDER, write_leaderboard

    write_leaderboard(load_settings())
    console.print((RESULTS_FOLDER / "leaderboard.md").read_text(encoding="utf-8"), markup=False)


@app.command()
def times() -> None:
    """Collect the seconds of all runs in results/times.csv."""
    from suite.config.settings import load_settings
    from suite.leaderboard.write import write_times

    write_times(load_settings())


@app.command(context_settings={"ignore_unknown_options": True})
def measure(command: Annotated[list[str], typer.Argument(help="A command, e.g. dvc repro.")]) -> None:
    """Run a command that fills results/times.csv and print its time, peak memory and share of start-up."""
    import pandas as pd

    from suite.leaderboard.write import TIMES_FILE
    from suite.timing import measure, report

    measured = measure(command)
    console.print(report(measured, pd.read_csv(TIMES_FILE)), highlight=False)
    raise typer.Exit(measured.exit_code)


@app.command()
def readme() -> None:
    """Put the tables of results/leaderboard.md into README.md."""
    from suite.leaderboard.readme import update_readme
    from suite.leaderboard.write import RESULTS_FOLDER

    update_readme(Path("README.md"), RESULTS_FOLDER / "leaderboard.md")


@app.command()
def figures() -> None:
    """Write docs/figures: each loss's influence by distance, and a class field in the plane; print their numbers."""
    from suite.config.settings import load_settings
    from suite.figures.write import write_figures

    console.print(write_figures(load_settings(), errors), markup=False, highlight=False)


@app.command()
def tune(dataset: Dataset, loss: Loss) -> None:
    """Search a loss's hyper-parameters on held-out training classes and write its tuned recipe."""
    from suite.config.settings import load_settings
    from suite.tuning.search import tune_loss

    path = tune_loss(load_settings(), dataset, loss, console)
    console.print(f"wrote {path}")


@app.command()
def noise(
    dataset: Dataset,
    level: Annotated[float, typer.Argument(help="Share of images (symmetric) or classes (small_cluster), 0 to < 1.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the corruption.")] = 0,
    kind: Annotated[str, typer.Option(help="symmetric or small_cluster.")] = "symmetric",
) -> None:
    """Print the corrupted training labels of a (data set, kind, level, seed) as CSV: row, true label, given label."""
    from suite.datasets.catalog import verified
    from suite.datasets.noise import corrupt
    from suite.datasets.table import num_training_classes, read_table

    table = read_table(verified(dataset).path)
    labels = table.labels[table.labels < num_training_classes(table.num_classes)]
    corruption = corrupt(labels, dataset, kind, level, seed)
    errors.print(f"realised rate {corruption.realised:.4f}, sha256 {corruption.sha256}")
    print("row,true_label,given_label")
    for row, (true, given) in enumerate(zip(labels, corruption.labels, strict=True)):
        print(f"{row},{true},{given}")


@data_app.command("verify")
def data_verify() -> None:
    """Check that all data files are the pinned ones."""
    from suite.datasets.catalog import SHA256, verified

    for name in SHA256:
        console.print(f"{verified(name).path}: ok")


@data_app.command("build")
def data_build(
    dataset: Dataset,
    output: Annotated[Path, typer.Argument(help="Parquet file to write.")],
    cache: Annotated[Path, typer.Option(help="Folder of source packages, filled where one is missing.")],
) -> None:
    """Build a data set anew from its pinned source packages."""
    from importlib import import_module

    from suite.builders.versions import differences
    from suite.datasets.catalog import check_name

    check_name(dataset, "suite data build")
    builder = import_module(f"suite.builders.{dataset}")
    for difference in differences(builder.BUILT_WITH):
        errors.print(f"[yellow]warning:[/] {escape(difference)}; the bytes may differ")
    builder.build(output, cache)


@data_app.command("sheet")
def data_sheet(dataset: Dataset) -> None:
    """Print a data set's counts and its raw-pixel and frozen-backbone R@1, and put them into its data sheet."""
    from suite.datasets.sheet import update_sheet

    console.print(update_sheet(dataset, console), markup=False)


app.command("site")(site)


def main() -> None:
    """Run a command; an error meant for the user is one line on stderr and exit status 2."""
    try:
        app()
    except SuiteError as error:
        errors.print(f"[bold red]error:[/] {as_markup(error)}", highlight=False)
        sys.exit(2)
