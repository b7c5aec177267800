"""Who is ahead of whom within one table: the same track, data set and noise level, runs paired by seed.

Failures count against a loss. One whose runs did not all finish is compared with nobody: its mean would leave out just the
seeds that it could not bear, and any number put in their place would widen its interval until nothing could be told apart
from it. It takes its rank behind all losses that finished every run, and is not in the tie group.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from suite.evaluation.records import TABLE
from suite.judging.statistics.ranks import standing
from suite.judging.statistics.resampling import class_error
from suite.judging.statistics.simultaneous import AllPairs, all_pairs

PERCENT = 100.0
METRIC = "recall_at_1"
"""What the leaderboard ranks by."""


def standing_of(runs: pd.DataFrame) -> pd.DataFrame:
    """Standing of each loss of one table by R@1: rank interval, tie group, points behind the best.

    Args:
        runs: the records of one table.

    Returns:
        One row a loss, the columns of ``Standing``; losses with failed runs have no ``behind_low`` and ``behind_high``.
    """
    losses = list(dict.fromkeys(runs["loss"]))
    complete, pairs = compared(runs)
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
    return found


def comparisons(records: pd.DataFrame) -> pd.DataFrame:
    """All pairwise differences of R@1 in points, with both errors, for every table.

    Returns:
        One row for each table and pair of losses without failed runs: ``difference`` (loss less other), ``low`` and ``high``
        of the interval that holds for all pairs of the table together, ``p`` of the paired t-test, ``p_adjusted`` for the
        number of pairs, and ``class_error``, ``class_low``, ``class_high`` of the difference over test classes.
    """
    rows: list[dict[str, Any]] = []
    for place, runs in records.groupby(list(TABLE), sort=False):
        complete, pairs = compared(runs)
        shares = {loss: class_share(cell) for loss, cell in runs.groupby("loss", sort=False)}
        for i, loss in enumerate(complete):
            for j, other in enumerate(complete[i + 1 :], i + 1):
                queries = shares[loss][1]
                error = class_error(shares[loss][0] - shares[other][0], queries)
                rows.append(
                    dict(zip(TABLE, place, strict=True))
                    | {"loss": loss, "other": other, "seeds": int(runs["seed"].nunique())}
                    | {name: round(float(getattr(pairs, name)[i, j]), 4) for name in ("difference", "low", "high")}
                    | {name: float(f"{getattr(pairs, name)[i, j]:.3g}") for name in ("p", "p_adjusted")}
                    | {f"class_{name}": round(PERCENT * getattr(error, name), 4) for name in ("error", "low", "high")}
                )
    columns = [*TABLE, "loss", "other", "seeds", "difference", "low", "high", "p", "p_adjusted"]
    return pd.DataFrame(rows, columns=[*columns, "class_error", "class_low", "class_high"])


def compared(runs: pd.DataFrame) -> tuple[list[str], AllPairs]:
    """Losses of a table that finished every run, in the order of the records, and their pairwise differences in points."""
    finished = runs.groupby("loss", sort=False)["status"].agg(lambda status: (status == "ok").all())
    complete = [str(loss) for loss in finished.index[finished.astype(bool)]]
    values = runs.pivot_table(index="seed", columns="loss", values=METRIC)
    values = values.reindex(index=sorted(set(runs["seed"])), columns=complete)
    return complete, all_pairs(PERCENT * values.to_numpy(dtype=np.float64))


def class_share(cell: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean hits (C,) over a cell's finished runs and queries (C,) of each test class; empty if none finished."""
    finished = cell[cell["status"] == "ok"]
    if not len(finished):
        return np.empty(0), np.empty(0)
    hits = np.array(finished["class_hits"].tolist(), dtype=np.float64).mean(axis=0)
    return hits, np.asarray(finished["class_queries"].iloc[0], dtype=np.float64)
