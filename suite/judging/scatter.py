"""Where the scatter of a condition comes from: class split, search, noise mask and seed, as far as its records tell."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np

from suite.evaluation.records import Record
from suite.evaluation.retrieval import MAIN_METRIC
from suite.hashing import sha256_value
from suite.judging.statistics.estimates import PERCENT
from suite.judging.statistics.variance import balanced, nested_components

SPLIT, SEARCH, MASK, SEED = "class split", "search", "noise mask", "seed"
SOURCES = (SPLIT, SEARCH, MASK, SEED)
"""What scatter may come from, from the outside in."""
Place = tuple[str, str, str, str, str, float]


@dataclass(frozen=True, slots=True)
class Scatter:
    """Variance components of one condition.

    Attributes:
        place: regime, track, data set, loss, noise kind and level.
        runs: number of runs.
        variance: by source, in squared points; only sources that vary and can be told from each other.
        remark: what is not told apart, or why there is nothing.
    """

    place: Place
    runs: int
    variance: dict[str, float]
    remark: str = ""


def same_values(first: Iterable[Record], further: Iterable[Record]) -> list[Record]:
    """Of further runs, those that were trained with values and data of a first one of their condition and search."""
    known = {_trained(record) for record in first}
    return [record for record in further if _trained(record) in known]


def _trained(record: Record) -> Hashable:
    place = (record.regime, record.track, record.dataset, record.loss, record.noise_kind, record.noise_level)
    how = (record.search, record.data_sha256, record.compared("loss_sha256"))
    return (*place, *how, sha256_value([record.hyperparameters, record.recipe]))


def scatter_of(records: Iterable[Record], metric: str = MAIN_METRIC) -> list[Scatter]:
    """Components of each condition with two runs or more, in the order of the records.

    A noise mask belongs to a data set and a seed. So it is told from the seed only where seeds share masks; else its scatter
    is part of the seed's, and the seeds without noise show what is left without it.
    """
    found: dict[Place, list[Record]] = {}
    for record in records:
        if record.ablation is None and record.proxies is None:
            kind = record.noise_kind if record.noise_level else "none"
            place = (record.regime, record.track, record.dataset, record.loss, kind, record.noise_level)
            found.setdefault(place, []).append(record)
    return [_scatter(place, runs, metric) for place, runs in found.items() if len(runs) > 1]


def _scatter(place: Place, runs: list[Record], metric: str) -> Scatter:
    levels: dict[str, list[Hashable]] = {
        SPLIT: [run.split for run in runs],
        SEARCH: [run.search for run in runs],
        MASK: [run.noise_sha256 for run in runs],
        SEED: [run.seed for run in runs],
    }
    of_split = [len(set(zip(levels[SPLIT], levels[source], strict=True))) for source in (MASK, SEED)]
    shared = len(set(levels[MASK])) > 1 and of_split[0] < of_split[1]
    sources = [
        source for source in SOURCES if source == SEED or (len(set(levels[source])) > 1 and (source != MASK or shared))
    ]
    held = [] if shared or not place[-1] else ["the seed's holds the noise mask's"]
    if SPLIT in sources and SEARCH not in sources:
        held.append("the class split's holds the search's")
    remark = "; ".join(held)
    values = {
        tuple(levels[source][i] for source in sources): PERCENT * run.metrics.get(metric, np.nan)
        for i, run in enumerate(runs)
    }
    table = balanced(values)
    if table is None:
        return Scatter(place, len(runs), {}, "not balanced: failed runs, or other numbers of runs in a search")
    components = dict(zip(sources, nested_components(table), strict=True))
    known = {source: value for source, value in components.items() if not np.isnan(value)}
    if SEED not in known:
        remark = "one run each: the last of these holds the seed's"
    return Scatter(place, len(runs), known, remark)
