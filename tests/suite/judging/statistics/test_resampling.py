"""The error over test classes: against the bootstrap, by coverage, and by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from suite.judging.statistics.resampling import class_error
from suite.randomness import stream


def classes(count, rng):
    """Hits and queries of classes that differ in size and difficulty."""
    queries = rng.integers(4, 12, count)
    return rng.binomial(queries, rng.beta(2, 2, count)), queries


def test_by_hand():
    # R = 6 / 10; residuals 3 - 2.4, 1 - 2.4, 2 - 1.2; their squares sum to 2.96.
    found = class_error([3, 1, 2], [4, 4, 2])
    error = math.sqrt(3 / 2 * 2.96) / 10
    assert (found.share, found.error) == pytest.approx((0.6, error))
    assert (found.low, found.high) == pytest.approx((0.6 - 4.302653 * error, 0.6 + 4.302653 * error))


def test_equals_the_bootstrap_over_classes():
    hits, queries = classes(400, stream("test", "classes"))
    drawn = stream("test", "bootstrap of classes").integers(0, 400, (20000, 400))
    shares = hits[drawn].sum(axis=1) / queries[drawn].sum(axis=1)
    found = class_error(hits, queries)
    assert found.error == pytest.approx(shares.std(), rel=0.02)
    assert (found.low, found.high) == pytest.approx(np.quantile(shares, [0.025, 0.975]), abs=0.002)


def test_classes_of_one_size_give_the_standard_error_of_the_mean():
    hits = np.array([1, 4, 2, 5, 3])
    assert class_error(hits, np.full(5, 5)).error == pytest.approx(stats.sem(hits / 5))


def test_queries_that_succeed_together_widen_the_error():
    rng = stream("test", "clusters")
    alike = 10 * rng.integers(0, 2, 100)
    independent = rng.binomial(10, 0.5, 100)
    binomial = math.sqrt(0.25 / 1000)
    assert class_error(independent, np.full(100, 10)).error == pytest.approx(binomial, rel=0.2)
    assert class_error(alike, np.full(100, 10)).error == pytest.approx(math.sqrt(10) * binomial, rel=0.2)


@pytest.mark.parametrize("count", [40, 400])
def test_covers_the_share_of_the_population(count):
    rng = stream("test", "coverage over classes", count)
    hits, queries = classes(200_000, rng)
    truth = hits.sum() / queries.sum()
    covered = []
    for _ in range(3000):
        drawn = rng.integers(0, len(hits), count)
        found = class_error(hits[drawn], queries[drawn])
        covered.append(found.low <= truth <= found.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.012)


def test_one_class_has_no_error():
    found = class_error([3], [4])
    assert found.share == 0.75
    assert math.isnan(found.error)
    assert math.isnan(found.low)
