"""Runs on many machines."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from suite.cli.shared import console, errors


def grid(
    regime: Annotated[
        Literal["frozen", "finetuned", "published"], typer.Option("--regime", help="What learns.")
    ] = "frozen",
    dataset: Annotated[list[str] | None, typer.Option("--dataset", help="Only this data set; may be repeated.")] = None,
    loss: Annotated[list[str] | None, typer.Option("--loss", help="Only this loss; may be repeated.")] = None,
    scheduler_file: Annotated[
        Path | None, typer.Option("--scheduler-file", help="What dask scheduler --scheduler-file wrote.")
    ] = None,
    address: Annotated[str | None, typer.Option("--address", help="Of a scheduler, e.g. tcp://node7:8786.")] = None,
    local: Annotated[int | None, typer.Option("--local", min=1, help="Workers on this machine.")] = None,
    allow_versions: Annotated[
        bool, typer.Option("--allow-versions", help="Take workers that differ; every record then says so.")
    ] = False,
    patience: Annotated[float, typer.Option("--patience", min=0, help="Seconds to wait for workers.")] = 60.0,
) -> None:
    """Compute all missing runs on a Dask cluster, searches included; then run: dvc repro."""
    from suite.settings.params import load_settings
    from suite.training.cluster.connection import Where
    from suite.training.cluster.grid import Selection, run_grid

    selection = Selection(regime, tuple(dataset or ()), tuple(loss or ()), allow_versions)
    where = Where(scheduler_file, address, local, patience)
    failures = run_grid(load_settings(), selection, where, console)
    for failure in failures:
        errors.print(f"failed: {failure}", markup=False, highlight=False)
    if failures:
        raise typer.Exit(1)
