"""The embedded data sets and their label noise."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from suite.cli.shared import Dataset, console, errors


def noise(
    dataset: Dataset,
    level: Annotated[float, typer.Argument(help="Share of images (symmetric) or classes (small_cluster), 0 to < 1.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the corruption.")] = 0,
    kind: Annotated[str, typer.Option(help="symmetric or small_cluster.")] = "symmetric",
) -> None:
    """Print the corrupted training labels of a (data set, kind, level, seed) as CSV: row, true label, given label."""
    from suite.data.catalog import verified
    from suite.data.noise import corrupt
    from suite.data.split import num_training_classes
    from suite.data.table import read_table

    table = read_table(verified(dataset).path)
    labels = table.labels[table.labels < num_training_classes(table.num_classes)]
    corruption = corrupt(labels, dataset, kind, level, seed)
    errors.print(f"realised rate {corruption.realised:.4f}, sha256 {corruption.sha256}")
    print("row,true_label,given_label")
    for row, (true, given) in enumerate(zip(labels, corruption.labels, strict=True)):
        print(f"{row},{true},{given}")


def verify() -> None:
    """Check that all data files are the pinned ones."""
    from suite.data.catalog import SHA256, verified

    for name in SHA256:
        console.print(f"{verified(name).path}: ok")


def own(dataset: Dataset) -> None:
    """Check the images of an entry of params.yaml with a path, and convert them to user_data/NAME.parquet."""
    from suite.data.user import renew_named
    from suite.settings.params import load_settings

    data = renew_named(load_settings(), dataset)
    console.print(f"user_data/{dataset}.parquet: {data.classes} classes, {data.images} images", highlight=False)
    for remark in data.remarks:
        console.print("[yellow]note:[/] " + escape(remark), highlight=False)


def build(
    dataset: Dataset,
    output: Annotated[Path, typer.Argument(help="Parquet file to write.")],
    cache: Annotated[Path, typer.Option(help="Folder of source packages, filled where one is missing.")],
) -> None:
    """Build a data set anew from its pinned source packages."""
    from importlib import import_module

    from suite.data.builders.versions import differences
    from suite.data.catalog import check_name

    check_name(dataset, "suite data build")
    builder = import_module(f"suite.data.builders.{dataset}")
    for difference in differences(builder.BUILT_WITH):
        errors.print(f"[yellow]warning:[/] {escape(difference)}; the bytes may differ")
    builder.build(output, cache)


def sheet(dataset: Dataset) -> None:
    """Print a data set's counts and its raw-pixel and frozen-backbone R@1, and put them into its data sheet."""
    from suite.report.data_sheet import update_sheet

    console.print(update_sheet(dataset, console), markup=False)
