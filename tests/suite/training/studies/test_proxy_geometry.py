"""Exact W2 against an assignment and a linear programme, spread and nearest against loops; lists of a model by class."""

import math

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog

from suite.training.studies import proxy_geometry
from suite.training.studies.minima import Decay
from suite.training.studies.proxy_geometry import MOST_STARTS, apart, by_class, measure, nearest, spread, wasserstein
from tests.helpers.synthetic import unit_points as points


def costs(a, b):
    """Squared distances by loops."""
    return np.array([[math.dist(x, y) ** 2 for y in b] for x in a])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [2, 3, 8])
def test_as_many_proxies_as_embeddings_are_an_assignment(count, seed):
    proxies, embeddings = points(count, seed), points(count, seed + 100)
    table = costs(proxies, embeddings)
    rows, columns = linear_sum_assignment(table)
    assert wasserstein(proxies, embeddings) == pytest.approx(math.sqrt(table[rows, columns].mean()), rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("proxies", "embeddings"), [(1, 7), (2, 7), (3, 4), (8, 5)])
def test_other_numbers_are_a_linear_programme(proxies, embeddings, seed):
    a, b = points(proxies, seed), points(embeddings, seed + 100)
    leaves = np.kron(np.eye(proxies), np.ones(embeddings))
    arrives = np.kron(np.ones(proxies), np.eye(embeddings))
    masses = np.concatenate([np.full(proxies, 1 / proxies), np.full(embeddings, 1 / embeddings)])
    best = linprog(costs(a, b).ravel(), A_eq=np.vstack([leaves, arrives]), b_eq=masses)
    assert wasserstein(a, b) == pytest.approx(math.sqrt(best.fun), rel=1e-6)


def test_proxies_on_the_embeddings_cost_nothing():
    assert wasserstein(points(4, 0), points(4, 0)) == pytest.approx(0, abs=1e-7)


def test_one_proxy_at_the_mean_has_the_spread_for_w2():
    embeddings = points(9, 0)
    mean = embeddings.mean(axis=0, keepdims=True)
    assert wasserstein(mean, embeddings) == pytest.approx(spread(embeddings))
    assert spread(embeddings) == pytest.approx(math.sqrt(sum(math.dist(z, mean[0]) ** 2 for z in embeddings) / 9))


def test_nearest_is_from_proxies_to_embeddings():
    proxies, embeddings = points(3, 0), points(7, 1)
    assert nearest(proxies, embeddings) == pytest.approx(np.sqrt(costs(proxies, embeddings)).min(axis=1).mean())
    assert nearest(proxies, np.concatenate([proxies, embeddings])) == pytest.approx(0, abs=1e-12)


def test_proxies_are_apart_by_the_mean_over_their_pairs():
    proxies = points(3, 0)
    pairs = [math.dist(proxies[i], proxies[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert apart(proxies) == pytest.approx(sum(pairs) / 3)
    assert apart(np.stack([proxies[0], proxies[0]])) == 0


def test_one_proxy_a_class_is_not_apart_from_others():
    one = by_class(points(9, 0), LABELS, points(3, 1), np.arange(3))
    assert measure(one, None, rng())["apart"] is None
    assert len(measure(classes(), None, rng())["apart"]) == 3


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


def test_a_particle_at_rest_has_not_arrived(monkeypatch):
    """Flows start outside the ball of success, so that one that does not move is not counted."""
    monkeypatch.setattr(proxy_geometry, "flow", lambda cosines, gram, decay: cosines)
    z, labels = np.tile(np.eye(8), (2, 1)), np.repeat([0, 1], 8)
    row = measure(by_class(z, labels, -np.eye(8)[:2], np.array([0, 1])), Decay(4, 0.3), rng())
    assert row["minima_met"] == [[8, 0], [8, 0]]


def test_at_most_so_many_flows_a_class():
    z = points(40, 0)
    row = measure(by_class(z, np.zeros(40, int), z[:1], np.zeros(1, int)), Decay(2, 0.1), rng())
    assert row["minima_met"][0][0] + row["minima_unmet"][0][0] == MOST_STARTS


def test_numbers_have_six_digits():
    row = measure(classes(), Decay(2, 0.2), rng())
    for name in ("spread", "w2", "nearest", "condition"):
        assert all(value == round(value, 6) for value in row[name])
