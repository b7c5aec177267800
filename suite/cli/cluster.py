"""Runs on many machines."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from suite.cli.shared import console, errors
from suite.errors import SuiteError


class Accelerator(StrEnum):
    """What trains whole networks."""

    gpu = "gpu"
    cpu = "cpu"


def grid(
    regime: Annotated[
        Literal["frozen", "finetuned", "published"], typer.Option("--regime", help="What learns.")
    ] = "frozen",
    dataset: Annotated[list[str] | None, typer.Option("--dataset", help="Only this data set; may be repeated.")] = None,
    loss: Annotated[list[str] | None, typer.Option("--loss", help="Only this loss; may be repeated.")] = None,
    study: Annotated[
        list[str] | None,
        typer.Option(
            "--study",
            help="A study in place of the grid, by the name of its command, e.g. ablation; may be repeated.",
        ),
    ] = None,
    scheduler_file: Annotated[
        Path | None, typer.Option("--scheduler-file", help="What dask scheduler --scheduler-file wrote.")
    ] = None,
    address: Annotated[str | None, typer.Option("--address", help="Of a scheduler, e.g. tcp://node7:8786.")] = None,
    local: Annotated[int | None, typer.Option("--local", min=1, help="Workers on this machine.")] = None,
    allow_versions: Annotated[
        bool, typer.Option("--allow-versions", help="Take workers that differ; every record then says so.")
    ] = False,
    patience: Annotated[float, typer.Option("--patience", min=0, help="Seconds to wait for workers.")] = 60.0,
    accelerator: Annotated[
        Accelerator, typer.Option("--accelerator", help="What trains whole networks; gpu: a GPU a run.")
    ] = Accelerator.gpu,
) -> None:
    """Compute all missing runs on a Dask cluster, searches included; then run: dvc repro."""
    try:
        from suite.training.cluster.connection import Where
        from suite.training.cluster.grid import run_grid
        from suite.training.cluster.selection import Selection
    except ModuleNotFoundError as error:
        if error.name not in ("dask", "distributed"):
            raise
        raise SuiteError(f"suite grid needs Dask ({error}); install it with: pip install -e '.[cluster]'") from error
    names = tuple(dataset or ()), tuple(loss or ()), tuple(study or ())
    selection = Selection(regime, *names, allow_versions, accelerator.value)
    failures = run_grid(selection, Where(scheduler_file, address, local, patience), console)
    for failure in failures:
        errors.print(f"failed: {failure}", markup=False, highlight=False)
    if failures:
        raise typer.Exit(1)
