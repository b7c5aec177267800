"""Evaluation at the size of SOP's test half: 60,502 embeddings of 512 dimensions, R@1, 10, 100, 1000 and MAP@R.

Three contenders, each in a process of its own, on one thread and the same embeddings: a bare faiss search for as many
neighbours, which judges nothing; the suite; and pytorch-metric-learning's AccuracyCalculator with as many neighbours, which
gives R@1 and MAP@R only. Time is that of the processor, as others may use the machine. Extra memory is the peak of resident
memory less what was resident with the embeddings before.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.benchmark

IMAGES, CLASSES, DIM = 60502, 11316, 512

_CONTENDER = """
import json, resource, sys, time
import faiss, numpy as np, psutil, torch
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from suite.evaluation.retrieval import retrieve

DIM, K = 512, (1, 10, 100, 1000)
faiss.omp_set_num_threads(1)
torch.set_num_threads(1)


def search(embeddings, labels):
    index = faiss.IndexFlatIP(embeddings.shape[1])
    index.add(embeddings)
    index.search(embeddings, min(max(K) + 1, len(labels)))
    return {}


def suite(embeddings, labels):
    return retrieve(embeddings, labels, K).metrics


def library(embeddings, labels):
    names = ("precision_at_1", "mean_average_precision_at_r")
    calculator = AccuracyCalculator(include=names, k=min(max(K), len(labels) - 1), device=torch.device("cpu"))
    found = calculator.get_accuracy(torch.from_numpy(embeddings), torch.from_numpy(labels))
    return {"recall_at_1": found[names[0]], "map_at_r": found[names[1]]}


contender = {"faiss": search, "suite": suite, "library": library}[sys.argv[1]]
small, labels = np.eye(64, DIM, dtype=np.float32), np.arange(64) % 8
contender(small, labels)  # what is loaded on first use
embeddings, labels = np.load(sys.argv[2]), np.load(sys.argv[3])
before = psutil.Process().memory_info().rss
started, clock = time.process_time(), time.perf_counter()
metrics = contender(embeddings, labels)
print(json.dumps({
    "seconds": time.process_time() - started,
    "wall": time.perf_counter() - clock,
    "extra": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before,
    "metrics": metrics,
}))
"""
_SHOWN = {
    "faiss": "bare faiss search",
    "suite": "suite, R@1, 10, 100, 1000, MAP@R",
    "library": "AccuracyCalculator, R@1, MAP@R",
}


def write_data(folder: Path) -> list[str]:
    """Embeddings scattered about random centres, five or six a class, so that about two in five find their class first."""
    random = np.random.default_rng(0)
    labels = np.arange(IMAGES) % CLASSES
    embeddings = random.standard_normal((CLASSES, DIM), dtype=np.float32)[labels]
    embeddings += 2.5 * random.standard_normal((IMAGES, DIM), dtype=np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    paths = [str(folder / f"{name}.npy") for name in ("embeddings", "labels")]
    for path, array in zip(paths, (embeddings, labels), strict=True):
        np.save(path, array)
    return paths


def test_evaluation_at_sop(tmp_path: Path, capsys: Any) -> None:
    paths = write_data(tmp_path)
    found = {}
    for name in _SHOWN:
        command = [sys.executable, "-c", _CONTENDER, name, *paths]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found[name] = json.loads(done.stdout)
    for metric, value in found["library"]["metrics"].items():
        assert found["suite"]["metrics"][metric] == pytest.approx(value, abs=1e-4)
    lines = ["| evaluation at sop | processor (s) | wall (s) | ratio of processor times to faiss | extra memory (GB) |"]
    lines.append("|---|---:|---:|---:|---:|")
    for name, shown in _SHOWN.items():
        one = found[name]
        ratio = one["seconds"] / found["faiss"]["seconds"]
        lines.append(f"| {shown} | {one['seconds']:.1f} | {one['wall']:.1f} | {ratio:.2f} | {one['extra'] / 1e9:.2f} |")
    with capsys.disabled():
        print("\n" + "\n".join(lines))  # noqa: T201 - the result
        print(found["suite"]["metrics"])  # noqa: T201 - the result
