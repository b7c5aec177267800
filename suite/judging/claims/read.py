"""Reads everything that claims are judged by: records of runs and studies, and influence curves."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from suite.errors import SuiteError, allowed
from suite.evaluation.cells import cell_files, check_views
from suite.evaluation.records import Record, check_records, read_records
from suite.judging.backbone import backbone_file, backbone_metrics
from suite.judging.claims.measured import Measured
from suite.judging.comparable import comparable
from suite.judging.extended import beside, unpaired
from suite.settings.paths import (
    ABLATIONS,
    CROSSED,
    EXTENDED,
    FRESH_SEEDS,
    GEOMETRY,
    INFLUENCE_FILE,
    PAPER_VALUES,
    SPLITS,
)
from suite.settings.plans import Regime, studies_of


def read_measured(
    datasets: Mapping[str, bool],
    root: Path = Path(),
    in_grid: Callable[[Record], bool] | None = None,
    losses: Collection[str] | None = None,
    regime: Regime = "frozen",
) -> Measured:
    """Read and check the folders of the pipeline; what is missing is empty.

    Records of ``paper_values`` and ``extended`` that learned from other views than the runs are left out, as are those of
    ``extended`` that cannot be paired with them; ``left_out`` says which. On other data all is refused.

    Args:
        datasets: data sets of ``params.yaml``, and whether it cuts them down. Records of others are left out.
        root: folder that holds ``runs``, ``results`` and ``docs``; cells without runs are read from ``results``.
        in_grid: which records of ``runs`` count; None for all.
        regime: whose runs and studies are read, where several are below one root.
        losses: losses whose folders in ``runs`` are read; None for all. Folders of losses that are run no more stay there.

    Raises:
        SuiteError: a record is malformed, stands twice, or had other data than the rest, or runs learned from other views.
    """
    folders = ["*"] if losses is None else [f"{dataset}-{loss}" for dataset in datasets for loss in losses]
    found = [record for path in cell_files(folders, regime, root) for record in read_records([path])]
    runs = [record for record in found if in_grid is None or in_grid(record)]
    check_views(runs)
    of_studies = root / studies_of(regime)
    studies = [
        record for kind in (ABLATIONS, CROSSED, GEOMETRY, SPLITS) for record in _read(of_studies / kind, "*.jsonl")
    ]
    at_paper_values, notes = comparable(runs, _read(of_studies / PAPER_VALUES, "*.jsonl"), ["views_sha256"])
    extended, others = comparable(runs, _read(of_studies / EXTENDED, "*.jsonl"), ["views_sha256"])
    studies += [*at_paper_values, *beside(runs, extended)]
    whole = [run for run in runs if not datasets.get(run.dataset)]  # on data that are cut down no claim is judged
    left_out = (*notes, *others, *unpaired(whole, extended))
    fresh = [record for record in _read(of_studies / FRESH_SEEDS, "*.jsonl") if record.dataset in datasets]
    records = [record for record in (*runs, *studies) if record.dataset in datasets]
    # Studies in git are of whole data sets, and have other test classes than runs on a part.
    check_records([record for record in (*records, *fresh) if not datasets[record.dataset]])
    cut = tuple(name for name, is_cut in datasets.items() if is_cut)
    path = root / INFLUENCE_FILE
    of_split: dict[int, list[Record]] = {0: []}
    for record in records:
        of_split.setdefault(record.split, []).append(record)
    measured = Measured.of(of_split.pop(0), read_influence(path) if path.is_file() else None, cut)
    there = [name for name in datasets if backbone_file(name, root).is_file()]
    backbone = {name: backbone_metrics(name, root) for name in there}
    return replace(
        measured,
        left_out=left_out,
        backbone=backbone,
        fresh=replace(Measured.of(fresh, cut=cut), backbone=backbone) if fresh else None,
        splits={split: Measured.of(of_split[split], cut=cut) for split in sorted(of_split)},
    )


def _read(folder: Path, files: str) -> list[Record]:
    """Records of all files of a folder, each file checked by itself."""
    return [record for path in sorted(folder.glob(files)) for record in read_records([path])]


def read_influence(path: Path) -> pd.DataFrame:
    """The influence curves of ``suite figures``.

    Raises:
        SuiteError: the file is no CSV, or lacks a column.
    """
    try:
        curves = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except ValueError as error:
        raise SuiteError(f"{path} is not valid CSV: {error}; run: suite figures") from error
    missing = [column for column in ("loss", "pair", "distance", "normalised") if column not in curves]
    if missing:
        raise SuiteError(f"{path} lacks column {allowed(missing)}; run: suite figures")
    return curves
