"""The decay law: size, slope and sign of the force, by automatic differentiation. docs/theory.md, section 1."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import pfml
from baselines.cpml import CPMLLoss
from baselines.multi_similarity import MultiSimilarityLoss
from baselines.proxy_anchor import ProxyAnchorLoss
from baselines.triplet import TripletLoss
from tests.properties.geometry import PROFILE

ALPHAS = st.floats(0.25, 6.0)
DELTAS = st.floats(0.05, 1.2)
INSIDE = st.floats(0.05, 0.99)
OUTSIDE = st.floats(1.01, 20.0)


def force(kind: str, distance: float, alpha: float, delta: float) -> tuple[float, float, float]:
    """Value of a potential, its derivative and its second derivative at one distance, by autograd."""
    at = torch.tensor(distance, dtype=torch.float64, requires_grad=True)
    value: Tensor = getattr(pfml, kind)(at, alpha, delta)
    (first,) = torch.autograd.grad(value, at, create_graph=True, materialize_grads=True)
    second = torch.autograd.grad(first, at, materialize_grads=True)[0] if first.requires_grad else torch.zeros(())
    return value.item(), first.item(), second.item()


def check_attraction_law(alpha: float, delta: float, near: float, far: float) -> None:
    """Beyond delta: closed forms of value, force and curvature, and a log-log slope of -(alpha + 1)."""
    d1, d2 = sorted((near * delta, far * delta))
    for d in (d1, d2):
        value, first, second = force("attraction", d, alpha, delta)
        assert value == pytest.approx(-(d**-alpha), rel=1e-9)
        assert first == pytest.approx(alpha * d ** -(alpha + 1), rel=1e-9)
        assert second == pytest.approx(-alpha * (alpha + 1) * d ** -(alpha + 2), rel=1e-9)
    check_slope("attraction", d1, d2, alpha, delta)


def check_repulsion_law(alpha: float, delta: float, near: float, far: float) -> None:
    """Within delta: the same law with the opposite sign."""
    d1, d2 = sorted((near * delta, far * delta))
    for d in (d1, d2):
        value, first, second = force("repulsion", d, alpha, delta)
        assert value == pytest.approx(d**-alpha, rel=1e-9)
        assert first == pytest.approx(-alpha * d ** -(alpha + 1), rel=1e-9)
        assert second == pytest.approx(alpha * (alpha + 1) * d ** -(alpha + 2), rel=1e-9)
    check_slope("repulsion", d1, d2, alpha, delta)


def check_slope(kind: str, d1: float, d2: float, alpha: float, delta: float) -> None:
    """F(d2) / F(d1) = (d1 / d2)^(alpha + 1) < 1."""
    if d2 < 1.001 * d1:
        return
    f1, f2 = (abs(force(kind, d, alpha, delta)[1]) for d in (d1, d2))
    assert 0 < f2 < f1
    assert math.log(f2 / f1) / math.log(d2 / d1) == pytest.approx(-(alpha + 1), rel=1e-6)


def check_silence(alpha: float, delta: float, inside: float, outside: float) -> None:
    """No attraction within delta, no repulsion beyond it: exactly zero force at a constant potential."""
    assert force("attraction", inside * delta, alpha, delta)[0] == pytest.approx(-(delta**-alpha), rel=1e-12)
    assert force("attraction", inside * delta, alpha, delta)[1] == 0
    assert force("repulsion", outside * delta, alpha, delta)[0] == pytest.approx(delta**-alpha, rel=1e-12)
    assert force("repulsion", outside * delta, alpha, delta)[1] == 0


@PROFILE
@given(ALPHAS, DELTAS, OUTSIDE, OUTSIDE)
def test_attraction_decays_as_a_power_beyond_delta(alpha: float, delta: float, near: float, far: float) -> None:
    check_attraction_law(alpha, delta, near, far)


@PROFILE
@given(ALPHAS, DELTAS, INSIDE, INSIDE)
def test_repulsion_decays_as_a_power_within_delta(alpha: float, delta: float, near: float, far: float) -> None:
    check_repulsion_law(alpha, delta, near, far)


@PROFILE
@given(ALPHAS, DELTAS, INSIDE, OUTSIDE)
def test_each_force_is_zero_on_its_side_of_delta(alpha: float, delta: float, inside: float, outside: float) -> None:
    check_silence(alpha, delta, inside, outside)


@PROFILE
@given(DELTAS, INSIDE, OUTSIDE)
def test_log_potential_has_force_one_over_distance(delta: float, inside: float, outside: float) -> None:
    assert force("attraction", outside * delta, 0.0, delta)[1] == pytest.approx(1 / (outside * delta), rel=1e-9)
    assert force("repulsion", inside * delta, 0.0, delta)[1] == pytest.approx(-1 / (inside * delta), rel=1e-9)
    check_silence_of_log(delta, inside, outside)


def check_silence_of_log(delta: float, inside: float, outside: float) -> None:
    """The log potential keeps to its side of delta too."""
    assert force("attraction", inside * delta, 0.0, delta)[1] == 0
    assert force("repulsion", outside * delta, 0.0, delta)[1] == 0


def influence(loss: nn.Module, angles: list[float]) -> list[float]:
    """Gradient norm along the sphere of a positive at each angle from its anchor, a negative being at a right angle.

    For a loss with proxies the anchor is the proxy of the class, and the batch holds the positive and the negative.
    """
    anchor, negative = torch.eye(3, dtype=torch.float64)[[0, 2]]
    weight = next(iter(loss.parameters()), None)
    if weight is not None:
        with torch.no_grad():
            weight.copy_(torch.stack([anchor, negative]))
    norms = []
    for angle in angles:
        positive = torch.tensor([math.cos(angle), math.sin(angle), 0.0], dtype=torch.float64, requires_grad=True)
        rows = [positive, negative] if weight is not None else [positive, negative, anchor]
        loss(torch.stack(rows), torch.tensor([0, 1, 0][: len(rows)])).backward()
        assert positive.grad is not None
        norms.append((positive.grad - (positive.grad @ positive.detach()) * positive.detach()).norm().item())
    return norms


def test_far_positives_pull_less_in_the_field_and_more_in_the_baselines() -> None:
    angles = [0.3, 0.5, 0.7, 0.9, 1.1, 1.3]
    field = influence(pfml.PotentialFieldLoss(2, 3, 1, alpha=3.0, delta=0.2).double(), angles)
    assert field == sorted(field, reverse=True)
    rising = [
        CPMLLoss(2, 3, 1).double(),
        MultiSimilarityLoss(epsilon=2.0),
        ProxyAnchorLoss(2, 3, alpha=4.0).double(),
        TripletLoss(margin=2.0),
    ]
    for loss in rising:
        curve = influence(loss, angles)
        assert curve[:4] == sorted(curve[:4]), type(loss).__name__
        assert curve[3] > curve[0] > 0, type(loss).__name__


def test_influence_in_the_field_is_the_closed_form() -> None:
    angles = [0.05, 0.15, 0.3, 0.6, 1.2]
    curve = influence(pfml.PotentialFieldLoss(2, 3, 1, alpha=2.0, delta=0.2).double(), angles)
    for angle, norm in zip(angles, curve, strict=True):
        chord = 2 * math.sin(angle / 2)
        # Each unordered pair counts twice; along a geodesic the chord changes at the rate cos(angle / 2).
        expected = 2 * 2.0 * chord**-3 * math.cos(angle / 2) if chord > 0.2 else 0.0
        assert norm == pytest.approx(expected, rel=1e-9)
