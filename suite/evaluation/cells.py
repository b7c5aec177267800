"""Files of records, cell by cell: a cell is a loss on a data set, at all levels and seeds.

Runs in which the network learns take hours, and the folder that they lie in is not in git. So such a cell is kept in git
as soon as it is finished, at ``results/finetuned/runs/DATASET-LOSS/records.jsonl``. Where this checkout has no runs of a
cell, those in git are read.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from suite.errors import SuiteError, allowed
from suite.evaluation.records import Record
from suite.settings.params import Settings
from suite.settings.paths import FINETUNED_RESULTS, FOLDERS, RECORDS_NAME, RUNS_FOLDER

_COMPUTED, _KEPT = FOLDERS["finetuned"] / RUNS_FOLDER, FINETUNED_RESULTS / RUNS_FOLDER


def record_files(settings: Settings) -> list[Path]:
    """Record files of ``dvc repro``: one for each data set and loss."""
    return [
        RUNS_FOLDER / f"{dataset}-{loss}" / RECORDS_NAME for dataset in settings.datasets for loss in settings.losses
    ]


def cells_to_keep() -> dict[Path, Path]:
    """Record files of finished cells, each with its place in git."""
    return {path: _KEPT / path.relative_to(_COMPUTED) for path in sorted(_COMPUTED.glob(f"*/{RECORDS_NAME}"))}


def cell_files(names: Iterable[str], root: Path = Path()) -> list[Path]:
    """The record files of finished cells: those of their runs, else those in git.

    Args:
        names: of cells, ``DATASET-LOSS``; patterns may stand for several.
        root: folder that holds ``finetuned`` and ``results``.
    """
    found = {
        path.parent.name: path
        for name in names
        for folder in (_KEPT, _COMPUTED)
        for path in sorted((root / folder).glob(f"{name}/{RECORDS_NAME}"))
    }
    return [*found.values()]


def cell_file(dataset: str, loss: str) -> Path | None:
    """The record file of a cell; None where it is not finished."""
    return next(iter(cell_files([f"{dataset}-{loss}"])), None)


def whole_datasets(datasets: Iterable[str], losses: Sequence[str]) -> tuple[dict[str, list[Path]], list[str]]:
    """The record files of each data set all of whose cells are finished, and a line on each other one."""
    whole: dict[str, list[Path]] = {}
    notes = []
    for dataset in datasets:
        files = {loss: cell_file(dataset, loss) for loss in losses}
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
    cells: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        cells.setdefault((record.dataset, record.loss), []).append(record)
    first: dict[str, Record] = {}
    for (dataset, loss), mine in cells.items():
        again = f"run: suite train {dataset} {loss} --regime finetuned"
        for record in mine:
            other = first.setdefault(dataset, record)
            if record.views_sha256 != other.views_sha256:
                raise SuiteError(
                    f"views_sha256 of {record.where} differs from that of {other.where}: other views; {again}"
                )
        runs = {(record.noise_level, record.seed) for record in mine if record.track == "tuned"}
        lacking = [(level, seed) for level in levels for seed in range(seeds) if (level, seed) not in runs]
        if lacking:
            level, seed = lacking[0]
            raise SuiteError(
                f"{mine[0].file} lacks {len(lacking)} runs that {settings_file} asks for, noise {level:g} seed {seed} among "
                f"them; {again}"
            )
