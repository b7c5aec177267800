"""A small project as the pipeline leaves it: data, settings, plans, features, records, embeddings, results."""

import json
from pathlib import Path

import numpy as np
import yaml
from safetensors.numpy import save_file

from suite.data import catalog
from suite.data.features import save_features
from suite.data.table import read_table
from suite.evaluation.records import write_records
from suite.evaluation.retrieval import MEASURED
from suite.files import write_json, write_lines
from suite.hashing import sha256_file
from tests.helpers.paths import ROOT
from tests.helpers.records import record
from tests.helpers.synthetic import features_path, make_features, own_loss, write_images

CLASSES, IMAGES = 12, 4
LOSSES = ("pfml", "triplet", "mine")
LEVELS = (0, 0.2)
SEEDS = 3
RECIPE = {
    "embedding_dim": 8,
    "hidden_dim": 0,
    "epochs": 1,
    "classes_per_batch": 2,
    "samples_per_class": 2,
    "learning_rate": 0.001,
    "proxy_learning_rate": 0.01,
    "weight_decay": 0.0001,
}


def settings():
    """What ``params.yaml`` holds, to be changed."""
    return {
        "datasets": {"emoji": {}},
        "losses": {"pfml": {}, "triplet": {}, "mine": {"target": "my_losses/own.py:Own"}},
        "noise": {"levels": list(LEVELS)},
        "seeds": SEEDS,
        "recipe": dict(RECIPE),
        "tuning": {"trials": 2, "folds": 2},
    }


def write_settings(values):
    """Write ``params.yaml``."""
    Path("params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))


def write_project(monkeypatch):
    """Write everything into the current folder."""
    data = Path("data/emoji.parquet")
    write_images(data, CLASSES, IMAGES)
    monkeypatch.setitem(catalog.EMBEDDED, "emoji", catalog.EmbeddedDataset(sha256_file(data), "plain colours"))
    write_settings(settings())
    own_loss("return value")
    save_features(features_path(), make_features(CLASSES, IMAGES))
    write_json(Path("frozen/emoji.json"), {"backbone": "none", "metrics": dict.fromkeys(MEASURED, 0.2)})
    write_json(Path("times/features-emoji.json"), {"runs": {"features": 1.0}})
    write_runs()


def write_runs(failed=lambda loss, level, seed: False, losses=LOSSES):
    """Write what the train stages leave; ``failed`` says which runs have failed."""
    labels = read_table(Path("data/emoji.parquet")).labels
    rows = np.flatnonzero(labels >= CLASSES // 2)
    rng = np.random.default_rng(0)
    for place, loss in enumerate(losses):
        folder = Path(f"runs/emoji-{loss}")
        runs = [(level, seed) for level in LEVELS for seed in range(SEEDS)]
        recalls = [
            None
            if failed(loss, level, seed)
            else round(0.5 + 0.03 * place - 0.2 * level + 0.001 * seed * (place + 1), 4)
            for level, seed in runs
        ]
        records = [record(loss, *run, recall) for run, recall in zip(runs, recalls, strict=True)]
        write_records(folder / "records.jsonl", records)
        curve = [{"noise_level": level, "seed": seed, "epoch": 1, "loss": 1.0} for level, seed in runs]
        write_lines(folder / "curves.jsonl", curve)
        write_json(Path(f"times/emoji-{loss}.json"), {"runs": {f"{run}": 1.0 for run in runs}, "processors": {}})
        for level in LEVELS:
            kept = np.empty(0, int) if failed(loss, level, 0) else rows
            vectors = rng.normal(size=(len(kept), 8 if len(kept) else 0)).astype(np.float16)
            arrays = {"embeddings": vectors, "labels": labels[kept], "rows": kept}
            save_file(arrays, folder / f"embeddings-{level:g}.safetensors")


def tree(folder=Path()):
    """All files below a folder, with their bytes."""
    return {path.as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def line(path, number, **changes):
    """Change a line of JSON lines."""
    lines = Path(path).read_text().splitlines()
    values = json.loads(lines[number]) | changes
    Path(path).write_text("\n".join([*lines[:number], json.dumps(values), *lines[number + 1 :]]) + "\n")


def repository(name):
    """A file of this repository."""
    return (ROOT / name).read_text()
