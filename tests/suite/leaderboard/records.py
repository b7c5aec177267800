"""Records written by hand."""

import pandas as pd

from suite.evaluation.records import METRICS


def row(loss, level, seed, recall, *, dataset="emoji", tuned=True):
    """One record as ``read_records`` gives it; a recall of None is a failed run."""
    value = float("nan") if recall is None else recall
    status = "failed" if recall is None else "ok"
    key = {"dataset": dataset, "loss": loss, "noise_kind": "symmetric", "noise_level": level, "seed": seed}
    return key | {"status": status, "tuned": tuned} | dict.fromkeys(METRICS, value)


def table(*cells, **options):
    """Records of cells (loss, level, R@1 by seed)."""
    return pd.DataFrame(
        [row(loss, level, s, r, **options) for loss, level, by_seed in cells for s, r in enumerate(by_seed)]
    )


def frozen(recall=0.4, dataset="emoji"):
    """The frozen backbone's reference row."""
    return pd.DataFrame([{"dataset": dataset} | dict.fromkeys(METRICS, recall)])
