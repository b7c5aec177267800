"""Leaderboard rows: per table and loss means over seeds, both error bars, standing, drop from clean, failures."""

from typing import Any

import numpy as np
import pandas as pd

from suite.evaluation.records import METRICS, TABLE, check_paired
from suite.judging.leaderboard.standing import PERCENT, class_share, standing_of
from suite.judging.statistics.intervals import t_interval
from suite.judging.statistics.resampling import class_error

TRACKS = ("tuned", "published")
FROZEN = "frozen backbone"
_COUNTS = ("rank_low", "rank_high")


def leaderboard(records: pd.DataFrame, frozen: pd.DataFrame) -> pd.DataFrame:
    """Aggregate records over seeds; percentages rounded to 4 decimals.

    A failed run counts in ``failures`` and in no mean. Rows are ordered by track, data set as in the records, noise level,
    number of failures and R@1. The drop from clean is the mean paired difference over seeds that finished both runs.

    Args:
        records: one row a run, as ``read_records`` gives.
        frozen: one row a data set: the frozen backbone on the test classes, columns ``dataset`` and the metrics.

    Returns:
        One row for each (track, data set, noise kind, noise level, loss), and one a table for the frozen backbone. Of each
        metric the mean and ``_low``, ``_high`` over seeds; of R@1 ``class_error``, ``class_low``, ``class_high`` over test
        classes; ``rank_low``, ``rank_high``, ``ties_best``, ``behind_low``, ``behind_high`` as in ``Standing``.

    Raises:
        SuiteError: losses of a table do not have the same seeds.
    """
    check_paired(records)
    references = frozen.set_index("dataset")
    rows = []
    for place, runs in records.groupby(list(TABLE), sort=False):
        where = dict(zip(TABLE, place, strict=True))
        reference = {metric: PERCENT * float(references.loc[where["dataset"], metric]) for metric in METRICS}
        standing = standing_of(runs)
        for loss, cell in runs.groupby("loss", sort=False):
            row = where | {"loss": loss} | _counts(cell) | standing.loc[loss].to_dict() | _means(cell) | _classes(cell)
            row |= _drop(cell, _clean(records, where, str(loss)))
            rows.append(row | {"gain_over_frozen": row["recall_at_1"] - reference["recall_at_1"]})
        same = {"loss": FROZEN, "runs": 0, "failures": 0, "tuned": False, "ties_best": False, "gain_over_frozen": 0.0}
        rows.append(where | same | reference)
    return _ordered(pd.DataFrame(rows).astype(dict.fromkeys(_COUNTS, "Int64")))


def _counts(cell: pd.DataFrame) -> dict[str, Any]:
    tuned = "origin" not in cell or cell["origin"].dropna().eq("search").all()
    failures = int((cell["status"] != "ok").sum())
    return {"runs": len(cell), "failures": failures, "tuned": bool(tuned) and cell["track"].iloc[0] == "tuned"}


def _means(cell: pd.DataFrame) -> dict[str, float]:
    means: dict[str, float] = {}
    for metric in METRICS:
        interval = t_interval((PERCENT * cell[metric]).tolist())
        means |= {metric: interval.mean, f"{metric}_low": interval.low, f"{metric}_high": interval.high}
    return means


def _classes(cell: pd.DataFrame) -> dict[str, float]:
    """The error of the mean R@1 over test classes, in points."""
    hits, queries = class_share(cell)
    if not len(queries):
        return dict.fromkeys(("class_error", "class_low", "class_high"), np.nan)
    found = class_error(hits, queries)
    return {
        "class_error": PERCENT * found.error,
        "class_low": PERCENT * found.low,
        "class_high": PERCENT * found.high,
    }


def _clean(records: pd.DataFrame, where: dict[str, Any], loss: str) -> pd.DataFrame:
    same = (records["track"] == where["track"]) & (records["dataset"] == where["dataset"]) & (records["loss"] == loss)
    return records[same & (records["noise_kind"] == where["noise_kind"]) & (records["noise_level"] == 0)]


def _drop(cell: pd.DataFrame, clean: pd.DataFrame) -> dict[str, float]:
    """Mean loss of R@1 against the run of the same seed without noise, in points, with its interval."""
    pairs = clean.merge(cell, on="seed", suffixes=("_clean", "_noisy"))
    interval = t_interval((PERCENT * (pairs["recall_at_1_clean"] - pairs["recall_at_1_noisy"])).tolist())
    return {"drop_from_clean": interval.mean, "drop_low": interval.low, "drop_high": interval.high}


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    datasets = list(dict.fromkeys(table["dataset"]))
    keys = pd.DataFrame(
        {
            "track": table["track"].map(TRACKS.index),
            "dataset": table["dataset"].map(datasets.index),
            "noise_kind": table["noise_kind"],
            "noise_level": table["noise_level"],
            "failures": table["failures"],
            "recall": -table["recall_at_1"],
            "loss": table["loss"],
        }
    )
    order = keys.sort_values(list(keys.columns), na_position="last").index
    return table.loc[order].reset_index(drop=True).round(4)
