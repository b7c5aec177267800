"""Power against statsmodels, and against the table that plans were made from."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from suite.judging.statistics.power import (
    detectable_in_errors,
    equivalence_margin_in_errors,
    power,
)


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("level", [0.05, 0.05 / 12])
def test_detectable_effect_is_that_of_statsmodels(n, level):
    oracle = TTestPower().solve_power(nobs=n, alpha=level, power=0.8, alternative="larger")
    assert detectable_in_errors(n - 1, level) / math.sqrt(n) == pytest.approx(oracle, rel=1e-4)


def test_the_detectable_effect_has_the_power_asked_for():
    assert power(detectable_in_errors(4), 4) == pytest.approx(0.8)
    assert power(0, 4) == pytest.approx(0.05)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_equivalence_margin_has_the_power_asked_for(n):
    rng = np.random.default_rng(n)
    samples = rng.normal(size=(40_000, n))
    margin = equivalence_margin_in_errors(n - 1) / math.sqrt(n)
    error = samples.std(axis=1, ddof=1) / math.sqrt(n)
    confirmed = margin - np.abs(samples.mean(axis=1)) > stats.t.ppf(0.95, n - 1) * error
    assert confirmed.mean() == pytest.approx(0.8, abs=0.01)  # four standard errors of the simulation
