"""Everything that claims are judged by, checked as a whole: runs, ablations, geometry, influence curves."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from suite.errors import SuiteError
from suite.judging.claims.rows import AblationRow, GeometryRow, Row, RunRow, read_rows
from suite.judging.claims.vocabulary import SWAPPED
from suite.judging.statistics.estimate import Array
from suite.settings.folders import ABLATIONS_FOLDER, GEOMETRY_FOLDER, PUBLISHED_FOLDER, STUDIES_FOLDER
from suite.settings.grid import RECORDS_NAME, RUNS_FOLDER

INFLUENCE = Path("docs/figures/influence.csv")

PERCENT = 100.0

R = TypeVar("R", bound=Row)
K = TypeVar("K", bound=Hashable)


class NotRunError(Exception):
    """There is nothing, or too little, to judge a line by: a state, not a mistake. The message says what is missing."""


@dataclass(frozen=True, slots=True)
class View:
    """A way to look at the records; the sensitivity page compares verdicts over several.

    Attributes:
        validation_epoch: metrics of the epoch that was best on validation classes, in place of the last.
        swap: MAP@R in place of R@1 and the other way round.
        without_seed: leave this seed out.
    """

    validation_epoch: bool = False
    swap: bool = False
    without_seed: int | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """The rows, indexed by what they measure.

    Attributes:
        runs: by (track, data set, backbone, loss, noise kind, noise level), rows by seed. Level 0 has kind "none".
        ablations: by (data set, axis), by value, rows by seed.
        geometry: by (data set, proxies per class), by loss, rows by seed.
        influence: curves with columns loss, pair, distance, normalised; None where there are none.
        cut: data sets that ``params.yaml`` cuts down: claims are about whole ones.
        view: how to look at them.
    """

    runs: dict[tuple[str, str, str, str, str, float], dict[int, RunRow]] = field(default_factory=dict)
    ablations: dict[tuple[str, str], dict[float, dict[int, AblationRow]]] = field(default_factory=dict)
    geometry: dict[tuple[str, int], dict[str, dict[int, GeometryRow]]] = field(default_factory=dict)
    influence: pd.DataFrame | None = None
    cut: tuple[str, ...] = ()
    view: View = View()

    def seen_as(self, view: View) -> "Measured":
        """The same rows under another view."""
        return replace(self, view=view)

    def cell(self, track: str, dataset: str, backbone: str, loss: str, kind: str, level: float) -> dict[int, RunRow]:
        """Runs of one cell of the grid by seed.

        Raises:
            NotRunError: there are none.
        """
        if dataset in self.cut:
            raise NotRunError(f"params.yaml cuts {dataset} down (datasets.{dataset}.max_classes)")
        rows = self.runs.get((track, dataset, backbone, loss, kind if level else "none", level))
        if not rows:
            on = f"{dataset} ({backbone})"
            raise NotRunError(f"no records of {loss} on {on} with noise {level:g}, track {track}")
        return rows

    def table(self, cells: Sequence[Mapping[int, RunRow]], metric: str, minimum: int) -> Array:
        """A metric in percent of several cells, (cells, seeds), seeds in order; NaN where a run failed.

        Raises:
            SuiteError: the cells do not hold the same seeds, or runs of one seed and noise level saw different noise.
            NotRunError: fewer seeds than the minimum, or the metric was not measured.
        """
        seeds = self.seeds(cells, minimum)
        for seed in seeds:
            masks: dict[tuple[str, float], RunRow] = {}
            for cell in cells:
                row = cell[seed]
                first = masks.setdefault((row.dataset, row.noise_level), row)
                if row.noise_sha256 != first.noise_sha256:
                    raise SuiteError(
                        f"{row.where}: noise_sha256 differs from that of the same seed in {first.where}: unpaired runs"
                    )
        return np.array([[self._value(cell[seed], metric) for seed in seeds] for cell in cells])

    def seeds(self, cells: Sequence[Mapping[int, Any]], minimum: int) -> list[int]:
        """Seeds that all cells share, less the one that the view leaves out.

        Raises:
            SuiteError: the cells do not hold the same seeds.
            NotRunError: fewer seeds than the minimum.
        """
        for cell in cells[1:]:
            if cell.keys() != cells[0].keys():
                mine, others = (next(iter(c.values())).file for c in (cell, cells[0]))
                raise SuiteError(
                    f"{mine}: seed: unpaired runs: {sorted(cell)} here, {sorted(cells[0])} in {others}; "
                    "allowed: the same seeds"
                )
        seeds = sorted(cells[0].keys() - {self.view.without_seed})
        needed = minimum - (self.view.without_seed is not None)
        if len(seeds) < needed:
            file = next((row.file for row in cells[0].values()), "no file")
            raise NotRunError(f"{file}: seed: {len(seeds)} of the {needed} seeds that minimum_seeds asks for")
        return seeds

    def _value(self, row: RunRow, metric: str) -> float:
        if row.status == "failed":
            return np.nan
        metrics = row.metrics
        if self.view.validation_epoch:
            if row.validation_epoch is None:
                raise NotRunError(f"{row.where}: no validation_epoch")
            metrics = row.validation_epoch.metrics
        name = SWAPPED.get(metric, metric) if self.view.swap else metric
        if name not in metrics:
            raise NotRunError(f"{row.where}: metrics has no {name}")
        return PERCENT * metrics[name]


def read_measured(
    datasets: dict[str, bool], root: Path = Path(), in_grid: Callable[[RunRow], bool] | None = None
) -> Measured:
    """Read and check the folders of the pipeline; what is missing is empty.

    Args:
        datasets: data sets of ``params.yaml``, and whether it cuts them down. Rows of others are left aside.
        in_grid: which of ``runs`` count; None for all. The folder keeps those of cells that are run no more.
        root: folder that holds ``runs``, ``studies`` and ``docs``.

    Raises:
        SuiteError: a row is malformed, stands twice, or saw other data than the rest.
    """
    studies = root / STUDIES_FOLDER
    runs = read_rows(root / RUNS_FOLDER, RunRow, f"*/{RECORDS_NAME}")
    runs = [row for row in runs if in_grid is None or in_grid(row)]
    runs = [row for row in [*runs, *read_rows(studies / PUBLISHED_FOLDER, RunRow)] if row.dataset in datasets]
    ablations = [row for row in read_rows(studies / ABLATIONS_FOLDER, AblationRow) if row.dataset in datasets]
    geometry = [row for row in read_rows(studies / GEOMETRY_FOLDER, GeometryRow) if row.dataset in datasets]
    _check_data((*runs, *ablations, *geometry))
    return Measured(
        _indexed(runs, _run_key),
        _nested(_indexed(ablations, lambda row: (row.dataset, row.axis, row.value)), 2),
        _nested(_indexed(geometry, lambda row: (row.dataset, row.proxies_per_class, row.loss)), 2),
        _read_influence(root / INFLUENCE),
        tuple(name for name, is_cut in datasets.items() if is_cut),
    )


def _run_key(row: RunRow) -> tuple[str, str, str, str, str, float]:
    kind = row.noise_kind if row.noise_level else "none"
    return row.track, row.dataset, row.backbone, row.loss, kind, row.noise_level


def _check_data(rows: Iterable[Row]) -> None:
    seen: dict[str, Row] = {}
    for row in rows:
        first = seen.setdefault(row.dataset, row)
        if row.data_sha256 != first.data_sha256:
            raise SuiteError(
                f"{row.where}: data_sha256 differs from that of {first.where}: runs on different data of {row.dataset}"
            )


def _indexed(rows: Iterable[R], key: Callable[[R], K]) -> dict[K, dict[int, R]]:
    index: dict[K, dict[int, R]] = {}
    for row in rows:
        cell = index.setdefault(key(row), {})
        if row.seed in cell:
            raise SuiteError(f"{row.where}: seed = {row.seed}: this run stands in {cell[row.seed].where} too")
        cell[row.seed] = row
    return index


def _nested(index: dict[Any, Any], depth: int) -> dict[Any, dict[Any, Any]]:
    """Keys (a, b, c) as {(a, b): {c: ...}} for depth 2."""
    tree: dict[Any, dict[Any, Any]] = {}
    for key, value in index.items():
        tree.setdefault(key[:depth], {})[key[depth]] = value
    return tree


def _read_influence(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    curves = pd.read_csv(path)
    for column in ("loss", "pair", "distance", "normalised"):
        if column not in curves:
            raise SuiteError(f"{path}: column {column} is missing; run: suite figures")
    return curves
