"""Files of records, cell by cell: a cell is a loss on a data set, at all levels and seeds.

Runs take from minutes to hours, and the folder that they lie in is not in git. So the records of a finished cell are kept in
git, at ``results/runs/DATASET-LOSS/records.jsonl`` and, where the network learns, ``results/finetuned/runs/``. Where this
checkout has no runs of a cell, those in git are read: anyone may judge them again without computing them.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from suite.errors import SuiteError, allowed
from suite.evaluation.records import Record, read_records
from suite.settings.params import Settings
from suite.settings.paths import RECORDS_NAME, RESULTS_OF, RUNS_FOLDER
from suite.settings.plans import PLANS, Regime, folder_of


def record_files(settings: Settings) -> list[Path]:
    """Record files of the grid, one for each data set and loss; of a cell that is not finished, where it will lie."""
    return [
        cell_file(dataset, loss, "frozen") or RUNS_FOLDER / f"{dataset}-{loss}" / RECORDS_NAME
        for dataset in settings.datasets
        for loss in settings.losses
    ]


def cells_to_keep() -> dict[Path, Path]:
    """Record files of finished cells, each with its place in git."""
    return {
        path: RESULTS_OF[regime] / path.relative_to(folder_of(regime))
        for regime in PLANS
        for path in sorted((folder_of(regime) / RUNS_FOLDER).glob(f"*/{RECORDS_NAME}"))
    }


def cell_files(names: Iterable[str], regime: Regime, root: Path = Path()) -> list[Path]:
    """The record files of finished cells: those of their runs, else those in git.

    Args:
        names: of cells, ``DATASET-LOSS``; patterns may stand for several.
        regime: of the cells.
        root: folder that holds ``results`` and the folder of the regime.
    """
    found = {
        path.parent.name: path
        for name in names
        for folder in (RESULTS_OF[regime], folder_of(regime))
        for path in sorted((root / folder / RUNS_FOLDER).glob(f"{name}/{RECORDS_NAME}"))
    }
    return [*found.values()]


def note_on_kept(settings: Settings, regime: Regime) -> str | None:
    """A line on the cells of the grid whose records in git are read; None where there is none."""
    names = [path.parent.name for path in record_files(settings)]
    kept = [path for path in cell_files(names, regime) if path.is_relative_to(RESULTS_OF[regime])]
    if not kept:
        return None
    where = RESULTS_OF[regime] / RUNS_FOLDER
    return f"{len(kept)} of {len(names)} cells are read from {where}: this checkout has no runs of them"


def note_on_views(dataset: str, sha256: str) -> str | None:
    """A line on views of a data set that are not those of the grid's runs; None where they are, or where there are no runs.

    Args:
        dataset: its name.
        sha256: digest of the views.
    """
    of_grid = (read_records([path])[0] for path in cell_files([f"{dataset}-*"], "finetuned"))
    first = next((record for record in of_grid if record.dataset == dataset), None)
    theirs = first.views_sha256 if first else None
    if first is None or theirs is None or theirs == sha256:
        return None
    return (
        f"these views of {dataset} have the digest {sha256[:8]}, those of the grid's runs {theirs[:8]} ({first.file}): "
        "board and claims leave out runs on them, as long as the grid is not run on them, too; why they can differ, and "
        "what helps: docs/finetuning.md, What it costs"
    )


def cell_file(dataset: str, loss: str, regime: Regime) -> Path | None:
    """The record file of a cell; None where it is not finished."""
    return next(iter(cell_files([f"{dataset}-{loss}"], regime)), None)


def whole_datasets(datasets: Iterable[str], losses: Sequence[str]) -> tuple[dict[str, list[Path]], list[str]]:
    """Where the network learns: record files of each data set all of whose cells are finished, a line on each other one."""
    whole: dict[str, list[Path]] = {}
    notes = []
    for dataset in datasets:
        files = {loss: cell_file(dataset, loss, "finetuned") for loss in losses}
        missing = [loss for loss, path in files.items() if path is None]
        if missing:
            notes.append(f"{dataset} is left out: there are no runs yet of {allowed(missing)}.")
        else:
            whole[dataset] = [path for path in files.values() if path is not None]
    return whole, notes


def check_cells(records: Iterable[Record], seeds: int, levels: Sequence[float], settings_file: Path) -> None:
    """Check that cells belong together: the same views on a data set, and all levels and seeds that the settings ask for.

    Args:
        records: of the cells.
        seeds: number of seeds.
        levels: levels of label noise.
        settings_file: where both are set.

    Raises:
        SuiteError: they do not.
    """
    check_views(records := list(records))
    cells: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        cells.setdefault((record.dataset, record.loss), []).append(record)
    for mine in cells.values():
        runs = {(record.noise_level, record.seed) for record in mine if record.track == "tuned"}
        lacking = [(level, seed) for level in levels for seed in range(seeds) if (level, seed) not in runs]
        if lacking:
            level, seed = lacking[0]
            raise SuiteError(
                f"{mine[0].file} lacks {len(lacking)} runs that {settings_file} asks for, noise {level:g} seed {seed} among "
                f"them; {_again(mine[0])}"
            )


def check_views(records: Iterable[Record]) -> None:
    """Check that runs of cells on a data set learned from the same views.

    Raises:
        SuiteError: they did not.
    """
    first: dict[str, Record] = {}
    for record in records:
        other = first.setdefault(record.dataset, record)
        if record.views_sha256 != other.views_sha256:
            raise SuiteError(
                f"views_sha256 of {record.where} differs from that of {other.where}: other views; {_again(record)}"
            )


def _again(record: Record) -> str:
    regime = "" if record.regime == "frozen" else f" --regime {record.regime}"
    return f"run: suite train {record.dataset} {record.loss}{regime}"
