"""t-intervals against scipy's own and by coverage."""

import math

import numpy as np
import pytest
from scipy import stats

from suite.judging.statistics.intervals import t_interval


def test_equals_scipy():
    values = [50.2, 50.9, 51.1, 49.8, 50.5]
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    interval = t_interval(values)
    assert (interval.mean, interval.low, interval.high, interval.n) == pytest.approx((np.mean(values), low, high, 5))


def test_failed_runs_do_not_count():
    assert t_interval([1.0, math.nan, 3.0]) == t_interval([1.0, 3.0])


def test_no_interval_without_two_values():
    assert t_interval([]).n == 0
    single = t_interval([2.0])
    assert single.mean == 2.0
    assert math.isnan(single.low)
    assert math.isnan(single.high)


def test_covers_at_the_nominal_rate():
    rng = np.random.default_rng(0)
    covered = [(i := t_interval(rng.normal(size=5).tolist())).low <= 0 <= i.high for _ in range(4000)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)
