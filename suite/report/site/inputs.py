"""Reads what the other stages left behind. Whatever is absent is None or empty: the pages then say that it was not run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from suite.errors import SuiteError
from suite.files import read_lines
from suite.judging.leaderboard.table import FROZEN
from suite.judging.leaderboard.verdicts import user_losses
from suite.losses.influence.curve import influence_curves
from suite.losses.registry import find_loss
from suite.report.data_sheet import SHEETS_FOLDER
from suite.report.figures.write import FIGURES_FOLDER
from suite.report.leaderboard.write import RESULTS_FOLDER, TIMES_FILE, VERDICTS_FILE
from suite.settings.folders import PUBLISHED_FOLDER
from suite.settings.grid import CURVES_NAME, RECORDS_NAME, Cell, cells_of
from suite.settings.params import DatasetSettings, LossSettings, Settings
from suite.settings.plans import tuned_plan_path
from suite.settings.tuned_recipes import TunedRecipe, load_tuned, tuned_path
from suite.training.tuning.resolve import FOUND_FILE

BOARD_FILE = RESULTS_FOLDER / "leaderboard.json"
CLAIMS_FILE = RESULTS_FOLDER / "claims.json"
INFLUENCE_FILE = FIGURES_FOLDER / "influence.csv"
DEFAULT_TRACK = "tuned"

Row = dict[str, Any]


@dataclass(frozen=True)
class Inputs:
    """All that the pages show.

    Attributes:
        losses: names of the losses, in the order of ``params.yaml``, then those that only the leaderboard names.
        datasets: names of the data sets, likewise.
        declared: entries of ``losses`` in ``params.yaml``.
        entries: entries of ``datasets``.
        board: rows of the leaderboard, with a column ``track``; empty if there is none.
        verdicts: rows of ``results/verdicts.csv``, or None.
        claims: rows of ``results/claims.json``, or None.
        influence: curves of ``docs/figures/influence.csv``, or None; of losses that are not built in, measured anew.
        unmeasured: why the influence of a loss cannot be measured, by name.
        curves: mean training loss: columns dataset, loss, noise_level, seed, epoch, value.
        records: one row a run, as written; empty if nothing was run.
        times: ``results/times.csv``, or None.
        recipes: tuned recipes by (data set, loss).
        sheets: data sheets as Markdown, by data set.
        figures: SVG files.
    """

    losses: tuple[str, ...]
    datasets: tuple[str, ...]
    declared: Mapping[str, LossSettings]
    entries: Mapping[str, DatasetSettings]
    board: pd.DataFrame
    verdicts: pd.DataFrame | None
    claims: Any
    influence: pd.DataFrame | None
    unmeasured: Mapping[str, str]
    curves: pd.DataFrame
    records: tuple[Row, ...]
    times: pd.DataFrame | None
    recipes: Mapping[tuple[str, str], TunedRecipe]
    sheets: Mapping[str, str]
    figures: tuple[Path, ...]


def read_inputs(settings: Settings) -> Inputs:
    """Read everything that is there.

    Raises:
        SuiteError: a file is there and cannot be read.
    """
    board = _board()
    named = [] if board.empty else [loss for loss in dict.fromkeys(board["loss"]) if loss != FROZEN]
    losses = tuple(dict.fromkeys([*settings.losses, *named]))
    datasets = tuple(dict.fromkeys([*settings.datasets, *([] if board.empty else board["dataset"])]))
    cells = cells_of(settings)
    influence, unmeasured = _influence(settings)
    records = [*(cell.folder / RECORDS_NAME for cell in cells), *sorted(PUBLISHED_FOLDER.glob("*.jsonl"))]
    recipes = {(dataset, loss): _recipe(dataset, loss) for dataset in datasets for loss in losses}
    sheets = {dataset: SHEETS_FOLDER / f"{dataset}.md" for dataset in datasets}
    return Inputs(
        losses=losses,
        datasets=datasets,
        declared=settings.losses,
        entries=settings.datasets,
        board=board,
        verdicts=_csv(VERDICTS_FILE),
        claims=_json(CLAIMS_FILE) if CLAIMS_FILE.is_file() else None,
        influence=influence,
        unmeasured=unmeasured,
        curves=_curves(cells),
        records=tuple(row for path in records for row in _rows(path)),
        times=_csv(TIMES_FILE),
        recipes={key: found for key, found in recipes.items() if found is not None},
        sheets={name: path.read_text(encoding="utf-8") for name, path in sheets.items() if path.is_file()},
        figures=tuple(path for folder in (FIGURES_FOLDER, RESULTS_FOLDER) for path in sorted(folder.glob("*.svg"))),
    )


def track_of(row: Mapping[str, Any]) -> str:
    """The track of a record, leaderboard row or cell's fields; rows without tracks are of the tuned one."""
    return str(row.get("track") or DEFAULT_TRACK)


def _board() -> pd.DataFrame:
    rows = _json(BOARD_FILE) if BOARD_FILE.is_file() else []
    board = pd.DataFrame(rows)
    if not board.empty and "track" not in board:
        board.insert(0, "track", DEFAULT_TRACK)
    return board


def _influence(settings: Settings) -> tuple[pd.DataFrame | None, dict[str, str]]:
    """Influence curves, and why those of a loss are missing. The file in git knows nothing of losses of the user's own."""
    committed = _csv(INFLUENCE_FILE)
    own = user_losses(settings)
    curves = [] if committed is None else [committed[~committed["loss"].isin(own)]]
    unmeasured = {}
    for name in own:
        entry = settings.losses[name]
        try:
            curves.append(influence_curves(find_loss(name, entry), entry.by_hand, settings.recipe.embedding_dim))
        except SuiteError as error:
            unmeasured[name] = str(error)
    return pd.concat(curves) if curves else None, unmeasured


def _curves(cells: Sequence[Cell]) -> pd.DataFrame:
    rows = [
        {
            "dataset": cell.dataset,
            "loss": cell.loss,
            "noise_level": row.get("noise_level", cell.level),
            "seed": row["seed"],
            "epoch": row["epoch"],
            "value": row["loss"],
        }
        for cell in cells
        for row in _rows(cell.folder / CURVES_NAME)
    ]
    return pd.DataFrame(rows, columns=["dataset", "loss", "noise_level", "seed", "epoch", "value"])


def _recipe(dataset: str, loss: str) -> TunedRecipe | None:
    """The shipped recipe, or the one that a search of this run found."""
    paths = (tuned_path(dataset, loss), tuned_plan_path(dataset, loss).with_name(FOUND_FILE))
    return next((load_tuned(path) for path in paths if path.is_file()), None)


def _rows(path: Path) -> list[Row]:
    try:
        return read_lines(path) if path.is_file() else []
    except json.JSONDecodeError as error:
        raise SuiteError(f"{path} is damaged: {error}; delete it and run: dvc repro") from error


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise SuiteError(f"{path} is damaged: {error}; delete it and run: dvc repro") from error


def _csv(path: Path) -> pd.DataFrame | None:
    try:
        return pd.read_csv(path) if path.is_file() else None
    except pd.errors.ParserError as error:
        raise SuiteError(f"{path} is damaged: {error}; delete it and run: dvc repro") from error
