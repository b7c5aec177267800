"""Records, ablations and geometry with chosen numbers, and claims to judge by them."""

import json
from pathlib import Path

from suite.settings.grid import RECORDS_NAME, runs_folder

from suite.judging.claims.judge import judge
from suite.judging.claims.measured import read_measured
from suite.judging.claims.schema import KINDS

DATASETS = dict.fromkeys(("emoji", "furniture", "typefaces", "cub", "cars", "sop"), False)
EFFECT = {"value": 0.5, "because": "chosen for a test"}
COMMON = {
    "source": {"section": "a test", "table": "none"},
    "smallest_effect": EFFECT,
    "family": "one",
    "minimum_seeds": 5,
}
CLEAN = {"kind": "symmetric", "level": 0}
PAIR = {"subject": "pfml", "reference": "cpml"}
RUNS = COMMON | {"datasets": ["emoji"], "published": None}
ALONG = RUNS | {"estimand": "recall_at_1"}
PREMISE = {"minimum_share": 0.1, "because": "chosen for a test"}
EXAMPLES = {
    "superiority": ALONG | {"contrast": PAIR, "noise": CLEAN, "direction": "higher", "test": "paired_t"},
    "robustness": ALONG
    | {
        "contrast": PAIR,
        "noise": {"kind": "symmetric", "levels": [0, 0.2]},
        "direction": "higher",
        "test": "paired_t",
    },
    "reproduction": COMMON
    | {
        "estimand": ["recall_at_1"],
        "contrast": {"subject": "pfml"},
        "datasets": ["cub"],
        "track": "published",
        "backbone": "resnet50_512",
        "noise": CLEAN,
        "direction": "equal",
        "published": {"recall_at_1": {"value": 73.4, "spread": 0.3, "runs": 5}},
        "smallest_effect": EFFECT | {"value": 1.0},
        "test": "tost_summary",
    },
    "insensitivity": ALONG
    | {
        "contrast": {"subject": "pfml", "axis": "delta"},
        "within": {"low": 0.4, "high": 1.2},
        "direction": "equal",
        "test": "tost_pairs",
    },
    "trend": ALONG
    | {
        "contrast": {"subject": "pfml", "axis": "reach"},
        "within": {"low": 0, "high": 2},
        "direction": "lower",
        "test": "slope_t",
    },
    "saturation": ALONG
    | {
        "contrast": {"subject": "pfml", "axis": "alpha"},
        "start": 0,
        "plateau_from": {"emoji": 3},
        "direction": "higher",
        "test": "rise_and_tost",
    },
    "closeness": RUNS
    | {
        "estimand": "w2",
        "contrast": PAIR,
        "premise": PREMISE | {"name": "delta_below_spread"},
        "direction": "lower",
        "smallest_effect": EFFECT | {"value": 0.02},
        "test": "paired_t",
    },
    "minima": RUNS
    | {
        "estimand": "share_ended_within_delta",
        "contrast": {"subject": "pfml"},
        "premise": PREMISE | {"name": "condition_star"},
        "direction": "at_least",
        "target": 1.0,
        "smallest_effect": EFFECT | {"value": 0.01},
        "test": "t_and_binomial",
    },
    "decay": COMMON
    | {
        "estimand": "share_of_largest_influence",
        "contrast": PAIR,
        "pair": "positive",
        "beyond": 1.0,
        "direction": "lower",
        "published": None,
        "smallest_effect": EFFECT | {"value": 0.1},
        "test": "deterministic",
        "minimum_seeds": 0,
    },
}


def values_of(kind, /, **changes):
    """A complete claim file of a kind, as a mapping."""
    return {"id": "example", "kind": kind, "statement": "An example."} | EXAMPLES[kind] | changes


def claim(kind, /, **changes):
    """A claim of a kind."""
    return KINDS[kind].model_validate(values_of(kind, **changes))


def run(recall, seed, *, loss="pfml", level=0.0, dataset="emoji", track="tuned", then=None, map_at_r=None, **more):
    """A record; R@1 in percent, None for a failed run. ``then``: R@1 at the validation epoch."""
    key = {
        "track": track,
        "dataset": dataset,
        "loss": loss,
        "noise_kind": "symmetric",
        "noise_level": level,
        "seed": seed,
    }

    def metrics(value):
        other = value / 2 if map_at_r is None else map_at_r
        return {"recall_at_1": value / 100, "map_at_r": other / 100, "queries": 5000.0}

    return (
        key
        | {
            "status": "failed" if recall is None else "ok",
            "metrics": {} if recall is None else metrics(recall),
            "validation_epoch": None if then is None else {"epoch": 3, "metrics": metrics(then)},
            "data_sha256": f"data of {dataset}",
            "noise_sha256": f"mask {level} {seed}",
        }
        | more
    )


def runs(recalls, **cell):
    """Records of a cell, seeds 0, 1, ..."""
    return [run(recall, seed, **cell) for seed, recall in enumerate(recalls)]


def along(axis, table, **cell):
    """Ablation rows: R@1 by value of the axis, seed by seed."""
    cell = {"track": "ablation"} | cell
    return [
        run(recall, seed, axis=axis, value=value, **cell)
        for value, recalls in table.items()
        for seed, recall in enumerate(recalls)
    ]


def model(seed, *, loss="pfml", dataset="emoji", proxies_per_class=2, delta=0.4, **more):
    """A row of geometry: four classes of ten embeddings."""
    row = {
        "dataset": dataset,
        "loss": loss,
        "seed": seed,
        "status": "ok",
        "proxies_per_class": proxies_per_class,
        "delta": delta if loss == "pfml" else None,
        "data_sha256": f"data of {dataset}",
        "size": [10, 10, 10, 10],
        "spread": [0.6, 0.6, 0.6, 0.3],
        "w2": [0.5, 0.5, 0.5, 0.5],
        "nearest": [0.2, 0.2, 0.2, 0.2],
        "condition": [1.0, 0.5, 0.5, 0.0] if loss == "pfml" else None,
        "minima_met": [[10, 10], [5, 5], [5, 5], [0, 0]] if loss == "pfml" else None,
        "minima_unmet": [[0, 0], [5, 3], [5, 4], [10, 1]] if loss == "pfml" else None,
    }
    return row | more


def write(folder, rows, name="some"):
    """Put rows into a folder of the current directory, as the pipeline leaves them there."""
    path = runs_folder(name) / RECORDS_NAME if folder == "runs" else Path(folder) / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def judged(*claims):
    """Judge claims by what lies in the current directory."""
    return judge(claims, read_measured(DATASETS))
