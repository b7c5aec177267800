"""The data sets: their list, label noise, checks, conversion and making."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from suite.cli.shared import AsJson, Dataset, console, errors, note_place, show
from suite.errors import SuiteError
from suite.settings.paths import BENCHMARKS_FOLDER, FEATURES, PARAMS_FILE


def datasets(*, as_json: AsJson = False) -> None:
    """List all data sets, embedded and yours: classes, images, licences, file."""
    from suite.data.listing import list_datasets

    note_place("the embedded data sets alone are listed, and their files are looked for here")
    columns = ("name", "in params.yaml", "training classes", "test classes", "images", "about")
    show("data sets", list_datasets(), columns, as_json=as_json)


def noise(
    dataset: Dataset,
    level: Annotated[float, typer.Argument(help="Share of images, or of classes where these dissolve, 0 to < 1.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the corruption.")] = 0,
    kind: Annotated[str, typer.Option(help="Kind of noise; a wrong one lists them all.")] = "symmetric",
) -> None:
    """Print the corrupted training labels of a (data set, kind, level, seed) as CSV: row, true label, given label."""
    from suite.data.catalog import verified
    from suite.data.features import load_features
    from suite.data.noise import OF_FEATURES, check_kind, corrupt
    from suite.data.split import num_training_classes
    from suite.data.table import read_labels
    from suite.settings.params import load_settings

    check_kind(kind, "noise.kind")
    if not 0 <= level < 1:
        raise SuiteError(f"noise.levels: {level} is outside the allowed range [0, 1)")
    data, named = verified(dataset), load_settings().datasets if PARAMS_FILE.is_file() else {}
    max_classes = named[dataset].max_classes if dataset in named else None  # as runs have it
    labels = read_labels(data.path, max_classes)
    labels = labels[labels < num_training_classes(int(labels.max()) + 1)]
    features = None
    if kind in OF_FEATURES:
        path = Path(FEATURES.format(dataset=dataset))
        loaded = load_features(path)
        features = loaded.training()[0]
        if loaded.data_sha256 != data.sha256 or len(features) != len(labels):
            raise SuiteError(f"{path} is of other images of {dataset}; run: suite plan && suite features {dataset}")
    corruption = corrupt(labels, dataset, kind, level, seed, features)
    errors.print(f"realised rate {corruption.realised:.4f}, sha256 {corruption.sha256}")
    print("row,true_label,given_label")
    for row, (true, given) in enumerate(zip(labels, corruption.labels, strict=True)):
        print(f"{row},{true},{given}")


def verify() -> None:
    """Check that all embedded data files are the pinned ones."""
    from suite.data.catalog import EMBEDDED, verified

    for name in EMBEDDED:
        console.print(f"{verified(name).path}: ok")


def user(dataset: Dataset) -> None:
    """Check the images of an entry of params.yaml with a path, and convert them to user_data/NAME.parquet."""
    from suite.data.catalog import user_data_path
    from suite.data.user import renew_named
    from suite.settings.params import load_settings

    data = renew_named(load_settings(), dataset)
    console.print(f"{user_data_path(dataset)}: {data.classes} classes, {data.images} images", highlight=False)
    for remark in data.remarks:
        console.print("[yellow]note:[/] " + escape(remark), highlight=False)


def build(
    dataset: Dataset,
    output: Annotated[Path, typer.Argument(help="Parquet file to write.")],
    cache: Annotated[Path, typer.Option(help="Folder of source packages, filled where one is missing.")],
) -> None:
    """Build an embedded data set anew from its pinned source packages."""
    from importlib import import_module

    from suite.data.builders.versions import differences
    from suite.data.catalog import check_embedded

    check_embedded(dataset, "suite data build")
    builder = import_module(f"suite.data.builders.{dataset}")
    for difference in differences(builder.BUILT_WITH):
        errors.print(f"[yellow]warning:[/] {escape(difference)}; the bytes may differ")
    builder.build(output, cache)


def sheet(dataset: Dataset) -> None:
    """Print a data set's counts and its raw-pixel and frozen-backbone R@1; renew its data sheet and Croissant metadata."""
    from suite.data.catalog import check_embedded
    from suite.report.croissant import write_croissant
    from suite.report.sheets import update_sheet

    check_embedded(dataset, "suite data sheet")
    console.print(update_sheet(dataset, console), markup=False)
    write_croissant(dataset)


def add(
    dataset: Annotated[str, typer.Argument(help="cub, cars or sop.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Its archives and annotation files.")],
    folder: Annotated[Path, typer.Option(help="Where archives/ and cache/ go.")] = BENCHMARKS_FOLDER,
    short_side: Annotated[
        int, typer.Option(min=0, help="Pixels of the cached images' short side; 0: full size.")
    ] = 256,
    max_unusable: Annotated[
        int, typer.Option(min=0, help="Stop when more annotated images than this are missing or corrupt.")
    ] = 0,
    track: Annotated[bool, typer.Option(help="Put the archives under DVC.")] = True,
    editions: Annotated[
        Path | None,
        typer.Option(help="A YAML file that says what the archives must hold, in place of the built-in one."),
    ] = None,
) -> None:
    """Verify the archives of CUB-200-2011, Cars-196 or SOP and cache their images for training.

    Run it again after an interruption: it goes on where it stopped.
    """
    from suite.data.archives.add import Options
    from suite.data.archives.add import add as add_archives
    from suite.data.archives.editions import EDITIONS_FILE

    options = Options(folder, editions or EDITIONS_FILE, short_side, max_unusable, track)
    add_archives(dataset, files, options, Console(soft_wrap=True))


def add_noise(
    dataset: Annotated[str, typer.Argument(help="cub, cars or sop.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A list of PRISM: a line PATH,LABEL an image.")],
    kind: Annotated[str | None, typer.Option(help="Noise kind of the list, if its name does not say it.")] = None,
    level: Annotated[float | None, typer.Option(help="Level of the list, if its name does not say it.")] = None,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Where a label names no class, keep the true one; where it names several, let the largest survive.",
        ),
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where cache/ is, and noise_lists/ goes.")] = BENCHMARKS_FOLDER,
) -> None:
    """Check a published list of wrong labels of CUB-200-2011, Cars-196 or SOP, and keep it for the benchmarks."""
    from suite.data.archives.add_noise import Asked, remarks
    from suite.data.archives.add_noise import add_noise as add_list
    from suite.data.noise_lists import list_path

    found = add_list(dataset, file, Asked(kind, level, repair, folder))
    path, wide = list_path(found.dataset, found.kind, found.level, folder), Console(soft_wrap=True)
    wide.print(
        f"{path}: {found.realised:.4f} of {len(found.labels):,} labels are wrong, at level {found.level:g}",
        highlight=False,
    )
    for remark in remarks(found):
        wide.print(f"[yellow]note:[/] {escape(remark)}", highlight=False)
