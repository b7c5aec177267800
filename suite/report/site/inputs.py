"""Reads what the other stages left behind. Whatever is absent is None or empty: the pages then say that it was not run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count, takewhile
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from suite.errors import SuiteError, allowed
from suite.evaluation.cells import cell_files, record_files
from suite.evaluation.records import Record, read_records
from suite.files import ANEW, read_lines, read_text
from suite.judging.extended import beside
from suite.judging.handed_in.bundle import search_member
from suite.judging.handed_in.folder import load_handed_in
from suite.judging.handed_in.standing import HandedIn
from suite.judging.leaderboard.table import FROZEN
from suite.judging.scatter import same_values
from suite.losses.by_hand import values_by_hand
from suite.losses.registry import BUILT_IN
from suite.report.influence import committed_curves, in_git, measured_curves
from suite.report.results import TIMES_COLUMNS, read_boards, read_claim_files, read_csv, read_verdict_files
from suite.settings.params import DatasetSettings, LossSettings, Settings
from suite.settings.paths import (
    BENCHMARK_RESULTS,
    CURVES_NAME,
    EXTENDED,
    FIGURES_FOLDER,
    FINETUNED_RESULTS,
    FOUND_RECIPE,
    FRESH_SEEDS,
    PAPER_VALUES,
    RESULTS_FOLDER,
    RUNS_FOLDER,
    SHEETS_FOLDER,
    SPLITS,
    STUDIES_FOLDER,
    TIMES_FILE,
)
from suite.settings.plans import PLANS, Regime, tuned_plan_path
from suite.settings.tuned_recipes import TunedRecipe, load_tuned, tuned_path

Found = TypeVar("Found")
FIGURE_FOLDERS = (FIGURES_FOLDER, RESULTS_FOLDER, FINETUNED_RESULTS, BENCHMARK_RESULTS)
_CURVES = ["dataset", "loss", "noise_level", "seed", "epoch", "value"]


@dataclass(frozen=True)
class Searched:
    """The search 0 of a loss on a data set, and how many searches there are."""

    recipe: TunedRecipe
    searches: int


@dataclass(frozen=True)
class Inputs:
    """All that the pages show.

    Attributes:
        losses: names of the losses, in the order of ``params.yaml``, then those that only the leaderboard names.
        datasets: names of the data sets, likewise.
        grid: names of the losses that ``dvc repro`` trains; studies train others.
        declared: their entries in ``params.yaml``.
        entries: entries of ``datasets``.
        board: rows of the leaderboards of all regimes; empty if there is none.
        verdicts: rows of the files ``verdicts.csv``, or None.
        claims: reports on claims, by the name of their folder below ``results/``; an empty name is ``results/`` itself.
        influence: curves of ``docs/figures/influence.csv``, those that it lacks of the stage ``influence``; or None.
        unmeasured: why there is no curve of a loss, by name.
        curves: mean training loss: columns dataset, loss, noise_level, seed, epoch, value.
        records: of the grid, the values of papers and the study ``extended``; empty if nothing was run.
        studied: records of the study ``extended`` of losses that the grid does not train, as they stand in git.
        finetuned: records of finished cells of the regime ``finetuned``.
        fresh: further runs of the same values on fresh seeds.
        splits: runs under further splits of the classes.
        times: ``results/times.csv``, or None.
        recipes: searches of the track ``tuned`` by (regime, data set, loss).
        sheets: data sheets as Markdown, by data set.
        figures: SVG files.
        handed_in: losses that were handed in.
    """

    losses: tuple[str, ...]
    datasets: tuple[str, ...]
    grid: frozenset[str]
    declared: Mapping[str, LossSettings]
    entries: Mapping[str, DatasetSettings]
    board: pd.DataFrame
    verdicts: pd.DataFrame | None
    claims: Mapping[str, Any]
    influence: pd.DataFrame | None
    unmeasured: Mapping[str, str]
    curves: pd.DataFrame
    records: tuple[Record, ...]
    studied: tuple[Record, ...]
    finetuned: tuple[Record, ...]
    fresh: tuple[Record, ...]
    splits: tuple[Record, ...]
    times: pd.DataFrame | None
    recipes: Mapping[tuple[str, str, str], Searched]
    sheets: Mapping[str, str]
    figures: tuple[Path, ...]
    handed_in: Mapping[str, HandedIn] = field(default_factory=dict)

    @property
    def on_board(self) -> set[tuple[str, str]]:
        """Data sets and losses of the grid whose runs of the tuned track stand on the leaderboard."""
        if self.board.empty:
            return set()
        rows = self.board[
            (self.board["regime"] == "frozen") & (self.board["track"] == "tuned") & (self.board["runs"] > 0)
        ]
        run = set(zip(rows["dataset"], rows["loss"], strict=True))
        return {(d, loss) for d, loss in run if d in self.entries and loss in self.grid}

    @property
    def without_records(self) -> list[tuple[str, str]]:
        """Those of them whose records are not there, in the order of the settings."""
        missing = self.on_board - {(record.dataset, record.loss) for record in self.records if record.track == "tuned"}
        return [(d, loss) for d in self.datasets for loss in self.losses if (d, loss) in missing]


def read_inputs(settings: Settings) -> Inputs:
    """Read everything that is there.

    Raises:
        SuiteError: a file is there and cannot be read.
    """
    board = read_boards(RESULTS_FOLDER)
    named = [] if board.empty else [loss for loss in dict.fromkeys(board["loss"]) if loss != FROZEN]
    losses = tuple(dict.fromkeys([*settings.losses, *named]))
    datasets = tuple(dict.fromkeys([*settings.datasets, *([] if board.empty else board["dataset"])]))
    handed_in = {loss: each for loss, each in load_handed_in().items() if loss in losses}
    recipes = {
        (regime, dataset, loss): _searched(regime, dataset, loss, handed_in.get(loss))
        for regime in PLANS
        for dataset in datasets
        for loss in losses
    }
    sheets = {dataset: SHEETS_FOLDER / f"{dataset}.md" for dataset in datasets}
    verdicts, claims = read_verdict_files(RESULTS_FOLDER), read_claim_files(RESULTS_FOLDER)
    records, curves = _records(settings), _curves(settings)
    influence, unmeasured = influence_curves(settings)
    return Inputs(
        losses=losses,
        datasets=datasets,
        grid=frozenset(settings.losses),
        declared={name: entry for name, entry in settings.all_losses.items() if name in losses},
        entries=settings.datasets,
        board=board,
        verdicts=verdicts,
        claims=claims,
        influence=influence,
        unmeasured=unmeasured,
        curves=curves,
        records=records,
        studied=tuple(each for each in _study(EXTENDED) if each.loss not in settings.losses),
        finetuned=tuple(read_records(cell_files(["*"], "finetuned"))),
        fresh=tuple(same_values(records, _study(FRESH_SEEDS))),
        splits=tuple(_study(SPLITS)),
        times=_read(TIMES_FILE, lambda path: read_csv(path, TIMES_COLUMNS, "make it anew: suite times")),
        recipes={key: found for key, found in recipes.items() if found is not None},
        sheets={name: read_text(path, "save it as UTF-8") for name, path in sheets.items() if path.is_file()},
        figures=tuple(path for folder in FIGURE_FOLDERS for path in sorted(folder.glob("*.svg"))),
        handed_in=handed_in,
    )


def _records(settings: Settings) -> tuple[Record, ...]:
    """Of the grid, and those of studies whose losses stand on the leaderboard, which may be of other data."""
    tuned = read_records(path for path in record_files(settings) if path.is_file())
    return (*tuned, *_study(PAPER_VALUES), *beside(tuned, _study(EXTENDED)))


def _study(name: str) -> list[Record]:
    """The records of a study in git."""
    return read_records(sorted((STUDIES_FOLDER / name).glob("*.jsonl")))


def influence_curves(settings: Settings) -> tuple[pd.DataFrame | None, dict[str, str]]:
    """Influence curves, and why those of a loss are missing. The file in git knows the built-in losses as they stand."""
    committed, (measured, reasons) = committed_curves(), measured_curves()
    entries = settings.losses
    known = [
        loss
        for loss, entry in entries.items()
        if in_git(entry.target or BUILT_IN.get(loss, ""), values_by_hand(entry), loss)
    ]
    others = [loss for loss in entries if loss not in known]
    curves = [] if committed is None else [committed[~committed["loss"].isin(others)]]
    curves += [] if measured is None else [measured[measured["loss"].isin(others)]]
    there = {loss for each in curves for loss in each["loss"]}
    return (
        pd.concat(curves) if there else None,
        {loss: reasons.get(loss, "Run: dvc repro influence") for loss in others if loss not in there},
    )


def _curves(settings: Settings) -> pd.DataFrame:
    rows = [
        row | {"value": row["loss"], "dataset": dataset, "loss": loss}
        for dataset in settings.datasets
        for loss in settings.losses
        for row in _lines(RUNS_FOLDER / f"{dataset}-{loss}" / CURVES_NAME)
        if row.get("track", "tuned") == "tuned"
    ]
    return pd.DataFrame(rows, columns=_CURVES)


def _searched(regime: Regime, dataset: str, loss: str, handed_in: HandedIn | None) -> Searched | None:
    """The recipe in git, or the one that a search of this run found; of a loss that was handed in that of its bundle."""
    if handed_in is not None:
        theirs = handed_in.bundle.searches
        names = list(takewhile(theirs.__contains__, (search_member(regime, "tuned", dataset, n) for n in count())))
        return Searched(theirs[names[0]], len(names)) if names else None
    plan = tuned_plan_path(dataset, loss, regime)
    in_git = (tuned_path(dataset, loss, "tuned", number, regime) for number in count())
    found = (plan.with_name(FOUND_RECIPE.format(track="tuned", number=number)) for number in count())
    for each in (in_git, found):
        if paths := list(takewhile(Path.is_file, each)):
            return Searched(load_tuned(paths[0]), len(paths))
    return None


def _lines(path: Path) -> list[dict[str, Any]]:
    rows = read_lines(path) if path.is_file() else []
    for number, row in enumerate(rows, 1):
        if missing := [name for name in ("noise_level", "seed", "epoch", "loss") if name not in row]:
            raise SuiteError(f"{path}, line {number} lacks {allowed(missing)}; {ANEW}")
        if odd := [name for name in ("noise_level", "seed", "epoch", "loss") if not isinstance(row[name], int | float)]:
            raise SuiteError(f"{path}, line {number}: {odd[0]} = {row[odd[0]]!r}; allowed: numbers; {ANEW}")
    return rows


def _read(path: Path, reader: Callable[[Path], Found]) -> Found | None:
    return reader(path) if path.is_file() else None
