"""One model's row: its arrays by class, its counts, what a loss without decay leaves out."""

import numpy as np
import pytest
from suite.training.studies.condition import Decay
from suite.training.studies.proxy_places import MOST_STARTS, by_class, measure
from suite.training.studies.transport import nearest, spread, wasserstein

from tests.suite.training.studies.test_transport import points

LABELS = np.array([2, 0, 0, 1, 2, 1, 0, 2, 2])
PROXY_LABELS = np.array([0, 0, 1, 1, 2, 2])


def classes(scale=1.0):
    """Three classes of 3, 2 and 4 embeddings with two proxies each."""
    return by_class(scale * points(9, 0).astype(np.float32), LABELS, points(6, 1), PROXY_LABELS)


def rng():
    """The same numbers each time."""
    return np.random.default_rng(0)


def test_arrays_follow_the_order_of_classes():
    row = measure(classes(), None, rng())
    assert row["size"] == [3, 2, 4]
    for label in range(3):
        z, p = points(9, 0)[label == LABELS], points(6, 1)[label == PROXY_LABELS]
        assert row["spread"][label] == pytest.approx(spread(z), abs=2e-6)
        assert row["w2"][label] == pytest.approx(wasserstein(p, z), abs=2e-6)
        assert row["nearest"][label] == pytest.approx(nearest(p, z), abs=2e-6)


def test_a_loss_without_decay_has_no_condition_and_no_minima():
    row = measure(classes(), None, rng())
    assert (row["condition"], row["minima_met"], row["minima_unmet"]) == (None, None, None)


def test_embeddings_are_taken_at_unit_norm():
    decay = Decay(2, 0.2)
    assert measure(classes(), decay, rng()) == measure(classes(1 + 1e-4), decay, rng())


def test_where_the_condition_holds_all_flows_end_within_delta():
    """Proposition 1 on classes of orthogonal embeddings, their proxies opposite to one of them."""
    z, labels = np.tile(np.eye(8), (2, 1)), np.repeat([0, 1], 8)
    row = measure(by_class(z, labels, -np.eye(8)[:2], np.array([0, 1])), Decay(4, 0.3), rng())
    assert row["condition"] == [1.0, 1.0]
    assert row["minima_met"] == [[8, 8], [8, 8]]
    assert row["minima_unmet"] == [[0, 0], [0, 0]]


def test_counts_split_by_the_condition():
    """A crowd of ten takes over what started at the embedding beside it; an embedding far off keeps its own."""
    angle = 2 * np.arcsin(0.4)
    crowd = np.tile([np.cos(angle), np.sin(angle), 0, 0], (6, 1))
    z = np.concatenate([np.eye(4)[:1], crowd, -np.eye(4)[:1]])
    row = measure(by_class(z, np.zeros(8, int), -np.eye(4)[:1], np.zeros(1, int)), Decay(1, 0.3), rng())
    assert row["condition"] == [0.0]
    assert row["minima_met"] == [[0, 0]]
    assert row["minima_unmet"] == [[8, 7]]


def test_at_most_so_many_flows_a_class():
    z = points(40, 0)
    row = measure(by_class(z, np.zeros(40, int), z[:1], np.zeros(1, int)), Decay(2, 0.1), rng())
    assert row["minima_met"][0][0] + row["minima_unmet"][0][0] == MOST_STARTS


def test_numbers_have_six_digits():
    row = measure(classes(), Decay(2, 0.2), rng())
    for name in ("spread", "w2", "nearest", "condition"):
        assert all(value == round(value, 6) for value in row[name])
