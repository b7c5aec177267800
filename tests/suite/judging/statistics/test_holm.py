"""Holm's adjustment against its definition."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from suite.judging.statistics.holm import holm


def by_definition(p):
    """Step down: the i-th smallest of m is multiplied by m - i, and no adjusted p is below one before it."""
    order = sorted(range(len(p)), key=p.__getitem__)
    adjusted, least = [0.0] * len(p), 0.0
    for i, place in enumerate(order):
        least = max(least, min(1.0, (len(p) - i) * p[place]))
        adjusted[place] = least
    return adjusted


@pytest.mark.parametrize("p", [[0.01, 0.04, 0.03], [0.5], [], [0.9, 0.8], [0.001, 0.001, 0.2, 1.0]])
def test_adjusted_p_follow_the_definition(p):
    assert holm(p).tolist() == pytest.approx(by_definition(p))
    assert len(p) == 0 or holm(p).tolist() == pytest.approx(multipletests(p, method="holm")[1].tolist())


def test_families_stand_along_the_last_axis():
    families = np.random.default_rng(0).uniform(size=(2, 3, 4))
    assert holm(families)[1, 2].tolist() == pytest.approx(by_definition(families[1, 2].tolist()))
