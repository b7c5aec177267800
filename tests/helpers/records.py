"""Records of runs, written by hand: R@1 is chosen, all else follows."""

import pandas as pd

from suite.evaluation.records import Record
from suite.evaluation.retrieval import MEASURED
from suite.evaluation.tables import to_table

CLASSES = 4
QUERIES = 2500


def record(loss, level, seed, recall, *, dataset="emoji", track="tuned", metrics=None, **other):
    """One run on frozen features; a recall of None is a failed run, others are multiples of 1e-4.

    Args:
        loss: its name.
        level: noise level.
        seed: seed.
        recall: R@1, and the value of all other metrics but those in ``metrics``.
        dataset: its name; digests and test classes follow from it.
        track: tuning track.
        metrics: values of some metrics; R-precision is not below MAP@R.
        **other: any other field of a record.
    """
    failed = recall is None
    hits, queries = class_counts(recall)
    values = {
        "regime": "frozen",
        "track": track,
        "dataset": dataset,
        "backbone": "tf_efficientnet_lite0",
        "loss": loss,
        "noise_kind": "symmetric",
        "noise_level": level,
        "seed": seed,
        "status": "failed" if failed else "ok",
        "failure": "NaN" if failed else None,
        "metrics": {} if failed else _metrics(recall, metrics or {}),
        "class_hits": hits,
        "class_queries": queries,
        "noise_sha256": f"{dataset}-{level}-{seed}",
        "data_sha256": dataset,
        "config_sha256": f"{track}-{loss}-{seed}",
        "hyperparameter_source": "search" if track == "tuned" else "paper",
    }
    return Record(**values | other)


def _metrics(recall, chosen):
    """All metrics; what is not chosen is R@1, and R-precision is not below MAP@R."""
    values = dict.fromkeys(MEASURED, recall) | chosen
    return values | {"r_precision": max(values["r_precision"], values["map_at_r"])}


def class_counts(recall):
    """Hits and queries of classes of one size; the last is the hardest, unless there are too few hits or misses."""
    if recall is None:
        return [], []
    hits = round(recall * CLASSES * QUERIES)
    shifts = (30, 20, 10, -60) if 60 <= hits / CLASSES < QUERIES - 30 else (0,) * CLASSES
    return [hits // CLASSES + shift + (place < hits % CLASSES) for place, shift in enumerate(shifts)], [
        QUERIES
    ] * CLASSES


def runs(*conditions, **options):
    """Records of conditions (loss, level, R@1 by seed)."""
    return [
        record(loss, level, seed, recall, **options)
        for loss, level, by_seed in conditions
        for seed, recall in enumerate(by_seed)
    ]


def table(*conditions, **options):
    """The same as a table, a row a run."""
    return to_table(runs(*conditions, **options))


def frozen(recall=0.4, dataset="emoji"):
    """The frozen backbone's metrics on a data set, as a table of one row."""
    return pd.DataFrame([{"dataset": dataset} | dict.fromkeys(MEASURED, recall)])
