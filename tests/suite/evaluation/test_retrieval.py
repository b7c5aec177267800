"""Retrieval metrics against a definition-by-definition loop and against pytorch-metric-learning's calculator."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

from suite.errors import SuiteError
from suite.evaluation import retrieval
from suite.evaluation.retrieval import MAIN_METRIC, MEASURED, METRICS, Metric, retrieve

K_VALUES = (1, 2, 4, 8, 10, 100, 1000)


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


def slow_hits(embeddings, labels):
    """Hits and answered queries of each class in the order of labels, one query after the other."""
    hits, queries = dict.fromkeys(sorted(set(labels.tolist())), 0), dict.fromkeys(sorted(set(labels.tolist())), 0)
    for query, label in enumerate(labels.tolist()):
        if (labels == label).sum() < 2:
            continue
        others = [i for i in range(len(labels)) if i != query]
        nearest = min(others, key=lambda i: (-float(embeddings[i] @ embeddings[query]), i))
        queries[label] += 1
        hits[label] += int(labels[nearest] == label)
    return list(hits.values()), list(queries.values())


def unit(rng, n, dim):
    vectors = rng.normal(size=(n, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def exact(rng, n, dim):
    """Rows whose products are the same numbers in any order of summing: similarities are equal or well apart."""
    return rng.integers(-8, 9, size=(n, dim)).astype(np.float32) / 8


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(12, 60), st.integers(2, 6))
def test_equals_the_definitions(seed, n, classes):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([[0, 0], rng.integers(0, classes, n - 2)])
    embeddings = exact(rng, n, 5)
    expected = slow_metrics(embeddings, labels)
    found = retrieve(embeddings, labels, [*METRICS]).metrics
    assert found == pytest.approx(expected, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(12, 60), st.integers(2, 20), st.integers(1, 1000))
def test_hits_by_class_equal_a_double_loop(seed, n, classes, step):
    """Labels need not begin at 0 nor be dense, and some classes may have one item."""
    rng = np.random.default_rng(seed)
    labels = 7 + step * np.concatenate([[0, 0], rng.integers(0, classes, n - 2)])
    embeddings = exact(rng, n, 5)
    found = retrieve(embeddings, labels)
    assert (found.class_hits, found.class_queries) == slow_hits(embeddings, labels)
    share = sum(found.class_hits) / sum(found.class_queries)
    assert share == pytest.approx(found.metrics["recall_at_1"], abs=1e-12)
    assert sum(found.class_queries) == sum(labels.tolist().count(label) > 1 for label in labels.tolist())
    assert all(type(count) is int for count in found.class_hits + found.class_queries)


def test_a_class_of_one_item_has_no_query():
    embeddings = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1]], np.float32)
    found = retrieve(embeddings, np.array([4, 9, 9, 4]))
    assert (found.class_hits, found.class_queries) == ([0, 2], [2, 2])
    found = retrieve(embeddings, np.array([4, 9, 9, 11]))
    assert (found.class_hits, found.class_queries) == ([0, 2, 0], [0, 2, 0])


def test_equals_pytorch_metric_learning():
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(30), 7)
    embeddings = unit(rng, len(labels), 6)
    calculator = AccuracyCalculator(
        include=("precision_at_1", "r_precision", "mean_average_precision_at_r"), k="max_bin_count"
    )
    theirs = calculator.get_accuracy(embeddings, labels)
    ours = retrieve(embeddings, labels).metrics
    assert ours["recall_at_1"] == pytest.approx(theirs["precision_at_1"])
    assert ours["r_precision"] == pytest.approx(theirs["r_precision"])
    assert ours["map_at_r"] == pytest.approx(theirs["mean_average_precision_at_r"])


def test_hand_computed_case():
    # On a line of angles: queries a0 b0 a1 at 0, 10 and 30 degrees. Nearest of a0 is b0, of b0 is a0, of a1 is b0.
    angles = np.deg2rad([0.0, 10.0, 30.0])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    names = ["recall_at_1", "recall_at_2", "map_at_r", "r_precision"]
    found = retrieve(embeddings, np.array([0, 1, 0]), names)
    assert found.metrics == {"recall_at_1": 0.0, "recall_at_2": 1.0, "map_at_r": 0.0, "r_precision": 0.0}
    assert sum(found.class_queries) == 2


def test_self_is_excluded_by_index_not_by_rank():
    # Two classes of exact duplicates: dropping "rank 0" instead of the query itself would lose a hit.
    embeddings = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    assert retrieve(embeddings, np.array([0, 0, 1, 1])).metrics["recall_at_1"] == 1.0


def test_ties_go_to_the_lower_index():
    embeddings = np.tile(np.array([[1, 0]], np.float32), (40, 1))
    labels = np.array([0] + [1] * 38 + [0])
    # Query 39 sees index 0 first (a hit), query 0 sees index 1 (a miss); queries 1 to 38 see index 0 (a miss).
    assert retrieve(embeddings, labels, ["recall_at_1"]).metrics["recall_at_1"] == pytest.approx(1 / 40)


@pytest.mark.parametrize("seed", range(3))
def test_ties_at_every_rank_go_to_the_lower_index(seed):
    """On the axes similarities are 1, 0 and -1 exactly, and the search gives equal ones in any order."""
    rng = np.random.default_rng(seed)
    embeddings = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 150)] * rng.choice([-1, 1], (150, 1)).astype(np.float32)
    labels = rng.integers(0, 30, 150)
    found = retrieve(embeddings, labels, [*METRICS]).metrics
    expected = slow_metrics(embeddings, labels)
    assert found == pytest.approx(expected, abs=1e-12)


def test_blocks_do_not_change_the_result(monkeypatch):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(20), 5)
    embeddings = unit(rng, 100, 4)
    whole = retrieve(embeddings, labels)
    monkeypatch.setattr(retrieval, "_BLOCK", 7)
    blocks = retrieve(embeddings, labels)
    assert blocks.metrics == pytest.approx(whole.metrics, abs=1e-12)
    assert (blocks.class_hits, blocks.class_queries) == (whole.class_hits, whole.class_queries)


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
        retrieve(embeddings, labels)


def test_an_unknown_metric_is_named():
    with pytest.raises(SuiteError, match="metric 'purity' is unknown; allowed: recall_at_1, recall_at_2"):
        retrieve(np.eye(2, dtype=np.float32), np.array([0, 0]), ["recall_at_1", "purity"])


def test_every_run_is_measured_by_the_metrics_that_are_so_by_default():
    found = retrieve(np.eye(2, dtype=np.float32), np.array([0, 0]))
    assert tuple(found.metrics) == MEASURED == tuple(name for name, metric in METRICS.items() if metric.by_default)
    assert MAIN_METRIC in MEASURED
    assert [METRICS[name].label for name in ("recall_at_1", "map_at_r", "recall_at_1000")] == ["R@1", "MAP@R", "R@1000"]


def test_a_new_metric_is_an_entry_of_the_table(monkeypatch):
    def share_of_hits(hits, relevant):
        return float(hits[:, :3].mean(axis=1).sum())

    monkeypatch.setitem(METRICS, "precision_at_3", Metric("P@3", share_of_hits, depth=3))
    embeddings = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    found = retrieve(embeddings, np.array([0, 0, 0, 1, 1]), ["precision_at_3"])
    # Of the 3 nearest others: 2 of 3 for class 0, 1 of 3 for class 1.
    assert found.metrics["precision_at_3"] == pytest.approx((3 * 2 / 3 + 2 / 3) / 5)
