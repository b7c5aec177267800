"""Bounded influence and survival of a tight cluster among mislabelled points. docs/theory.md, section 4."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.properties.geometry import (
    PROFILE,
    Field,
    alike,
    at_chord,
    cluster_condition_holds,
    distances,
    flow,
    generator,
    gradient,
    only_if,
    unit,
)

SEEDS = st.integers(0, 2**31)


def check_pull_is_bounded(alpha: float, delta: float, distance: float) -> None:
    """One source pulls with at most alpha delta^-(alpha + 1), and less and less with distance beyond delta."""
    source = torch.zeros(1, 3, dtype=torch.float64)
    at = torch.tensor([[distance, 0, 0], [2 * distance, 0, 0]], dtype=torch.float64)
    near, far = gradient(Field(source, alpha, delta), at).norm(dim=1).tolist()
    assert near <= alpha * delta ** -(alpha + 1) * (1 + 1e-12)
    if distance > delta:
        assert far / near == pytest.approx(2 ** -(alpha + 1), rel=1e-9)


@PROFILE
@given(st.floats(0.5, 6.0), st.floats(0.05, 1.0), st.floats(0.01, 20.0))
def test_pull_of_one_source_is_bounded_and_redescends(alpha: float, delta: float, distance: float) -> None:
    check_pull_is_bounded(alpha, delta, distance)


def shift_of_minimum(alpha: float, dim: int, outlier: float) -> float:
    """How far an outlier moves the smooth minimum among sources at +-e_1, ..., +-e_dim, by Newton's method."""
    frame = torch.eye(dim, dtype=torch.float64)
    away = torch.full((1, dim), outlier / math.sqrt(dim), dtype=torch.float64)
    field = Field(torch.cat([frame, -frame, away]), alpha, delta=0.2)
    curvature = 2 * alpha * (dim - alpha - 2)
    particle = torch.zeros(1, dim, dtype=torch.float64)
    for _ in range(60):
        particle = particle - gradient(field, particle) / curvature
    assert gradient(field, particle).norm() < 1e-12
    return float(particle.norm())


@pytest.mark.parametrize("alpha", [1.0, 2.0, 3.0, 4.0])
def test_shift_by_an_outlier_vanishes_with_its_distance(alpha: float) -> None:
    """The minimum moves by R^-(alpha + 1) / (2 (dim - alpha - 2)) to first order; the mean by R / (N + 1)."""
    dim = 12
    for outlier in (20.0, 40.0, 80.0):
        predicted = outlier ** -(alpha + 1) / (2 * (dim - alpha - 2))
        assert shift_of_minimum(alpha, dim, outlier) == pytest.approx(predicted, rel=0.05)
    slope = math.log2(shift_of_minimum(alpha, dim, 80.0) / shift_of_minimum(alpha, dim, 40.0))
    assert slope == pytest.approx(-(alpha + 1), abs=0.05)


@PROFILE
@given(SEEDS, st.integers(2, 20), st.integers(2, 8), st.floats(1.0, 1e4))
def test_shift_of_the_control_grows_without_bound(seed: int, count: int, dim: int, outlier: float) -> None:
    """The minimum of the control is the mean: one outlier at distance R from it moves it by R / (N + 1)."""
    random = generator(seed)
    sources = unit(count, dim, random)
    mean = sources.mean(dim=0)
    stray = mean + outlier * unit(1, dim, random)
    moved = torch.cat([sources, stray]).mean(dim=0) - mean
    assert moved.norm().item() == pytest.approx(outlier / (count + 1), rel=1e-6)


def mislabelled_majority(
    seed: int, size: int, strays: int, dim: int, alpha: float, delta: float, slack: float
) -> tuple[Tensor, Tensor, Tensor, float]:
    """A tight cluster and more mislabelled points, all together where the sum of (**) is ``slack`` times its bound.

    Returns:
        Centre (D,), members (size, D), strays (strays, D), eta.
    """
    random = generator(seed)
    eta = 0.3 * delta
    rho = delta + eta
    inward = size * math.sqrt(1 - (eta / rho) ** 2) * (rho + eta) ** -(alpha + 1)
    gap = rho + (slack * inward / strays) ** (-1 / (alpha + 1))
    centre = unit(1, dim, random)[0]
    members = at_chord(centre, alike(size, eta), unit(size, dim, random), sphere=False)
    direction = unit(1, dim, random).expand(strays, -1)
    return centre, members, at_chord(centre, alike(strays, gap), direction, sphere=False), eta


@PROFILE
@given(
    SEEDS,
    st.integers(3, 8),
    st.integers(1, 4),
    st.integers(2, 8),
    st.floats(1.0, 6.0),
    st.floats(0.05, 0.5),
    st.floats(0.2, 0.95),
)
def test_tight_cluster_survives_a_mislabelled_majority(
    seed: int, size: int, times: int, dim: int, alpha: float, delta: float, slack: float
) -> None:
    strays = size * times + 1
    centre, members, wrong, eta = mislabelled_majority(seed, size, strays, dim, alpha, delta, slack)
    gaps = distances(wrong, centre[None]).squeeze(1)
    only_if(cluster_condition_holds(gaps, size, alpha, delta, eta))
    start = at_chord(centre, alike(3, delta + eta), unit(3, dim, generator(seed + 1)), sphere=False)
    end = flow(Field(torch.cat([members, wrong]), alpha, delta), start, delta / 20)
    assert distances(end, centre[None]).max().item() <= (delta + eta) * (1 + 1e-3)
    control = torch.cat([members, wrong]).mean(dim=0)
    assert (control - centre).norm().item() > delta + eta


@pytest.mark.parametrize("alpha", [1.0, 3.0])
def test_cluster_falls_to_a_majority_that_is_large_and_near(alpha: float) -> None:
    """The condition is not idle: violated by enough, the mislabelled points take the particle from the cluster."""
    centre, members, wrong, eta = mislabelled_majority(0, 4, 4000, 3, alpha, delta=0.1, slack=30.0)
    gaps = distances(wrong, centre[None]).squeeze(1)
    assert not cluster_condition_holds(gaps, 4, alpha, 0.1, eta)
    end = flow(Field(torch.cat([members, wrong]), alpha, 0.1), centre[None], 0.05)
    assert (end - centre).norm().item() > 0.1 + eta
    assert distances(end, wrong).max().item() <= 0.1 * (1 + 1e-3)
