"""Writes ``results/``: leaderboard.{csv,json,md,tex} and what is beside them, the figure noise.{svg,pdf} included.

``comparisons.csv`` and ``verdicts.csv`` are differences of losses, ``records.csv`` the runs, ``metrics.json`` is for DVC.
``times.csv`` is written apart from them: it changes from run to run.
"""

import json
import math
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd

from suite.errors import SuiteError
from suite.evaluation.flat import write_flat
from suite.evaluation.records import METRICS, read_records
from suite.files import read_lines, write_json, write_text
from suite.judging.leaderboard.standing import comparisons
from suite.judging.leaderboard.table import leaderboard
from suite.judging.leaderboard.verdicts import sentence, to_section, user_losses, verdicts
from suite.report.leaderboard.figure import draw_noise_figure
from suite.report.leaderboard.latex import to_latex
from suite.report.leaderboard.render import to_markdown
from suite.settings.benchmarks import BENCHMARKS_FOLDER, BenchmarkSettings, benchmark_cells, user_rows
from suite.settings.feature_paths import FROZEN_FOLDER
from suite.settings.folders import PUBLISHED_FOLDER, STUDIES_FOLDER
from suite.settings.grid import RECORDS_NAME, cells_of
from suite.settings.params import Settings
from suite.training.times import TIMES_FOLDER

RESULTS_FOLDER = Path("results")
RECORDS_FILE = RESULTS_FOLDER / "records.csv"
BENCHMARK_RESULTS = RESULTS_FOLDER / BENCHMARKS_FOLDER
"""Results on the published data sets."""
VERDICTS_FILE = RESULTS_FOLDER / "verdicts.csv"
TIMES_FILE = RESULTS_FOLDER / "times.csv"


def write_leaderboard(settings: Settings) -> pd.DataFrame:
    """Compute the leaderboard from the records and write all its forms; gives the table."""
    records = with_published(read_records(record_files(settings)))
    frozen = pd.concat([_frozen(dataset) for dataset in settings.datasets])
    return _write_board(records, frozen, user_losses(settings), RESULTS_FOLDER)


def write_benchmark_leaderboard(settings: BenchmarkSettings) -> pd.DataFrame:
    """The same of the published data sets, in ``results/published``."""
    records = read_records([cell.folder / RECORDS_NAME for cell in benchmark_cells(settings)])
    # Of each data set the network of its first row, as it was before training.
    first = records.drop_duplicates("dataset")
    frozen = pd.DataFrame([{"dataset": row.dataset} | row.frozen for row in first.itertuples()])
    return _write_board(records, frozen[["dataset", *METRICS]], user_rows(settings), BENCHMARK_RESULTS)


def _write_board(records: pd.DataFrame, frozen: pd.DataFrame, own: list[str], folder: Path) -> pd.DataFrame:
    board = leaderboard(records, frozen)
    judged = verdicts(records, own)
    write_flat(records, folder / RECORDS_FILE.name)
    write_text(folder / "leaderboard.csv", board.to_csv(index=False))
    write_text(folder / "leaderboard.json", board.to_json(orient="records", indent=2) + "\n")
    write_text(folder / "leaderboard.md", to_markdown(board, to_section(judged, own)))
    write_text(folder / "leaderboard.tex", to_latex(board))
    write_text(folder / "comparisons.csv", comparisons(records).to_csv(index=False))
    write_text(folder / VERDICTS_FILE.name, judged.to_csv(index=False, float_format="%.6g"))
    write_json(folder / "metrics.json", _metrics(board))
    draw_noise_figure(board, folder / "noise.svg")
    return board


def user_verdicts(settings: Settings) -> list[str]:
    """A sentence on each loss that is not built in, of the tuned track; nothing before there is a leaderboard."""
    if not VERDICTS_FILE.is_file():
        return []
    table = pd.read_csv(VERDICTS_FILE)
    rows = [table[(table["loss"] == loss) & (table["track"] == "tuned")] for loss in user_losses(settings)]
    return [f"{sentence(mine)} More: suite compare {mine['loss'].iloc[0]}" for mine in rows if len(mine)]


def with_published(records: pd.DataFrame) -> pd.DataFrame:
    """Records of the tuned track with those of the published one, as they stand in git, for the same data and losses.

    Left out are losses and noise levels that the grid does not have, and data sets that are others now or are cut down:
    failed runs included, for a failure on other data says nothing here.
    """
    paths = sorted((STUDIES_FOLDER / PUBLISHED_FOLDER).glob("*.jsonl"))
    if not paths:
        return records
    published = read_records(paths)
    alike = [dataset for dataset, runs in published.groupby("dataset") if _same_tests(runs, _of(records, dataset))]
    kept = published[published["dataset"].isin(alike) & published["loss"].isin(records["loss"])]
    levels = records[["noise_kind", "noise_level"]].drop_duplicates()
    return pd.concat([records, kept.merge(levels, on=["noise_kind", "noise_level"])], ignore_index=True)


def _of(records: pd.DataFrame, dataset: Hashable) -> pd.DataFrame:
    return records[records["dataset"] == dataset]


def _same_tests(these: pd.DataFrame, those: pd.DataFrame) -> bool:
    """Whether runs on one data set, each checked by ``read_records``, had the same data and test classes."""
    if these.empty or those.empty or these["data_sha256"].iloc[0] != those["data_sha256"].iloc[0]:
        return False
    classes = [runs.loc[runs["status"] == "ok", "class_queries"] for runs in (these, those)]
    # Failed runs have none; where all have failed, the data must do.
    return any(runs.empty for runs in classes) or classes[0].iloc[0] == classes[1].iloc[0]


def record_files(settings: Settings) -> list[Path]:
    """Record files of the grid."""
    return [cell.folder / RECORDS_NAME for cell in cells_of(settings)]


def write_times(settings: Settings) -> None:
    """Collect wall-clock seconds in ``results/times.csv``, one row a stage that trains or computes features.

    ``start_up_seconds`` is the time from the start of the process to its work, imports above all; ``work_seconds`` is the
    rest, for all seeds together, and for those of other noise levels where the stage trained them ahead of theirs;
    ``mean_run_seconds`` is the mean over seeds of one run in its worker process.
    """
    rows: list[dict[str, Any]] = [
        {"stage": "features", "name": f"features-{name}", "dataset": name} for name in settings.datasets
    ]
    rows += [
        {"stage": "train", "name": cell.name, "dataset": cell.dataset, "loss": cell.loss, "noise_level": cell.level}
        for cell in cells_of(settings)
    ]
    table = pd.DataFrame([row | _times(row["name"]) for row in rows])
    write_text(TIMES_FILE, table.to_csv(index=False))


def write_benchmark_times(settings: BenchmarkSettings) -> None:
    """The same of the fine-tuned networks, in ``results/published/times.csv``."""
    rows = [
        {"stage": "train", "name": cell.name, "dataset": cell.dataset, "loss": cell.loss, "noise_level": cell.level}
        for cell in benchmark_cells(settings)
    ]
    table = pd.DataFrame([row | _times(str(row["name"]), BENCHMARKS_FOLDER) for row in rows])
    write_text(BENCHMARK_RESULTS / TIMES_FILE.name, table.to_csv(index=False))


def _times(name: str, root: Path = Path()) -> dict[str, Any]:
    path = root / TIMES_FOLDER / f"{name}.json"
    if not path.is_file():
        raise SuiteError(f"times file {path} is missing; run: dvc repro")
    times = json.loads(path.read_text())
    runs = list(times["runs"].values())
    mean = round(sum(runs) / len(runs), 3) if runs else None
    seconds = {"start_up_seconds": times["start_up"], "work_seconds": times["work"]}
    return seconds | {"runs": len(runs), "mean_run_seconds": mean}


def _frozen(dataset: str) -> pd.DataFrame:
    path = FROZEN_FOLDER / f"{dataset}.jsonl"
    if not path.is_file():
        raise SuiteError(f"file {path} is missing; run: dvc repro features@{dataset}")
    return pd.DataFrame(read_lines(path))[["dataset", *METRICS]]


def _metrics(board: pd.DataFrame) -> dict[str, Any]:
    """R@1 in percent by track, data set, loss and noise level: what ``dvc metrics show`` prints."""
    tree: dict[str, Any] = {}
    for row in board.itertuples():
        cell = tree.setdefault(row.track, {}).setdefault(row.dataset, {}).setdefault(row.loss, {})
        cell[f"noise {row.noise_level:g}"] = None if math.isnan(row.recall_at_1) else row.recall_at_1
    return tree
