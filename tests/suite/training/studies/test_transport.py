"""Exact W2 against an assignment and a linear programme; spread and nearest against loops."""

import math

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog
from suite.training.studies.transport import nearest, spread, wasserstein


def points(count, seed, dim=5):
    """Unit rows."""
    rows = np.random.default_rng(seed).normal(size=(count, dim))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


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
