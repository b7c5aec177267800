"""The leaderboard: for each table and loss means over seeds, both error bars, standing, drop from clean labels, failures.

A table holds the runs of one regime, track, data set, noise kind and noise level; its runs are paired by seed.

Failures count against a loss. A loss with a failed run is compared with no other: its mean would leave out exactly the
seeds that were hard for it, and any number in their place would widen its interval until nothing could be told apart
from it. It takes its rank behind all losses that finished every run, and is not in the tie group.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from suite.errors import SuiteError, allowed
from suite.evaluation.records import CONDITION, TABLE
from suite.evaluation.retrieval import MAIN_METRIC, METRICS
from suite.evaluation.tables import check_paired, handed_in_losses, measured_metrics
from suite.judging.statistics.comparisons import AllPairs, all_pairs, standing
from suite.judging.statistics.estimates import PERCENT, Array, class_error, t_interval
from suite.judging.statistics.units import by_unit, units
from suite.settings.params import TuningTrack
from suite.settings.plans import Regime, Track

FROZEN = "frozen backbone"
TIES_OWN = "ties_own"
"""Column of a board with losses that were handed in: whether another one may be the best without them."""
_CLEAN_TRACK = dict.fromkeys(get_args(TuningTrack), "tuned")
"""The track whose runs without noise are those that a track's runs with noise are compared with."""
_COUNTS = ("rank_low", "rank_high")
_DIGITS = 4


def tables_of(records: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Each table of the records, in their order: the values of ``TABLE``, and its runs.

    Raises:
        SuiteError: a loss has two runs with one seed, e.g. with two backbones: they cannot be paired.
    """
    for place, runs in records.groupby(list(TABLE), sort=False):
        twice = runs[runs.duplicated(["loss", "seed"])]
        if len(twice):
            run = twice.iloc[0]
            raise SuiteError(
                f"{run['file']}: {run['loss']} has two runs with seed {run['seed']} in the table {allowed(place)}; "
                "allowed: one, with one backbone"
            )
        yield dict(zip(TABLE, place, strict=True)), runs


def leaderboard(records: pd.DataFrame, frozen: pd.DataFrame) -> pd.DataFrame:
    """Aggregate records over seeds; percentages rounded to 4 decimals.

    A failed run counts in ``failures`` and in no mean. A metric that a run did not measure counts in no mean of that metric.
    Rows are ordered by regime, track, data set as in the records, noise kind, noise level, number of failures and R@1. The
    drop from clean labels is the mean paired difference over seeds that finished both runs.

    Args:
        records: one row a run, as ``to_table`` gives.
        frozen: one row a data set: the frozen backbone on the test classes, columns ``dataset`` and the metrics.

    Returns:
        One row for each condition, and one a table for the frozen backbone. Of each
        metric that any run or the backbone measured the mean and
        ``_low``, ``_high`` over seeds; of R@1 ``class_error``, ``class_low``, ``class_high`` over test classes;
        ``rank_low``, ``rank_high``, ``ties_best``, ``behind_low``, ``behind_high`` as in ``Standing``. Where runs were
        handed in, ``ties_own``: ``ties_best`` among the losses that were not, empty for those that were.

    Raises:
        SuiteError: losses of a table do not have the same seeds.
    """
    check_paired(records)
    measured = {MAIN_METRIC, *measured_metrics(records), *measured_metrics(frozen)}
    metrics, others = [metric for metric in METRICS if metric in measured], handed_in_losses(records)
    references = frozen.set_index("dataset").reindex(columns=metrics)
    rows = []
    for where, runs in tables_of(records):
        reference = {metric: PERCENT * float(references.loc[where["dataset"], metric]) for metric in metrics}
        places = standing_of(runs)
        if others:
            places[TIES_OWN] = standing_of(runs[~runs["loss"].isin(others)])["ties_best"]
        for loss, mine in runs.groupby("loss", sort=False):
            row = where | {"loss": loss} | _counts(mine) | places.loc[loss].to_dict() | _means(mine, metrics)
            row |= _classes(mine) | _drop(mine, _clean(records, where, str(loss)))
            rows.append(row | {"gain_over_frozen": row[MAIN_METRIC] - reference[MAIN_METRIC]})
        none = dict.fromkeys(("runs", "failures", "searches"), 0) | dict.fromkeys(("tuned", "ties_best"), False)
        rows.append(where | {"loss": FROZEN} | none | {"gain_over_frozen": 0.0} | reference)
    return _ordered(pd.DataFrame(rows).astype(dict.fromkeys(_COUNTS, "Int64")))


def _counts(mine: pd.DataFrame) -> dict[str, Any]:
    tuned = bool((mine["hyperparameter_source"] == "search").all()) and mine["track"].iloc[0] == "tuned"
    failures, searches = int((mine["status"] != "ok").sum()), int(mine["search"].nunique())
    return {"runs": len(mine), "failures": failures, "tuned": tuned, "searches": searches}


def _means(mine: pd.DataFrame, metrics: list[str]) -> dict[str, float]:
    means: dict[str, float] = {}
    for metric in metrics:
        interval = t_interval(over_units(mine, PERCENT * mine[metric], "search"))
        means |= {metric: interval.mean, f"{metric}_low": interval.low, f"{metric}_high": interval.high}
    return means


def _classes(mine: pd.DataFrame) -> dict[str, float]:
    """The error of the mean R@1 over test classes, in points."""
    hits, queries = class_hits(mine)
    if not len(queries):
        return dict.fromkeys(("class_error", "class_low", "class_high"), np.nan)
    found = class_error(hits, queries)
    return {
        "class_error": PERCENT * found.error,
        "class_low": PERCENT * found.low,
        "class_high": PERCENT * found.high,
    }


def _clean(records: pd.DataFrame, where: dict[str, Any], loss: str) -> pd.DataFrame:
    """Runs of the same condition but for the noise level, which is 0."""
    track = _CLEAN_TRACK.get(where["track"], where["track"])
    condition = where | {"loss": loss, "noise_level": 0, "track": track}
    chosen = pd.Series(data=True, index=records.index)
    for name in CONDITION:
        chosen &= records[name] == condition[name]
    return records[chosen]


def _drop(mine: pd.DataFrame, clean: pd.DataFrame) -> dict[str, float]:
    """Mean loss of R@1 against the run of the same seed without noise, in points, with its interval."""
    columns = ["seed", "search", MAIN_METRIC]
    pairs = clean[columns].merge(mine[columns], on="seed", suffixes=("_clean", "_noisy"))
    drops = PERCENT * (pairs[f"{MAIN_METRIC}_clean"] - pairs[f"{MAIN_METRIC}_noisy"])
    interval = t_interval(over_units(pairs, drops, "search_clean", "search_noisy"))
    return {"drop_from_clean": interval.mean, "drop_low": interval.low, "drop_high": interval.high}


def over_units(runs: pd.DataFrame, values: pd.Series, *searches: str) -> list[float]:
    """Means of values of runs over each unit; runs that failed count in none."""
    rows = zip(values.tolist(), *(_searches(runs[name]) for name in searches), strict=True)
    finished = [(value, found) for value, *found in rows if not math.isnan(value)]
    if not finished:
        return []
    return list(by_unit(np.array([value for value, _ in finished]), units([found for _, found in finished])))


def paired_values(runs: pd.DataFrame, losses: Sequence[str], metric: str = MAIN_METRIC) -> Array:
    """Values (units, losses) of a metric in one table, over seeds that all of these losses finished.

    A unit is a set of seeds on which each loss has the values of one search.
    """
    keys = zip(runs["seed"].tolist(), runs["loss"].tolist(), strict=True)
    numbers = runs[metric].to_numpy(dtype=np.float64).tolist()
    measured = dict(zip(keys, zip(numbers, _searches(runs["search"]), strict=True), strict=True))
    of_seeds = [[measured.get((seed, loss), (np.nan, None)) for loss in losses] for seed in sorted(set(runs["seed"]))]
    finished = [found for found in of_seeds if not any(math.isnan(value) for value, _ in found)]
    if not finished:
        return np.empty((0, len(losses)))
    values = np.array([[value for value, _ in found] for found in finished])
    return by_unit(values.T, units([[search for _, search in found] for found in finished])).T


def _searches(column: pd.Series) -> list[Any]:
    """Numbers of searches; None where there was none."""
    return [None if pd.isna(search) else search for search in column.tolist()]


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    datasets = list(dict.fromkeys(table["dataset"]))
    keys = pd.DataFrame(
        {
            "regime": table["regime"].map(get_args(Regime).index),
            "track": table["track"].map(get_args(Track).index),
            "dataset": table["dataset"].map(datasets.index),
            "noise_kind": table["noise_kind"],
            "noise_level": table["noise_level"],
            "failures": table["failures"],
            "recall": -table[MAIN_METRIC],
            "loss": table["loss"],
        }
    )
    order = keys.sort_values(list(keys.columns), na_position="last").index
    return table.loc[order].reset_index(drop=True).round(_DIGITS)


def standing_of(runs: pd.DataFrame) -> pd.DataFrame:
    """Standing of each loss of one table by R@1: rank interval, tie group, points behind the best.

    Args:
        runs: the records of one table.

    Returns:
        One row a loss, the columns of ``Standing``; losses with failed runs have no ``behind_low`` and ``behind_high``.
    """
    losses = list(dict.fromkeys(runs["loss"]))
    complete, pairs = _compared(runs)
    found = pd.DataFrame(
        {
            "rank_low": 1 + len(complete),
            "rank_high": len(losses),
            "ties_best": False,
            "behind_low": np.nan,
            "behind_high": np.nan,
        },
        index=pd.Index(losses, name="loss"),
    )
    if complete:
        places = standing(pairs)
        for column in found.columns:
            found.loc[complete, column] = getattr(places, column)
    if runs["seed"].nunique() < 2:
        found["ties_best"] = False  # one seed has no interval: nothing is known of who is the best
    return found


def comparisons(records: pd.DataFrame) -> pd.DataFrame:
    """All pairwise differences of R@1 in points, with both errors, for every table.

    Returns:
        One row for each table and pair of losses without failed runs: ``difference`` (loss less other), ``low`` and ``high``
        of the interval that holds for all pairs of the table together, ``p`` of the paired t-test, ``p_adjusted`` for the
        number of pairs, those of losses with failed runs among them, and ``class_error``, ``class_low``, ``class_high`` of
        the difference over test classes.
    """
    rows: list[dict[str, Any]] = []
    for where, runs in tables_of(records):
        complete, pairs = _compared(runs)
        hits = {loss: class_hits(mine) for loss, mine in runs.groupby("loss", sort=False)}
        for i, loss in enumerate(complete):
            for j, other in enumerate(complete[i + 1 :], i + 1):
                queries = hits[loss][1]
                error = class_error(hits[loss][0] - hits[other][0], queries)
                rows.append(
                    where
                    | {"loss": loss, "other": other, "seeds": int(runs["seed"].nunique())}
                    | {
                        name: round(float(getattr(pairs, name)[i, j]), _DIGITS)
                        for name in ("difference", "low", "high")
                    }
                    | {name: float(f"{getattr(pairs, name)[i, j]:.3g}") for name in ("p", "p_adjusted")}
                    | {
                        f"class_{name}": round(PERCENT * getattr(error, name), _DIGITS)
                        for name in ("error", "low", "high")
                    }
                )
    columns = [*TABLE, "loss", "other", "seeds", "difference", "low", "high", "p", "p_adjusted"]
    return pd.DataFrame(rows, columns=[*columns, "class_error", "class_low", "class_high"])


def _compared(runs: pd.DataFrame) -> tuple[list[str], AllPairs]:
    """Losses of a table that finished every run, in the order of the records, and their pairwise differences in points.

    These are adjusted for the pairs of all losses of the table, with those that did not finish.
    """
    finished = runs.groupby("loss", sort=False)["status"].agg(lambda status: (status == "ok").all())
    complete = [str(loss) for loss in finished.index[finished.astype(bool)]]
    values = PERCENT * paired_values(runs, complete) if complete else np.empty((1, 0))
    return complete, all_pairs(values, together=math.comb(len(finished), 2))


def class_hits(mine: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean hits (C,) over the finished runs of a condition and queries (C,) of each test class; empty if none finished."""
    finished = mine[mine["status"] == "ok"]
    if not len(finished):
        return np.empty(0), np.empty(0)
    hits = np.array(finished["class_hits"].tolist(), dtype=np.float64).mean(axis=0)
    return hits, np.asarray(finished["class_queries"].iloc[0], dtype=np.float64)
