"""Records written by hand."""

import pandas as pd

from suite.evaluation.records import METRICS, VALIDATION_SUFFIX

CLASSES = 4
QUERIES = 2500


def row(loss, level, seed, recall, *, dataset="emoji", track="tuned", **other):
    """One record as ``read_records`` gives it; a recall of None is a failed run, others are multiples of 1e-4."""
    failed = recall is None
    value = float("nan") if failed else recall
    key = {
        "track": track,
        "dataset": dataset,
        "loss": loss,
        "noise_kind": "symmetric",
        "noise_level": level,
        "seed": seed,
    }
    hashes = {
        "data_sha256": dataset,
        "noise_sha256": f"{dataset}-{level}-{seed}",
        "config_sha256": f"{track}-{loss}-{seed}",
    }
    result = {"status": "failed" if failed else "ok", "failure": "NaN" if failed else None}
    later = dict.fromkeys((metric + VALIDATION_SUFFIX for metric in METRICS), float("nan"))
    record = key | result | dict.fromkeys(METRICS, value) | later | hashes | {"file": "by hand"}
    return record | _classes(recall) | other


def _classes(recall):
    """Classes of one size; the last is the hardest."""
    if recall is None:
        return {"class_hits": [], "class_queries": []}
    hits = round(recall * CLASSES * QUERIES)
    shifts = (30, 20, 10, -60)
    return {
        "class_hits": [hits // CLASSES + shift + (place < hits % CLASSES) for place, shift in enumerate(shifts)],
        "class_queries": [QUERIES] * CLASSES,
    }


def table(*cells, **options):
    """Records of cells (loss, level, R@1 by seed)."""
    return pd.DataFrame(
        [row(loss, level, s, r, **options) for loss, level, by_seed in cells for s, r in enumerate(by_seed)]
    )


def as_written(record):
    """The record as a line of a file."""
    metrics = {} if record["status"] == "failed" else {name: record[name] for name in METRICS}
    flat = {*METRICS, *(metric + VALIDATION_SUFFIX for metric in METRICS), "file"}
    return {name: value for name, value in record.items() if name not in flat} | {"metrics": metrics}


def frozen(recall=0.4, dataset="emoji"):
    """The frozen backbone's reference row."""
    return pd.DataFrame([{"dataset": dataset} | dict.fromkeys(METRICS, recall)])
