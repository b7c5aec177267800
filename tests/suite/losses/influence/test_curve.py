"""Influence curves against closed forms, for any loss, and with teeth."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import pfml.loss
from pfml._kernel import PotentialField
from suite.errors import SuiteError
from suite.losses.influence.curve import COLUMNS, DISTANCES, influence_curves
from suite.losses.influence.scene import NUM_CLASSES
from suite.losses.registry import BUILT_IN, find_loss, load_target
from suite.settings.params import LossSettings
from tests.helpers.synthetic import own_loss

DIM = 32
SOME = (0.05, 0.15, 0.3, 0.8, 1.2, 1.7)


def curves(name, values=None, distances=SOME, target=None, every=1):
    table = influence_curves(find_loss(name, LossSettings(target=target)), values or {}, DIM, distances, every)
    assert tuple(table.columns) == COLUMNS
    return {pair: table[table["pair"] == pair]["influence"].to_numpy() for pair in ("positive", "negative")}


def along(distance):
    """Rate at which a chord changes along its geodesic."""
    return np.sqrt(1 - np.square(distance) / 4)


def check_field(alpha, delta, proxies):
    """F(d) = alpha d^-(alpha + 1) on its side of delta, twice for each source at the point, along the sphere."""
    values = {"alpha": alpha, "delta": delta, "proxies_per_class": proxies}
    d = np.array(SOME)
    force = 2 * (1 + proxies) * alpha * d ** -(alpha + 1) * along(d)
    measured = curves("pfml", values)
    np.testing.assert_allclose(measured["positive"], np.where(d > delta, force, 0), rtol=1e-3)
    np.testing.assert_allclose(measured["negative"], np.where(d < delta, force, 0), rtol=1e-3)


@pytest.mark.parametrize(("alpha", "delta", "proxies"), [(3.0, 0.2, 0), (2.0, 1.0, 0), (4.0, 0.5, 2)])
def test_the_field_has_the_closed_form(alpha, delta, proxies):
    check_field(alpha, delta, proxies)


def test_a_wrong_exponent_is_caught(monkeypatch):
    def wrong(alpha, *rest):
        return replace(PotentialField(alpha, *rest), alpha=alpha + 0.5)

    monkeypatch.setattr(pfml.loss, "PotentialField", wrong)
    with pytest.raises(AssertionError):
        check_field(3.0, 0.2, 0)


@pytest.mark.parametrize("proxies", [0, 2])
def test_the_control_pulls_with_twice_the_distance(proxies):
    d = np.array(SOME)
    measured = curves("cpml", {"proxies_per_class": proxies, "margin": 0.5})
    twice = 2 * (1 + proxies) * along(d)
    np.testing.assert_allclose(measured["positive"], twice * 2 * d, rtol=1e-3)
    np.testing.assert_allclose(measured["negative"], twice * 2 * np.maximum(0.5 - d, 0), rtol=1e-3, atol=1e-4)


def test_triplets_pull_with_twice_the_distance():
    d = np.array(SOME)
    np.testing.assert_allclose(curves("triplet", {"margin": 0.8})["positive"], 2 * d * along(d), rtol=1e-3)


def test_proxy_anchor_meets_the_class_at_its_proxy():
    """Eq. 4 of Kim et al., 2020, with the proxy of the anchor's class on the positive, itself at similarity 1."""
    alpha, margin, d = 8.0, 0.1, np.array(SOME)
    own, other = (np.exp(-alpha * (s - margin)) for s in (1 - d**2 / 2, 1.0))
    expected = alpha * own / (1 + own + other) / NUM_CLASSES * d * along(d)
    measured = curves("proxy_anchor", {"alpha": alpha, "margin": margin})
    np.testing.assert_allclose(measured["positive"], expected, rtol=2e-3)


def test_some_reference_batches_stand_for_all():
    """For the field each batch has the same influence; a loss that mines has another one in each."""
    whole, some = (curves("pfml", every=every)["positive"] for every in (1, 4))
    np.testing.assert_allclose(some, whole, rtol=1e-3)
    whole, some, one = (curves("triplet", every=every)["positive"] for every in (1, 4, 16))
    assert not np.array_equal(whole, one)
    assert np.abs(some - whole).max() <= 0.25 * np.abs(whole).max()


def test_which_losses_pull_less_with_distance():
    """Per unit of chord: the field decays, its control is constant, SuperLoss distrusts what lies far, all others grow."""
    d = np.array((0.3, 0.6, 0.9, 1.2))
    for name in BUILT_IN:
        steps = np.diff(curves(name, distances=d, every=4)["positive"] / along(d))
        if name in {"pfml", "pfml_two_radii"}:
            assert (steps < 0).all()
        elif name == "pfml_constant_force":
            np.testing.assert_allclose(steps, 0, atol=1e-3)
        elif name == "super_loss":
            assert steps[0] > 0 > steps[-1]
        else:
            assert (steps >= 0).all(), name


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ArcFaceLoss", {"embedding_size": DIM}),
        ("CircleLoss", {}),
        ("ContrastiveLoss", {"pos_margin": 0.0}),
        ("FastAPLoss", {}),
        ("GeneralizedLiftedStructureLoss", {}),
        ("LiftedStructureLoss", {}),
        ("MarginLoss", {}),
        ("NCALoss", {}),
        ("NPairsLoss", {}),
        ("NTXentLoss", {}),
        ("NormalizedSoftmaxLoss", {"embedding_size": DIM}),
        ("ProxyNCALoss", {"embedding_size": DIM}),
        ("SignalToNoiseRatioContrastiveLoss", {}),
        ("SoftTripleLoss", {"embedding_size": DIM, "centers_per_class": 2}),
        ("SupConLoss", {}),
        ("TripletMarginLoss", {"margin": 1.0}),
        ("TupletMarginLoss", {}),
    ],
)
def test_losses_of_pytorch_metric_learning(name, values):
    measured = curves("theirs", values, (0.4, 1.3), f"pytorch_metric_learning.losses:{name}")
    for curve in measured.values():
        assert np.isfinite(curve).all()
    assert np.abs(measured["positive"]).max() > 0


def test_an_own_file_gets_its_curves_for_free(workplace):
    entry = load_target("own", own_loss("return value"))
    table = influence_curves(entry, {}, DIM, (0.2, 1.0))
    assert (table["loss"] == "own").all()
    assert table["influence"].abs().max() > 0


def test_values_are_shares_of_the_largest():
    table = influence_curves(find_loss("pfml", LossSettings()), {}, DIM, SOME)
    for _, mine in table.groupby("pair"):
        assert mine["normalised"].max() == 1
        np.testing.assert_allclose(mine["normalised"], mine["influence"] / mine["influence"].max())


def test_the_same_loss_gives_the_same_curve_and_leaves_the_generator_alone():
    before = torch.get_rng_state()
    first, again = (influence_curves(find_loss("pfml", LossSettings()), {}, DIM, (0.3,)) for _ in range(2))
    assert first.equals(again)
    assert torch.equal(before, torch.get_rng_state())


def test_distances_rise_within_the_sphere():
    assert (np.diff(DISTANCES) > 0).all()
    assert 0 < DISTANCES[0] < DISTANCES[-1] < 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 0 * value / 0", "a gradient that is not finite"),
        ("return embeddings", "a tensor of shape"),
        ("raise IndexError('lost')", "its influence cannot be measured: the loss raised IndexError: lost"),
    ],
)
def test_a_loss_that_fails_is_named(workplace, body, message):
    entry = load_target("own", own_loss(body))
    with pytest.raises(SuiteError, match=message) as caught:
        influence_curves(entry, {}, DIM, (0.5,))
    assert "losses.own" in str(caught.value)


def test_a_constant_loss_has_no_influence(workplace):
    entry = load_target("own", own_loss("return torch.zeros(())"))
    table = influence_curves(entry, {}, DIM, (0.5,))
    assert not table["influence"].any()
    assert not table["normalised"].any()
