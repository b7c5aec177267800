"""Condition (*) against a double loop; what violates it."""

import math

import numpy as np
import pytest
from suite.training.studies.condition import Decay, meets_condition

from tests.suite.training.studies.test_transport import points


def by_loop(embeddings, proxies, alpha, delta):
    """(*) of docs/theory.md on the sphere, embedding by embedding."""

    def g(d):
        return math.sqrt(1 - d**2 / 4) * d ** -(alpha + 1)

    flags = []
    for k, z in enumerate(embeddings):
        others = [s for i, s in enumerate(embeddings) if i != k] + list(proxies)
        gaps = [math.dist(z, s) for s in others]
        flags.append(all(d > 2 * delta for d in gaps) and sum(g(d - delta) for d in gaps) < g(delta))
    return flags


@pytest.mark.parametrize("alpha", [0, 1.0, 2.5, 6])
@pytest.mark.parametrize(("embeddings", "proxies"), [(1, 0), (2, 0), (6, 0), (6, 2), (30, 3)])
def test_against_the_double_loop(embeddings, proxies, alpha):
    found = []
    for seed in range(6):
        z, p = points(embeddings, seed), points(proxies, seed + 50)
        for delta in (0.05, 0.15, 0.3, 0.45):
            expected = by_loop(z, p, alpha, delta)
            assert meets_condition(z, p, Decay(alpha, delta)).tolist() == expected
            found += expected
    assert embeddings == 1 or {True, False} == set(found), "both outcomes are drawn"


def test_a_single_embedding_without_proxies_meets_it():
    assert meets_condition(points(1, 0), points(0, 0), Decay(2, 0.9)).tolist() == [True]


def test_a_source_within_two_delta_violates_it_for_both():
    z = points(3, 0, dim=8)
    near = z[:1] + 0.1 * points(1, 9, dim=8)
    decay = Decay(6, 0.1)
    assert meets_condition(z, points(0, 0, dim=8), decay).tolist() == [True] * 3
    assert meets_condition(np.concatenate([z, near]), points(0, 0, dim=8), decay).tolist() == [False, True, True, False]


def test_proxies_count_among_the_sources():
    z = points(3, 0, dim=8)
    decay = Decay(6, 0.1)
    assert meets_condition(z, z[1:2], decay).tolist() == [True, False, True]
