"""Everything that claims are judged by, checked as a whole: records of runs and studies, and influence curves."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import pandas as pd

from suite.errors import SuiteError, allowed
from suite.evaluation.records import Record, check_records, read_records
from suite.evaluation.retrieval import METRICS
from suite.judging.backbone import backbone_file, backbone_metrics
from suite.judging.statistics.estimates import PERCENT, Array
from suite.judging.statistics.units import by_unit, units
from suite.settings.params import TuningTrack
from suite.settings.paths import (
    ABLATIONS,
    GEOMETRY,
    INFLUENCE_FILE,
    PAPER_VALUES,
    RECORDS_NAME,
    RUNS_FOLDER,
    STUDIES_FOLDER,
)

SWAPPED = {"recall_at_1": "map_at_r", "map_at_r": "recall_at_1"}
"""The metric that the sensitivity page puts in place of another."""
_CLEAN = "none"
"""Noise kind of runs without label noise: they belong to every kind."""

BySeed = dict[int, Record]


class NotRunError(Exception):
    """There is nothing, or too little, to judge a claim by. It is no mistake; the message says what is missing."""


class Condition(NamedTuple):
    """What runs have in common that differ in their seeds alone."""

    regime: str
    track: str
    dataset: str
    backbone: str
    loss: str
    noise_kind: str = _CLEAN
    noise_level: float = 0.0

    @classmethod
    def of(cls, record: Record) -> "Condition":
        """The condition of a record."""
        kind = record.noise_kind if record.noise_level else _CLEAN
        fixed = record.regime, record.track, record.dataset, record.backbone, record.loss
        return cls(*fixed, kind, record.noise_level)


@dataclass(frozen=True, slots=True)
class View:
    """A way to look at the records; the sensitivity page compares verdicts under several.

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
    """Records, indexed by what they measure.

    Attributes:
        runs: by condition, by seed.
        ablations: by condition and axis, by value, by seed.
        geometry: by condition (without the loss) and proxies per class, by loss, by seed.
        influence: curves with columns loss, pair, distance, normalised; None where there are none.
        cut: data sets that ``params.yaml`` cuts down. Claims are about whole data sets.
        view: how to look at them.
        backbone: metrics of the frozen backbone on test classes, as shares, by data set; of regime ``frozen``.
    """

    runs: dict[Condition, BySeed] = field(default_factory=dict)
    ablations: dict[tuple[Condition, str], dict[float, BySeed]] = field(default_factory=dict)
    geometry: dict[tuple[Condition, int], dict[str, BySeed]] = field(default_factory=dict)
    influence: pd.DataFrame | None = None
    cut: tuple[str, ...] = ()
    view: View = View()
    backbone: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, records: Iterable[Record], influence: pd.DataFrame | None = None, cut: tuple[str, ...] = ()
    ) -> "Measured":
        """Index records that were checked together."""
        measured = cls(influence=influence, cut=cut)
        for record in records:
            measured._index(record)[record.seed] = record
        return measured

    def _index(self, record: Record) -> BySeed:
        """The runs that a record belongs to."""
        condition = Condition.of(record)
        if record.ablation is not None:
            place = (condition, record.ablation.axis)
            return self.ablations.setdefault(place, {}).setdefault(record.ablation.value, {})
        if record.proxies is not None:
            study = (condition._replace(loss=""), record.proxies.proxies_per_class)
            return self.geometry.setdefault(study, {}).setdefault(record.loss, {})
        return self.runs.setdefault(condition, {})

    def counts(self) -> dict[str, int]:
        """Number of records of each kind."""
        return {
            "records": sum(map(len, self.runs.values())),
            "ablations": sum(len(runs) for by_value in self.ablations.values() for runs in by_value.values()),
            "geometry": sum(len(runs) for by_loss in self.geometry.values() for runs in by_loss.values()),
        }

    def datasets(self) -> set[str]:
        """Data sets that there is a record of."""
        places = [*self.runs, *(place for place, _ in self.ablations), *(place for place, _ in self.geometry)]
        return {place.dataset for place in places}

    def gains(self, values: Mapping[str, Array], dataset: str, regime: str, metric: str) -> dict[str, float]:
        """Mean points above the frozen backbone of values (units,) in percent, by name; empty where it was not measured."""
        name = SWAPPED.get(metric, metric) if self.view.swap else metric
        reference = self.backbone.get(dataset, {}).get(name) if regime == "frozen" else None
        if reference is None:
            return {}
        return {
            key: float(np.nanmean(mine)) - PERCENT * reference
            for key, mine in values.items()
            if np.isfinite(mine).any()
        }

    def seen_as(self, view: View) -> "Measured":
        """The same records under another view."""
        return replace(self, view=view)

    def check_whole(self, dataset: str) -> None:
        """Check that a data set is not cut down.

        Raises:
            NotRunError: it is.
        """
        if dataset in self.cut:
            raise NotRunError(f"params.yaml cuts {dataset} down (datasets.{dataset}.max_classes)")

    def runs_of(self, condition: Condition) -> BySeed:
        """Runs of one condition by seed.

        Raises:
            NotRunError: there are none.
        """
        self.check_whole(condition.dataset)
        level = condition.noise_level
        runs = self.runs.get(condition)
        if not level:  # without noise, values chosen under noise are out of place
            track = "tuned" if condition.track in get_args(TuningTrack) else condition.track
            runs = self.runs.get(condition._replace(noise_kind=_CLEAN, track=track))
        if not runs:
            on = f"{condition.dataset} ({condition.backbone})"
            where = f"noise {level:g}, regime {condition.regime}, track {condition.track}"
            raise NotRunError(f"no records of {condition.loss} on {on} with {where}")
        return runs

    def ablation(
        self, condition: Condition, axis: str, noise_kind: str = _CLEAN, noise_level: float = 0.0
    ) -> dict[float, BySeed]:
        """Runs of an ablation by value of its axis, at one level of noise.

        Raises:
            NotRunError: there are none.
        """
        where = condition._replace(noise_kind=noise_kind if noise_level else _CLEAN, noise_level=noise_level)
        found = self.ablations.get((where, axis))
        if not found:
            under = f" at noise {noise_level:g}" if noise_level else ""
            raise NotRunError(f"no ablation of {axis} on {where.dataset}{under} in regime {where.regime}")
        return found

    def table(self, conditions: Sequence[Mapping[int, Record]], metric: str, minimum: int) -> Array:
        """A metric in percent of several conditions, (conditions, units); NaN where a run of a unit failed.

        A unit is a search, or a seed: see ``suite.judging.statistics.units``.

        Raises:
            SuiteError: the conditions do not have the same seeds, or runs of one seed and noise level had different noise.
            NotRunError: fewer seeds than the minimum, or the metric was not measured.
        """
        seeds = self.seeds(conditions, minimum)
        for seed in seeds:
            masks: dict[tuple[str, float], Record] = {}
            for runs in conditions:
                run = runs[seed]
                first = masks.setdefault((run.dataset, run.noise_level), run)
                if run.noise_sha256 != first.noise_sha256:
                    raise SuiteError(
                        f"{run.where}: noise_sha256 differs from that of the same seed in {first.where}: unpaired runs"
                    )
        values = np.array([[self._value(runs[seed], metric) for seed in seeds] for runs in conditions])
        return by_unit(values, units([[runs[seed].search for runs in conditions] for seed in seeds]))

    def seeds(self, conditions: Sequence[Mapping[int, Record]], minimum: int) -> list[int]:
        """Seeds that all conditions share, less the one that the view leaves out.

        Raises:
            SuiteError: the conditions do not have the same seeds.
            NotRunError: fewer seeds than the minimum.
        """
        first = conditions[0]
        for runs in conditions[1:]:
            if runs.keys() != first.keys():
                mine, others = (next(iter(each.values())).file for each in (runs, first))
                raise SuiteError(
                    f"{mine}: seed: unpaired runs: {sorted(runs)} here, {sorted(first)} in {others}; "
                    "allowed: the same seeds"
                )
        seeds = sorted(first.keys() - {self.view.without_seed})
        needed = minimum - (self.view.without_seed is not None)
        if len(seeds) < needed:
            file = next((run.file for run in first.values()), "no file")
            raise NotRunError(f"{file}: seed: {len(seeds)} of the {needed} seeds that minimum_seeds asks for")
        return seeds

    def _value(self, run: Record, metric: str) -> float:
        if run.status == "failed":
            return np.nan
        metrics = run.metrics
        if self.view.validation_epoch:
            if run.validation_epoch is None:
                raise NotRunError(f"{run.where}: no validation_epoch")
            metrics = run.validation_epoch.metrics
        name = SWAPPED.get(metric, metric) if self.view.swap else metric
        if name not in metrics:
            raise NotRunError(f"{run.where}: {METRICS[name].label} ({name}) was not measured")
        return PERCENT * metrics[name]


def read_measured(
    datasets: Mapping[str, bool],
    root: Path = Path(),
    in_grid: Callable[[Record], bool] | None = None,
    losses: Collection[str] | None = None,
) -> Measured:
    """Read and check the folders of the pipeline; what is missing is empty.

    Args:
        datasets: data sets of ``params.yaml``, and whether it cuts them down. Records of others are left out.
        root: folder that holds ``runs``, ``results`` and ``docs``.
        in_grid: which records of ``runs`` count; None for all.
        losses: losses whose folders in ``runs`` are read; None for all. Folders of losses that are run no more stay there.

    Raises:
        SuiteError: a record is malformed, stands twice, or had other data than the rest.
    """
    folders = ["*"] if losses is None else [f"{dataset}-{loss}" for dataset in datasets for loss in losses]
    found = [record for name in folders for record in _read(root / RUNS_FOLDER, f"{name}/{RECORDS_NAME}")]
    runs = [record for record in found if in_grid is None or in_grid(record)]
    studies = [
        record
        for kind in (PAPER_VALUES, ABLATIONS, GEOMETRY)
        for record in _read(root / STUDIES_FOLDER / kind, "*.jsonl")
    ]
    records = [record for record in (*runs, *studies) if record.dataset in datasets]
    # Studies in git are of whole data sets, and have other test classes than runs on a part.
    check_records([record for record in records if not datasets[record.dataset]])
    cut = tuple(name for name, is_cut in datasets.items() if is_cut)
    path = root / INFLUENCE_FILE
    measured = Measured.of(records, read_influence(path) if path.is_file() else None, cut)
    there = [name for name in datasets if backbone_file(name, root).is_file()]
    return replace(measured, backbone={name: backbone_metrics(name, root) for name in there})


def _read(folder: Path, files: str) -> list[Record]:
    """Records of all files of a folder, each file checked by itself."""
    return [record for path in sorted(folder.glob(files)) for record in read_records([path])]


def read_influence(path: Path) -> pd.DataFrame:
    """The influence curves of ``suite figures``.

    Raises:
        SuiteError: the file is no CSV, or lacks a column.
    """
    try:
        curves = pd.read_csv(path)
    except ValueError as error:
        raise SuiteError(f"{path} is not valid CSV: {error}; run: suite figures") from error
    missing = [column for column in ("loss", "pair", "distance", "normalised") if column not in curves]
    if missing:
        raise SuiteError(f"{path} lacks column {allowed(missing)}; run: suite figures")
    return curves
