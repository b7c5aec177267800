"""Everything that claims are judged by: records of runs and studies, indexed by what they measure, and influence curves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, get_args

import numpy as np
import pandas as pd

from suite.errors import SuiteError
from suite.evaluation.records import Record
from suite.evaluation.retrieval import METRICS
from suite.judging.statistics.estimates import PERCENT, Array
from suite.judging.statistics.units import by_unit, units
from suite.settings.params import TuningTrack

SWAPPED = {"recall_at_1": "map_at_r", "map_at_r": "recall_at_1"}
"""The metric that the sensitivity page puts in place of another."""
_CLEAN = "none"
"""Noise kind of runs without label noise: they belong to every kind."""

_ON_EMBEDDED_DATA = ("frozen", "finetuned")
"""Regimes whose runs begin at the frozen backbone."""

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
        shares: what noise leaves of the points above the frozen backbone, in percent of those without noise, in place of
            points; for claims on robustness.
    """

    validation_epoch: bool = False
    swap: bool = False
    without_seed: int | None = None
    shares: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """Records, indexed by what they measure.

    Attributes:
        runs: by condition, by seed.
        ablations: by condition and axis, by value, by seed.
        crossed: the same, of ablations in which the rates were searched anew at each value and noise level counts.
        geometry: by condition (without the loss) and proxies per class, by loss, by seed.
        held: the same of models whose delta was held, by delta, by loss, by seed.
        influence: curves with columns loss, pair, distance, normalised; None where there are none.
        cut: data sets that ``params.yaml`` cuts down. Claims are about whole data sets.
        view: how to look at them.
        backbone: metrics of the frozen backbone on test classes, as shares, by data set.
        splits: the same under further splits of the classes, by the split's number.
        fresh: the same on fresh seeds alone; None where there are none.
        left_out: a line on the records of each study and data set that cannot be compared with the runs.
    """

    runs: dict[Condition, BySeed] = field(default_factory=dict)
    ablations: dict[tuple[Condition, str], dict[float, BySeed]] = field(default_factory=dict)
    crossed: dict[tuple[Condition, str], dict[float, BySeed]] = field(default_factory=dict)
    geometry: dict[tuple[Condition, int], dict[str, BySeed]] = field(default_factory=dict)
    held: dict[tuple[Condition, int], dict[float, dict[str, BySeed]]] = field(default_factory=dict)
    influence: pd.DataFrame | None = None
    cut: tuple[str, ...] = ()
    view: View = View()
    backbone: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    splits: Mapping[int, "Measured"] = field(default_factory=dict)
    fresh: "Measured | None" = None
    left_out: tuple[str, ...] = ()

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
        if record.proxies is not None:
            models = (condition._replace(loss="", track="tuned"), record.proxies.proxies_per_class)
            if record.ablation is None:
                return self.geometry.setdefault(models, {}).setdefault(record.loss, {})
            at_delta = self.held.setdefault(models, {}).setdefault(record.ablation.value, {})
            return at_delta.setdefault(record.loss, {})
        if record.ablation is not None:
            place = (condition, record.ablation.axis)
            study = self.crossed if record.ablation.crossed else self.ablations
            return study.setdefault(place, {}).setdefault(record.ablation.value, {})
        return self.runs.setdefault(condition, {})

    def counts(self) -> dict[str, int]:
        """Number of records of each kind."""
        return {
            "records": sum(map(len, self.runs.values())),
            "ablations": sum(
                len(runs)
                for study in (self.ablations, self.crossed)
                for by_value in study.values()
                for runs in by_value.values()
            ),
            "geometry": sum(len(runs) for by_loss in self.all_geometry for runs in by_loss.values()),
        }

    @property
    def all_geometry(self) -> list[dict[str, BySeed]]:
        """Models of the geometry study by loss, by seed, whether their delta was searched or held."""
        return [*self.geometry.values(), *(by_loss for held in self.held.values() for by_loss in held.values())]

    def datasets(self) -> set[str]:
        """Data sets that there is a record of."""
        places = [
            *self.runs,
            *(place for place, _ in self.ablations),
            *(place for place, _ in [*self.geometry, *self.held]),
        ]
        return {place.dataset for place in places}

    def gains(self, values: Mapping[str, Array], dataset: str, regime: str, metric: str) -> dict[str, float]:
        """Mean points above the frozen backbone of values (units,) in percent, by name; empty where it was not measured."""
        reference = self.frozen_backbone(dataset, regime, metric)
        if reference is None:
            return {}
        return {key: float(np.nanmean(mine)) - reference for key, mine in values.items() if np.isfinite(mine).any()}

    def frozen_backbone(self, dataset: str, regime: str, metric: str) -> float | None:
        """A metric of the frozen backbone on test classes in percent; None where it was not measured."""
        name = SWAPPED.get(metric, metric) if self.view.swap else metric
        share = self.backbone.get(dataset, {}).get(name) if regime in _ON_EMBEDDED_DATA else None
        return None if share is None else PERCENT * share

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

    def ablation(self, condition: Condition, axis: str) -> dict[float, BySeed]:
        """Runs of an ablation by value of its axis, all else as it was tuned; without label noise.

        Raises:
            NotRunError: there are none.
        """
        found = self.ablations.get((condition, axis))
        if not found:
            raise NotRunError(f"no ablation of {axis} on {condition.dataset} in regime {condition.regime}")
        return found

    def crossed_ablation(self, condition: Condition, axis: str) -> dict[float, BySeed]:
        """Runs by value of an axis at one level of noise, the rates searched anew at each value.

        Raises:
            NotRunError: there are none.
        """
        found = self.crossed.get((condition, axis))
        if not found:
            where = f"{condition.dataset} at noise {condition.noise_level:g} in regime {condition.regime}"
            raise NotRunError(f"no crossed ablation of {axis} on {where}")
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
