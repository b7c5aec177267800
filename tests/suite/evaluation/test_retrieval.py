"""Retrieval metrics against a definition-by-definition loop and against pytorch-metric-learning's calculator."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

from suite.errors import SuiteError
from suite.evaluation import retrieval
from suite.evaluation.retrieval import retrieval_metrics

K_VALUES = (1, 2, 4, 8)


def slow_metrics(embeddings, labels):
    """R@K, MAP@R and R-precision straight from their definitions, one query after the other."""
    rows = {f"recall_at_{k}": [] for k in K_VALUES} | {"map_at_r": [], "r_precision": []}
    for query in range(len(labels)):
        relevant = int((labels == labels[query]).sum()) - 1
        if relevant == 0:
            continue
        others = [i for i in range(len(labels)) if i != query]
        others.sort(key=lambda i: (-float(embeddings[i] @ embeddings[query]), i))
        hits = [labels[i] == labels[query] for i in others]
        for k in K_VALUES:
            rows[f"recall_at_{k}"].append(any(hits[:k]))
        rows["r_precision"].append(sum(hits[:relevant]) / relevant)
        rows["map_at_r"].append(sum(hits[i] * sum(hits[: i + 1]) / (i + 1) for i in range(relevant)) / relevant)
    return {name: float(np.mean(values)) for name, values in rows.items()}


def unit(rng, n, dim):
    vectors = rng.normal(size=(n, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(12, 60), st.integers(2, 6))
def test_equals_the_definitions(seed, n, classes):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([[0, 0], rng.integers(0, classes, n - 2)])
    embeddings = unit(rng, n, 5)
    expected = slow_metrics(embeddings, labels)
    found = retrieval_metrics(embeddings, labels, K_VALUES)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_equals_pytorch_metric_learning():
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(30), 7)
    embeddings = unit(rng, len(labels), 6)
    calculator = AccuracyCalculator(
        include=("precision_at_1", "r_precision", "mean_average_precision_at_r"), k="max_bin_count"
    )
    theirs = calculator.get_accuracy(embeddings, labels)
    ours = retrieval_metrics(embeddings, labels)
    assert ours["recall_at_1"] == pytest.approx(theirs["precision_at_1"])
    assert ours["r_precision"] == pytest.approx(theirs["r_precision"])
    assert ours["map_at_r"] == pytest.approx(theirs["mean_average_precision_at_r"])


def test_hand_computed_case():
    # On a line of angles: queries a0 b0 a1 at 0, 10 and 30 degrees. Nearest of a0 is b0, of b0 is a0, of a1 is b0.
    angles = np.deg2rad([0.0, 10.0, 30.0])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    metrics = retrieval_metrics(embeddings, np.array([0, 1, 0]), (1, 2))
    assert metrics == {"recall_at_1": 0.0, "recall_at_2": 1.0, "map_at_r": 0.0, "r_precision": 0.0, "queries": 2.0}


def test_self_is_excluded_by_index_not_by_rank():
    # Two classes of exact duplicates: dropping "rank 0" instead of the query itself would lose a hit.
    embeddings = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    assert retrieval_metrics(embeddings, np.array([0, 0, 1, 1]))["recall_at_1"] == 1.0


def test_ties_go_to_the_lower_index():
    embeddings = np.tile(np.array([[1, 0]], np.float32), (40, 1))
    labels = np.array([0] + [1] * 38 + [0])
    # Query 39 sees index 0 first (a hit), query 0 sees index 1 (a miss); queries 1 to 38 see index 0 (a miss).
    assert retrieval_metrics(embeddings, labels, (1,))["recall_at_1"] == pytest.approx(1 / 40)


def test_blocks_do_not_change_the_result(monkeypatch):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(20), 5)
    embeddings = unit(rng, 100, 4)
    whole = retrieval_metrics(embeddings, labels)
    monkeypatch.setattr(retrieval, "_BLOCK", 7)
    assert retrieval_metrics(embeddings, labels) == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize(
    ("embeddings", "labels", "message"),
    [
        (np.ones((3, 2), np.float32), np.array([0, 0]), r"labels of shape \(2,\)"),
        (np.full((2, 2), np.nan, np.float32), np.array([0, 0]), "not finite"),
        (np.eye(3, dtype=np.float32), np.array([0, 1, 2]), "no class has two items"),
    ],
)
def test_bad_input(embeddings, labels, message):
    with pytest.raises(SuiteError, match=message):
        retrieval_metrics(embeddings, labels)
