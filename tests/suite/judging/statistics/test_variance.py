"""Variance components: against restricted maximum likelihood, against numbers by hand, and on known components."""

import warnings

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from suite.judging.statistics.variance import balanced, nested_components


def drawn(seed, *shape, sds):
    """Values of a nested design with these standard deviations, outermost factor first."""
    rng = np.random.default_rng(seed)
    values = np.zeros(shape)
    for depth, sd in enumerate(sds):
        values += sd * rng.normal(size=(*shape[: depth + 1], *[1] * (len(shape) - depth - 1)))
    return values


def test_two_components_are_those_of_a_mixed_model():
    values = drawn(0, 8, 4, sds=(2.0, 1.0))
    rows = pd.DataFrame({"y": values.ravel(), "search": np.repeat(np.arange(8), 4)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = MixedLM.from_formula("y ~ 1", rows, groups="search").fit(reml=True)
    assert nested_components(values) == pytest.approx([float(fit.cov_re.iloc[0, 0]), float(fit.scale)], rel=1e-3)


def test_three_components_are_those_of_a_mixed_model():
    values = drawn(1, 6, 5, 4, sds=(2.0, 1.5, 1.0))
    split, search, _ = np.indices(values.shape)
    rows = pd.DataFrame({"y": values.ravel(), "split": split.ravel(), "search": search.ravel()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MixedLM.from_formula(
            "y ~ 1", rows, groups="split", re_formula="1", vc_formula={"search": "0 + C(search)"}
        )
        fit = model.fit(reml=True)
    oracle = [float(fit.cov_re.iloc[0, 0]), float(fit.vcomp[0]), float(fit.scale)]
    assert nested_components(values) == pytest.approx(oracle, rel=1e-2)


def test_numbers_by_hand():
    # Within: (1 + 1) / 2 each, so 2; between means 1 and 5: 2 * 8 / 1 = 16; (16 - 2) / 2 = 7.
    assert nested_components(np.array([[0.0, 2.0], [4.0, 6.0]])) == [7.0, 2.0]


def test_an_estimate_may_be_negative():
    assert nested_components(np.array([[0.0, 2.0], [2.0, 0.0]]))[0] == -1.0


def test_known_components_are_found_on_average():
    found = np.mean([nested_components(drawn(s, 5, 4, sds=(1.3, 0.4))) for s in range(4000)], axis=0)
    assert found == pytest.approx([1.69, 0.16], rel=0.05)


def test_a_factor_with_one_level_has_no_component():
    one_search = nested_components(np.array([[1.0, 2.0, 3.0]]))
    assert np.isnan(one_search[0])
    assert one_search[1] == pytest.approx(1.0)
    # One seed a search: seeds are part of what searches scatter.
    one_seed = nested_components(np.array([[1.0], [2.0], [3.0]]))
    assert one_seed[0] == pytest.approx(1.0)
    assert np.isnan(one_seed[1])


def test_designs_are_balanced_or_none():
    seeds = {(number % 2, number): float(number) for number in range(4)}
    assert np.array_equal(balanced(seeds), [[0.0, 2.0], [1.0, 3.0]])
    assert balanced(seeds | {(0, 4): 4.0}) is None
    assert balanced(seeds | {(0, 0): np.nan}) is None
    assert balanced({}) is None
