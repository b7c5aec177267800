"""Records, ablations and geometry with chosen numbers, and claims to judge by them."""

import json

import numpy as np

from suite.judging.claims.judge import judge
from suite.judging.claims.read import read_measured
from suite.judging.claims.schema import CLAIM_KINDS
from suite.settings.paths import RECORDS_NAME, RUNS_FOLDER, STUDIES_FOLDER

DATASETS = dict.fromkeys(("emoji", "furniture", "typefaces", "cub", "cars", "sop"), False)
QUERIES = 10**9
"""Of the one test class, so many that R@1 is any number."""
EFFECT = {"value": 0.5, "because": "chosen for a test"}
COMMON = {
    "source": {"section": "a test", "table": "none"},
    "smallest_effect": EFFECT,
    "family": "one",
    "minimum_seeds": 5,
}
CLEAN = {"kind": "symmetric", "level": 0}
PAIR = {"subject": "pfml", "reference": "cpml"}
WIGGLE = np.array([0.1, -0.2, 0.15, -0.1, 0.05])
"""Scatter over seeds, mean zero."""
RUNS = COMMON | {"datasets": ["emoji"], "reported": None}
ALONG = RUNS | {"estimand": "recall_at_1"}
PREMISE = {"minimum_share": 0.1, "because": "chosen for a test"}
EXAMPLES = {
    "superiority": ALONG | {"contrast": PAIR, "noise": CLEAN, "direction": "higher", "test": "paired_t"},
    "equivalence": ALONG
    | {
        "contrast": PAIR,
        "noise": CLEAN,
        "direction": "equal",
        "smallest_effect": EFFECT | {"value": 1.0},
        "test": "tost",
    },
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
        "track": "paper_values",
        "backbone": "resnet50_512",
        "noise": CLEAN,
        "direction": "equal",
        "reported": {"recall_at_1": {"value": 73.4, "spread": 0.3, "runs": 5}},
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
        "contrast": {"subject": "pfml", "axis": "repulsion_margin"},
        "values": [0, 0.1, 0.2],
        "direction": "lower",
        "test": "adjacent_steps",
    },
    "interaction": ALONG
    | {
        "contrast": {"subject": "pfml", "axis": "alpha"},
        "noise": {"kind": "symmetric", "levels": [0, 0.4]},
        "values": [0, 2, 4],
        "direction": "lower",
        "test": "adjacent_steps",
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
        "reported": None,
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
    return CLAIM_KINDS[kind].model_validate(values_of(kind, **changes))


def run(recall, seed, *, loss="pfml", level=0.0, dataset="emoji", track="tuned", then=None, map_at_r=None, **more):
    """A record as plain data; R@1 in percent, None for a failed run. ``then``: R@1 at the validation epoch."""

    def metrics(value):
        other = value / 2 if map_at_r is None else map_at_r
        return {"recall_at_1": value / 100, "map_at_r": other / 100}

    return {
        "regime": "frozen" if dataset not in {"cub", "cars", "sop"} else "published",
        "track": track,
        "dataset": dataset,
        "backbone": "tf_efficientnet_lite0",
        "loss": loss,
        "noise_kind": "symmetric",
        "noise_level": level,
        "seed": seed,
        "status": "failed" if recall is None else "ok",
        "metrics": {} if recall is None else metrics(recall),
        "validation_epoch": None if then is None else {"epoch": 3, "metrics": metrics(then)},
        "class_hits": [] if recall is None else [round(recall / 100 * QUERIES)],
        "class_queries": [] if recall is None else [QUERIES],
        "data_sha256": f"data of {dataset}",
        "noise_sha256": f"mask {level} {seed}",
        "config_sha256": "some",
        "hyperparameter_source": "search" if track == "tuned" else "paper",
    } | more


def runs(recalls, **condition):
    """Records of a condition, seeds 0, 1, ..."""
    return [run(recall, seed, **condition) for seed, recall in enumerate(recalls)]


def along(axis, table, *, crossed=False, **condition):
    """Records of an ablation: R@1 by value of the axis, seed by seed."""
    condition = {"track": "ablation"} | condition
    return [
        run(recall, seed, ablation={"axis": axis, "value": value, "crossed": crossed}, **condition)
        for value, recalls in table.items()
        for seed, recall in enumerate(recalls)
    ]


def model(seed, *, loss="pfml", **more):
    """A record of the geometry study: four classes of ten embeddings. ``more``: fields of the record or of its proxies."""
    places = {
        "proxies_per_class": 2,
        "delta": 0.4 if loss == "pfml" else None,
        "size": [10, 10, 10, 10],
        "spread": [0.6, 0.6, 0.6, 0.3],
        "w2": [0.5, 0.5, 0.5, 0.5],
        "nearest": [0.2, 0.2, 0.2, 0.2],
        "condition": [1.0, 0.5, 0.5, 0.0] if loss == "pfml" else None,
        "minima_met": [[10, 10], [5, 5], [5, 5], [0, 0]] if loss == "pfml" else None,
        "minima_unmet": [[0, 0], [5, 3], [5, 4], [10, 1]] if loss == "pfml" else None,
    }
    places |= {name: more.pop(name) for name in tuple(more) if name in places}
    return run(None, seed, loss=loss, status="ok", proxies=places, **more)


def write(kind, records, name=None):
    """Put records where the pipeline has them: ``runs``, or a kind of study; gives the last file.

    Without a name runs of each (data set, loss) have a folder of their own, as a stage writes them.
    """
    if kind == "runs" and name is None:
        names = dict.fromkeys(f"{record['dataset']}-{record['loss']}" for record in records)
        for each in names:
            mine = [record for record in records if f"{record['dataset']}-{record['loss']}" == each]
            path = write(kind, mine, each)
        return path
    name = name or "some"
    path = RUNS_FOLDER / name / RECORDS_NAME if kind == "runs" else STUDIES_FOLDER / kind / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def judged(*claims):
    """Judge claims by what lies in the current directory."""
    return judge(claims, read_measured(DATASETS))
