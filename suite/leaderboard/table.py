"""Leaderboard rows: per data set, loss and noise level, means over seeds with intervals, drop from clean, failures."""

from collections.abc import Sequence

import pandas as pd

from suite.evaluation.intervals import t_interval
from suite.evaluation.records import METRICS

PERCENT = 100.0
FROZEN = "frozen backbone"


def leaderboard(records: pd.DataFrame, frozen: pd.DataFrame) -> pd.DataFrame:
    """Aggregate records over seeds; percentages rounded to 4 decimals.

    A failed run counts in ``failures`` and in no mean. Rows are ordered by data set as in the records, noise level, and
    R@1, rows with failures last. The drop from clean is the mean paired difference over seeds that finished both runs.

    Args:
        records: one row a run, as ``read_records`` gives.
        frozen: one row a data set: the frozen backbone on the test classes, columns ``dataset`` and the metrics.

    Returns:
        One row for each (data set, noise level, loss), and one a (data set, noise level) for the frozen backbone.
    """
    rows = []
    cells = records.groupby(["dataset", "noise_kind", "noise_level", "loss"], sort=False)
    references = frozen.set_index("dataset")
    for (dataset, kind, level, loss), cell in cells:
        row = {"dataset": dataset, "noise_kind": kind, "noise_level": level, "loss": loss}
        row |= {"runs": len(cell), "failures": int((cell["status"] != "ok").sum()), "tuned": bool(cell["tuned"].all())}
        for metric in METRICS:
            interval = t_interval((PERCENT * cell[metric]).tolist())
            row |= {metric: interval.mean, f"{metric}_low": interval.low, f"{metric}_high": interval.high}
        row |= _drop(cell, records, dataset, loss)
        row["gain_over_frozen"] = row["recall_at_1"] - PERCENT * float(references.loc[dataset, "recall_at_1"])
        rows.append(row)
    for dataset, kind, level in dict.fromkeys((row["dataset"], row["noise_kind"], row["noise_level"]) for row in rows):
        reference = {metric: PERCENT * float(references.loc[dataset, metric]) for metric in METRICS}
        same = {"dataset": dataset, "noise_kind": kind, "noise_level": level, "loss": FROZEN}
        rows.append(same | {"runs": 0, "failures": 0, "tuned": False, "gain_over_frozen": 0.0} | reference)
    return _ordered(pd.DataFrame(rows))


def _drop(cell: pd.DataFrame, records: pd.DataFrame, dataset: str, loss: str) -> dict[str, float]:
    """Mean loss of R@1 against the run of the same seed without noise, in points, with its interval."""
    clean = records[(records["dataset"] == dataset) & (records["loss"] == loss) & (records["noise_level"] == 0)]
    pairs = clean.merge(cell, on="seed", suffixes=("_clean", "_noisy"))
    interval = t_interval((PERCENT * (pairs["recall_at_1_clean"] - pairs["recall_at_1_noisy"])).tolist())
    return {"drop_from_clean": interval.mean, "drop_low": interval.low, "drop_high": interval.high}


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    datasets: Sequence[str] = list(dict.fromkeys(table["dataset"]))
    keys = pd.DataFrame(
        {
            "dataset": table["dataset"].map(datasets.index),
            "noise_level": table["noise_level"],
            "failed": table["failures"] > 0,
            "recall": -table["recall_at_1"],
            "loss": table["loss"],
        }
    )
    order = keys.sort_values(list(keys.columns), na_position="last").index
    return table.loc[order].reset_index(drop=True).round(4)
