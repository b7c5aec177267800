"""What a number of units could find, against statsmodels, and against what records then give."""

import math

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from suite.judging.claims.load import load_claims
from suite.judging.claims.plan import UNITS, plan_families
from suite.judging.claims.schema import InfluenceDecay
from tests.suite.judging.claims.synthetic import claim, judged, runs, write

WIGGLE = np.array([1.0, -2.0, 1.5, -1.0, 0.5])


def test_detectable_effects_are_those_of_statsmodels_at_holms_first_step():
    (found,) = plan_families([claim("superiority", datasets=["emoji", "furniture", "typefaces"])] * 4)
    assert (found.family, found.tests, found.smallest, found.shows) == ("one", 12, 0.5, "difference")
    for n, each in zip(UNITS, found.detectable, strict=True):
        oracle = TTestPower().solve_power(nobs=n, alpha=0.025 / 12, power=0.8, alternative="larger")
        assert each == pytest.approx(oracle, rel=1e-4)
    assert found.tolerable == pytest.approx([0.5 / each for each in found.detectable])


def test_margins_are_larger_than_differences_of_the_same_power_and_reproductions_count_by_metric():
    (found,) = plan_families([claim("insensitivity")])
    (difference,) = plan_families([claim("trend")])
    assert found.shows == "margin"
    assert all(margin < 2 * other for margin, other in zip(found.detectable, difference.detectable, strict=True))
    reported = {name: {"value": 73.4, "spread": None, "runs": None} for name in ("recall_at_1", "recall_at_2")}
    (found,) = plan_families([claim("reproduction", estimand=list(reported), reported=reported)])
    assert found.tests == 2


def test_the_plan_and_what_an_inconclusive_line_could_have_shown_are_the_same(workplace):
    write("runs", runs(50.3 + WIGGLE) + runs([50.0] * 5, loss="cpml"))
    claims = [claim("superiority")]
    (line,) = judged(*claims)
    (found,) = plan_families(claims, [line])
    assert found.scatter == pytest.approx(np.std(WIGGLE, ddof=1))
    assert found.detectable[UNITS.index(5)] * found.scatter == pytest.approx(line.detectable)


def test_a_family_with_several_points_of_a_data_set_counts_them_all(workplace):
    write("runs", runs(50.3 + WIGGLE) + runs([50.0] * 5, loss="cpml"))
    (line,) = judged(claim("superiority"))
    (found,) = plan_families([claim("superiority")], [line] * 5)
    oracle = TTestPower().solve_power(nobs=5, alpha=0.025 / 5, power=0.8, alternative="larger")
    assert (found.tests, found.detectable[0]) == (5, pytest.approx(oracle, rel=1e-4))


def test_every_family_of_the_repository_that_has_sampling_error_has_a_plan():
    claims = [file.claim for file in load_claims()]
    planned = {each.family for each in plan_families(claims)}
    assert planned == {each.family for each in claims if not isinstance(each, InfluenceDecay)}
    assert all(math.isfinite(value) for each in plan_families(claims) for value in each.detectable)
