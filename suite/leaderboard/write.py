"""Writes ``results/``: leaderboard.{csv,json,md}, metrics.json for DVC, noise.svg, and times.csv apart from them."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from suite.config.grid import RECORDS_FOLDER, cells_of
from suite.config.settings import Settings
from suite.errors import SuiteError
from suite.evaluation.records import METRICS, read_records
from suite.features.store import FROZEN_FOLDER
from suite.files import read_lines, write_json, write_text
from suite.leaderboard.figure import draw_noise_figure
from suite.leaderboard.render import to_markdown
from suite.leaderboard.table import leaderboard
from suite.timing import TIMES_FOLDER

RESULTS_FOLDER = Path("results")
TIMES_FILE = RESULTS_FOLDER / "times.csv"


def write_leaderboard(settings: Settings) -> pd.DataFrame:
    """Compute the leaderboard from the records and write all its forms; gives the table."""
    records = read_records(RECORDS_FOLDER, [cell.name for cell in cells_of(settings)])
    frozen = pd.concat([_frozen(dataset) for dataset in settings.datasets])
    board = leaderboard(records, frozen)
    write_text(RESULTS_FOLDER / "leaderboard.csv", board.to_csv(index=False))
    write_text(RESULTS_FOLDER / "leaderboard.json", board.to_json(orient="records", indent=2) + "\n")
    write_text(RESULTS_FOLDER / "leaderboard.md", to_markdown(board))
    write_json(RESULTS_FOLDER / "metrics.json", _metrics(board))
    draw_noise_figure(board, RESULTS_FOLDER / "noise.svg")
    return board


def write_times(settings: Settings) -> None:
    """Collect wall-clock seconds in ``results/times.csv``, one row a features or train stage.

    ``start_up_seconds`` is the time from the start of the process to its work, imports above all; ``work_seconds`` is the
    rest, for all seeds together; ``mean_run_seconds`` is the mean over seeds of one run in its worker process.
    """
    rows = [_times(f"features-{dataset}", {"stage": "features", "dataset": dataset}) for dataset in settings.datasets]
    rows += [_times(cell.name, {"stage": "train", "cell": cell.name}) for cell in cells_of(settings)]
    write_text(TIMES_FILE, pd.DataFrame(rows).to_csv(index=False))


def _times(name: str, row: dict[str, Any]) -> dict[str, Any]:
    path = TIMES_FOLDER / f"{name}.json"
    if not path.is_file():
        raise SuiteError(f"times file {path} is missing; run: dvc repro")
    times = json.loads(path.read_text())
    runs = list(times["runs"].values())
    mean = round(sum(runs) / len(runs), 3) if runs else None
    seconds = {"start_up_seconds": times["start_up"], "work_seconds": times["work"]}
    return row | seconds | {"runs": len(runs), "mean_run_seconds": mean}


def _frozen(dataset: str) -> pd.DataFrame:
    path = FROZEN_FOLDER / f"{dataset}.jsonl"
    if not path.is_file():
        raise SuiteError(f"file {path} is missing; run: dvc repro features@{dataset}")
    return pd.DataFrame(read_lines(path))[["dataset", *METRICS]]


def _metrics(board: pd.DataFrame) -> dict[str, Any]:
    """R@1 in percent by data set, loss and noise level: what ``dvc metrics show`` prints."""
    tree: dict[str, Any] = {}
    for row in board.itertuples():
        tree.setdefault(row.dataset, {}).setdefault(row.loss, {})[f"noise {row.noise_level:g}"] = (
            None if math.isnan(row.recall_at_1) else row.recall_at_1
        )
    return tree
