"""Local minima stay near the embeddings. docs/theory.md, section 2."""

import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

import pfml
from baselines.cpml import CPMLLoss
from tests.properties.geometry import (
    PROFILE,
    Field,
    alike,
    at_chord,
    chord_of_sum,
    condition_holds,
    distances,
    flow,
    generator,
    gradient,
    inverse_pull,
    only_if,
    pull,
    tangent,
    unit,
)

SEEDS = st.integers(0, 2**31)
ALPHAS = st.floats(0.5, 6.0)
DELTAS = st.floats(0.05, 0.4)
SLACKS = st.floats(0.3, 0.95)
DIMS = st.integers(2, 8)


def around_one_source(
    seed: int, others: int, dim: int, alpha: float, delta: float, slack: float, *, sphere: bool
) -> tuple[Tensor, Tensor]:
    """A source and ``others`` more around it, such that the sum in (*) is exactly ``slack`` times its bound.

    Returns:
        Sources (1 + others, D), the one the minimum is sought around first, and distances D_i (others,).
    """
    random = generator(seed)
    shares = torch.rand(others, dtype=torch.float64, generator=random) + 0.2
    own = pull(alike(1, delta), alpha, sphere=sphere)
    gaps = delta + inverse_pull(slack * shares / shares.sum() * own, alpha, sphere=sphere)
    centre = unit(1, dim, random)[0]
    only_if(not sphere or float(gaps.max()) < 2)
    return torch.cat([centre[None], at_chord(centre, gaps, unit(others, dim, random), sphere=sphere)]), gaps


def check_minimum_near_source(
    seed: int, others: int, dim: int, alpha: float, delta: float, slack: float, *, sphere: bool
) -> None:
    """Under (*): the radial force points inwards just outside the ball, and a flow from there ends in the ball."""
    sources, gaps = around_one_source(seed, others, dim, alpha, delta, slack, sphere=sphere)
    assert bool(condition_holds(gaps, alpha, delta, sphere=sphere))
    centre, random = sources[0], generator(seed + 1)
    foreign = at_chord(centre, alike(3, 2.5 * delta), unit(3, dim, random), sphere=sphere)
    field = Field(sources, alpha, delta, others=foreign)
    # How far out the shell of inward force reaches: the condition with the radius in place of delta.
    reach = delta
    while bool(condition_holds_at(reach * 1.001, gaps, alpha, sphere=sphere)) and reach < 1.2 * delta:
        reach *= 1.001
    shell = at_chord(centre, alike(20, (1 + 1e-9) * delta), unit(20, dim, random), sphere=sphere)
    outward = shell - centre
    slope = gradient(field, shell)
    if sphere:
        outward, slope = tangent(outward, shell), tangent(slope, shell)
    assert bool(((slope * outward).sum(dim=1) > 0).all())
    # From the middle of the shell, in steps that fit into it: at its edge no force holds a particle back.
    width = reach - delta
    start = at_chord(centre, alike(4, delta + width / 2), unit(4, dim, random), sphere=sphere)
    end = flow(field, start, min(delta / 20, width / 2), sphere=sphere)
    assert distances(end, centre[None]).max().item() <= delta * (1 + 1e-3)


def condition_holds_at(radius: float, gaps: Tensor, alpha: float, *, sphere: bool) -> Tensor:
    """(*) with the radius of the shell in place of delta."""
    return pull(gaps - radius, alpha, sphere=sphere).sum() < pull(alike(1, radius), alpha, sphere=sphere)


@PROFILE
@given(SEEDS, st.integers(1, 6), DIMS, ALPHAS, DELTAS, SLACKS)
def test_minimum_near_source_in_euclidean_space(
    seed: int, others: int, dim: int, alpha: float, delta: float, slack: float
) -> None:
    check_minimum_near_source(seed, others, dim, alpha, delta, slack, sphere=False)


@PROFILE
@given(SEEDS, st.integers(1, 6), st.integers(3, 8), st.floats(1.0, 6.0), st.floats(0.05, 0.3), SLACKS)
@example(47, 1, 3, 4.0, 0.25, 0.75)
def test_minimum_near_source_on_the_sphere(
    seed: int, others: int, dim: int, alpha: float, delta: float, slack: float
) -> None:
    check_minimum_near_source(seed, others, dim, alpha, delta, slack, sphere=True)


@PROFILE
@given(SEEDS, st.integers(4, 12), DIMS, ALPHAS, DELTAS, SLACKS)
def test_condition_is_sharp_for_a_cluster_in_euclidean_space(
    seed: int, size: int, dim: int, alpha: float, delta: float, slack: float
) -> None:
    """Sources that coincide at the distance where the sum in (*) is 1 / slack > 1: the particle leaves the ball."""
    random = generator(seed)
    only_if((size * slack) ** (1 / (alpha + 1)) > 1.05)
    gap = delta * (1 + (size * slack) ** (1 / (alpha + 1)))
    centre = unit(1, dim, random)
    cluster = centre + gap * unit(1, dim, random)
    gaps = alike(size, gap)
    assert not bool(condition_holds(gaps, alpha, delta, sphere=False))
    field = Field(torch.cat([centre, cluster.expand(size, -1)]), alpha, delta)
    end = flow(field, centre, gap / 20)
    assert (end - centre).norm().item() > 1.02 * delta
    assert (end - cluster).norm().item() <= delta * (1 + 1e-3)


@PROFILE
@given(SEEDS, st.integers(4, 12), st.integers(3, 8), st.floats(1.0, 6.0), st.floats(0.05, 0.25), SLACKS)
def test_violated_condition_can_fail_on_the_sphere(
    seed: int, size: int, dim: int, alpha: float, delta: float, slack: float
) -> None:
    """A cluster that outweighs the source at the point of the ball that faces it."""
    random = generator(seed)
    own = pull(alike(1, delta), alpha, sphere=True)
    beyond = float(inverse_pull(own / (size * slack), alpha, sphere=True))
    only_if(1.05 * delta < beyond < 1.8)
    gap = chord_of_sum(delta, beyond)
    centre = unit(1, dim, random)
    cluster = at_chord(centre[0], alike(1, gap), unit(1, dim, random), sphere=True)
    assert not bool(condition_holds(alike(size, gap), alpha, delta, sphere=True))
    field = Field(torch.cat([centre, cluster.expand(size, -1)]), alpha, delta)
    end = flow(field, centre, gap / 20, sphere=True)
    assert (end - centre).norm().item() > 1.02 * delta
    assert (end - cluster).norm().item() <= delta * (1 + 1e-3)


@PROFILE
@given(SEEDS, st.integers(2, 12), st.integers(3, 8), st.floats(1.0, 50.0), st.booleans())
def test_control_has_one_minimum_at_the_mean(seed: int, count: int, dim: int, far: float, sphere: bool) -> None:
    """Gradient descent ends at the (normalised) mean from any start, and the force is 2 sum_i (r - z_i) everywhere."""
    random = generator(seed)
    scale = 1.0 if sphere else far
    sources = scale * unit(count, dim, random)
    mean = sources.mean(dim=0, keepdim=True)
    particle = scale * unit(1, dim, random)
    only_if(mean.norm() > 0.2 * scale and (mean * particle).sum() > -0.9 * mean.norm() * scale)
    loss = CPMLLoss(1, dim, 0).double()
    labels = torch.zeros(count + 1, dtype=torch.int64)
    for _ in range(150):
        slope = gradient(lambda r: loss(torch.cat([sources, r]), labels), particle)
        torch.testing.assert_close(slope, 2 * 2 * count * (particle - mean), rtol=1e-9, atol=1e-9 * scale)
        particle = particle - slope / (8 * count)
        particle = normalize(particle) if sphere else particle
    assert (particle - (normalize(mean) if sphere else mean)).norm().item() <= 1e-4 * scale


def test_control_can_end_arbitrarily_far_from_every_embedding() -> None:
    for far in (1.0, 10.0, 1000.0):
        sources = torch.tensor([[far, 0.0], [-far, 0.0]], dtype=torch.float64)
        assert distances(sources.mean(dim=0, keepdim=True), sources).min().item() == pytest.approx(far)


@PROFILE
@given(st.integers(2, 50), ALPHAS, DELTAS, st.floats(1.001, 3.0))
def test_distance_that_suffices_for_all_sources(count: int, alpha: float, delta: float, excess: float) -> None:
    """D > delta (1 + (N - 1)^(1 / (alpha + 1))) implies (*), and the bound falls as alpha grows."""
    bound = delta * (1 + (count - 1) ** (1 / (alpha + 1)))
    gaps = alike(count - 1, excess * bound)
    assert bool(condition_holds(gaps, alpha, delta, sphere=False))
    assert delta * (1 + (count - 1) ** (1 / (alpha + 2))) <= bound
    if count > 2:
        assert not bool(condition_holds(gaps / excess * 0.999, alpha, delta, sphere=False))


@PROFILE
@given(SEEDS, st.integers(3, 8), st.floats(0.05, 1.95))
def test_chord_changes_along_geodesics_at_most_at_the_stated_rate(seed: int, dim: int, chord: float) -> None:
    """|d chord| <= sqrt(1 - chord^2 / 4) per unit of arc, with equality straight towards or away."""
    random = generator(seed)
    source = unit(1, dim, random)
    particle = at_chord(source[0], alike(1, chord), unit(1, dim, random), sphere=True)
    slope = tangent(gradient(lambda r: distances(r, source).sum(dim=1), particle), particle)
    bound = math.sqrt(1 - chord**2 / 4)
    assert slope.norm().item() == pytest.approx(bound, rel=1e-9)
    direction = tangent(unit(1, dim, random), particle)
    assert abs((slope * direction).sum().item()) <= bound * direction.norm().item() * (1 + 1e-12)


def check_field_is_gradient_of_loss(seed: int, count: int, dim: int, alpha: float, delta: float) -> None:
    """What the flows above follow is the force that training applies: twice it, as each pair counts twice."""
    random = generator(seed)
    own, foreign = unit(count, dim, random), unit(2, dim, random)
    particle = unit(1, dim, random).requires_grad_()
    only_if(distances(particle.detach(), foreign).min().item() > 0.05 * delta)
    loss = pfml.PotentialFieldLoss(2, dim, 0, alpha, delta).double()
    loss(torch.cat([particle, own, foreign]), torch.tensor([0] * (count + 1) + [1, 1])).backward()
    expected = 2 * gradient(Field(own, alpha, delta, others=foreign), particle)
    assert particle.grad is not None
    torch.testing.assert_close(particle.grad, expected, rtol=1e-9, atol=1e-9)


@PROFILE
@given(SEEDS, st.integers(1, 6), DIMS, st.floats(0.0, 4.0), st.floats(0.1, 1.5))
def test_field_of_a_test_particle_is_the_gradient_of_the_loss(
    seed: int, count: int, dim: int, alpha: float, delta: float
) -> None:
    check_field_is_gradient_of_loss(seed, count, dim, alpha, delta)
