"""Writes ``results/``: leaderboard.{csv,json,md,tex} and what is beside them, the figure noise.{svg,pdf} included.

``comparisons.csv`` and ``verdicts.csv`` are differences of losses, ``records.csv`` and ``records.parquet`` the runs,
``metrics.json`` is for DVC.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from suite.errors import SuiteError
from suite.evaluation.cells import check_cells, record_files, whole_datasets
from suite.evaluation.records import Record, check_records, read_records
from suite.evaluation.tables import read_csv, to_table, write_csv, write_parquet
from suite.files import write_json, write_text
from suite.judging.backbone import backbone_metrics
from suite.judging.comparable import comparable
from suite.judging.handed_in.folder import (
    CHECK,
    MARK,
    VERSION,
    load_handed_in,
    records_for,
    trials_of,
    with_marks,
)
from suite.judging.handed_in.standing import HandedIn
from suite.judging.leaderboard.table import comparisons, leaderboard
from suite.judging.leaderboard.verdicts import user_losses, verdicts
from suite.report.budgets import with_trials
from suite.report.figures.noise import draw_noise_figure
from suite.report.kinds import kinds_section
from suite.report.over_frozen import gains_over_frozen, gains_section
from suite.report.studied import Studied, with_studies
from suite.report.tables import OF_STUDY, leaderboard_latex, leaderboard_page
from suite.report.text import left_out_section, other_views_section
from suite.settings.benchmarks import BenchmarkSettings, user_rows
from suite.settings.params import Settings
from suite.settings.paths import (
    BENCHMARK_RESULTS,
    BENCHMARKS_FOLDER,
    BOARD_FILE,
    FINETUNED_RESULTS,
    RECORDS_FILE,
    RECORDS_NAME,
    RESULTS_FOLDER,
    RUNS_FOLDER,
    VERDICTS_FILE,
)


def write_leaderboard(settings: Settings) -> pd.DataFrame:
    """Compute the leaderboard from the records and write all its forms; gives the table.

    Raises:
        SuiteError: a record or a metric of the frozen backbone is missing or malformed; nothing is written then.
    """
    grid = read_records(record_files(settings))
    check_cells(grid, settings.seeds, settings.noise.levels, settings.recipe.file)
    studied = with_studies(grid)
    frozen = pd.DataFrame([{"dataset": name} | backbone_metrics(name) for name in settings.datasets])
    further, sections = _further(studied.records, grid), _of_studies(studied, grid, frozen)
    return _write_board(
        studied.records, frozen, user_losses(settings), RESULTS_FOLDER, load_handed_in(settings), further, sections
    )


def write_finetuned_leaderboard(settings: Settings) -> tuple[pd.DataFrame, list[str]]:
    """The same for the regime in which the network learns, in ``results/finetuned``, of the data sets that are complete.

    Beside it ``over_frozen.csv`` has what each loss gains over its result on frozen features.

    Returns:
        The table, and a line on each data set that is left out, since runs of a loss are missing.

    Raises:
        SuiteError: no data set is complete, or as ``write_leaderboard``.
    """
    whole, notes = whole_datasets(settings.datasets, list(settings.losses))
    if not whole:
        raise SuiteError(f"no data set is complete; {' '.join(notes)} run: dvc repro pipelines/finetuned/dvc.yaml")
    grid = read_records(path for paths in whole.values() for path in paths)
    check_cells(grid, settings.seeds, settings.noise.levels, settings.recipe.file)
    studied = with_studies(grid)
    records = studied.records
    on_frozen = read_csv(RECORDS_FILE) if RECORDS_FILE.is_file() else None
    gains = gains_over_frozen(to_table(records), on_frozen)
    frozen = pd.DataFrame([{"dataset": dataset} | backbone_metrics(dataset) for dataset in whole])
    sections = [*_of_studies(studied, grid, frozen), gains_section(gains)]
    if notes:
        sections.append("## Not complete\n\n" + "".join(f"- {note}\n" for note in notes))
    handed_in = load_handed_in(settings)
    users = user_losses(settings)
    further = _further(records, grid)
    board = _write_board(records, frozen, users, FINETUNED_RESULTS, handed_in, further, sections)
    write_text(FINETUNED_RESULTS / "over_frozen.csv", gains.to_csv(index=False, float_format="%.6g"))
    return board, notes


def write_benchmark_leaderboard(settings: BenchmarkSettings) -> pd.DataFrame:
    """The same for CUB, Cars and SOP, in ``results/benchmarks``.

    The frozen backbone of a data set is there the network of its first row, as it was before training.
    """
    names = [f"{dataset}-{row}" for dataset, row in settings.named_rows]
    records = read_records(BENCHMARKS_FOLDER / RUNS_FOLDER / name / RECORDS_NAME for name in names)
    before: dict[str, dict[str, float]] = {}
    for record in records:
        if record.before_training:
            before.setdefault(record.dataset, record.before_training)
    frozen = pd.DataFrame([{"dataset": dataset} | metrics for dataset, metrics in before.items()])
    return _write_board(records, frozen, user_rows(settings), BENCHMARK_RESULTS)


def _further(records: Sequence[Record], grid: Sequence[Record]) -> set[str]:
    """Losses that the grid does not run."""
    return {record.loss for record in records} - {record.loss for record in grid}


def _of_studies(studied: Studied, grid: Sequence[Record], frozen: pd.DataFrame) -> list[str]:
    """Sections on kinds of label noise that the grid does not have, and on what is left out; each if there is any."""
    section = kinds_section(studied.other_kinds, frozen, {record.loss for record in grid})
    return [*([section] if section else []), *left_out_section(studied.notes)]


def _write_board(
    own: list[Record],
    frozen: pd.DataFrame,
    user: list[str],
    folder: Path,
    handed_in: Mapping[str, HandedIn] = MappingProxyType({}),
    extended: Collection[str] = (),
    sections: Sequence[str] = (),
) -> pd.DataFrame:
    regime = own[0].regime
    others = records_for(handed_in, own, regime)
    records = [*own, *others]
    if others:
        check_records(records)
    sections = [*sections, *other_views_section(comparable(own, others, ["views_sha256"])[1])]
    user = [*user, *dict.fromkeys(record.loss for record in others)]
    table = with_marks(to_table(records), handed_in, (MARK,))
    board = with_trials(leaderboard(table, frozen), own, trials_of(handed_in, regime))
    board = with_marks(board, handed_in, (MARK, VERSION, CHECK))
    if extended:
        board = board.assign(**{OF_STUDY: board["loss"].isin(extended)})
    judged = with_marks(verdicts(table, [*user, *extended]), handed_in, (MARK,))
    write_csv(table, folder / RECORDS_FILE.name)
    write_parquet(table, (folder / RECORDS_FILE.name).with_suffix(".parquet"))
    write_text(folder / "leaderboard.csv", board.to_csv(index=False))
    write_text(folder / BOARD_FILE.name, board.to_json(orient="records", indent=2) + "\n")
    write_text(folder / "leaderboard.md", "\n".join([leaderboard_page(board, judged, user), *sections]))
    write_text(folder / "leaderboard.tex", leaderboard_latex(board))
    pairs = with_marks(comparisons(table), handed_in, (MARK,), ("loss", "other"))
    write_text(folder / "comparisons.csv", pairs.to_csv(index=False))
    write_text(folder / VERDICTS_FILE.name, judged.to_csv(index=False, float_format="%.6g"))
    write_json(folder / "metrics.json", _metrics(board))
    draw_noise_figure(board, folder / "noise.svg", dict.fromkeys(table["loss"]))
    return board


def _metrics(board: pd.DataFrame) -> dict[str, Any]:
    """R@1 in percent by regime, track, data set, loss and noise level: what ``dvc metrics show`` prints."""
    tree: dict[str, Any] = {}
    for row in board.itertuples():
        place = tree
        for name in (row.regime, row.track, row.dataset, row.loss):
            place = place.setdefault(name, {})
        place[f"noise {row.noise_level:g}"] = None if math.isnan(row.recall_at_1) else row.recall_at_1
    return tree
