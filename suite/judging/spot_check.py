"""A spot check: a few runs drawn at random from the records in git, computed anew and compared one by one.

Where all are the same values, they are reproduced. Where some differ, as they do in last bits on another kind of processor,
TOST asks whether the mean difference of R@1 is within a margin, as ``suite.judging.verify`` does for whole conditions.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from suite.errors import all_of
from suite.evaluation.retrieval import MAIN_METRIC
from suite.judging.statistics.estimates import LEVEL, PERCENT, mean_of
from suite.judging.verify import RerunOutcome
from suite.randomness import stream


def draw(records: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """Rows of records, drawn without replacement; the same ones for the same records, count and seed."""
    chosen = stream("spot check", seed).permutation(len(records))[:count]
    return records.iloc[np.sort(chosen)]


def judge_reruns(committed: pd.DataFrame, fresh: Sequence[float | None], margin: float) -> tuple[RerunOutcome, str]:
    """Whether reruns reproduce the records that they are of, and why.

    Args:
        committed: rows of records.
        fresh: R@1 of each rerun in [0, 1]; None for one that failed.
        margin: points of R@1 up to which the mean difference counts as none.
    """
    before = committed[MAIN_METRIC].where(committed["status"] == "ok").to_numpy(float)
    after = np.array([np.nan if value is None else value for value in fresh], float)
    if (np.isnan(before) != np.isnan(after)).any():
        return RerunOutcome.NOT_REPRODUCED, "a run failed in the records or here, and not in both"
    differences = PERCENT * (after - before)[~np.isnan(before)]
    if not differences.any():
        return RerunOutcome.REPRODUCED, f"{all_of(len(before), 'run')} gave the same values"
    told = (
        f"{np.count_nonzero(differences)} of {len(before)} runs differ, at most {np.abs(differences).max():.2f} points"
    )
    if len(differences) < 2:
        return RerunOutcome.CANNOT_TELL, f"{told}; one run cannot tell chance from a fault"
    estimate = mean_of(pd.Series(differences))
    within, beyond = float(estimate.p_within(margin)), float(estimate.p_beyond(margin))
    told += f"; mean {float(estimate.mean):+.2f}, margin {margin:g}, TOST p {within:.4f}"
    if within <= LEVEL:
        return RerunOutcome.REPRODUCED, told
    return (RerunOutcome.NOT_REPRODUCED if beyond <= LEVEL else RerunOutcome.CANNOT_TELL), told
