"""Proxies represent the data: exact 2-Wasserstein distances, by POT. docs/theory.md, section 3."""

import math

import ot
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

import pfml
from tests.properties.geometry import (
    PROFILE,
    Field,
    alike,
    at_chord,
    cluster_condition_holds,
    condition_holds,
    distances,
    flow,
    generator,
    gradient,
    largest_delta,
    only_if,
    tangent,
    unit,
)

SEEDS = st.integers(0, 2**31)
ALPHAS = st.floats(1.0, 6.0)
TIGHT = 1 + 1e-3


def wasserstein(a: Tensor, b: Tensor) -> float:
    """Exact W2 of two uniform measures on points (N, D) and (M, D)."""
    cost = distances(a, b).square().numpy()
    uniform = [torch.full((len(points),), 1 / len(points), dtype=torch.float64).numpy() for points in (a, b)]
    return math.sqrt(max(float(ot.emd2(*uniform, cost)), 0.0))


def spread(points: Tensor) -> float:
    """Standard deviation of a class: the root mean squared distance from the mean."""
    return math.sqrt((points - points.mean(dim=0)).square().sum(dim=1).mean().item())


def check_proxies_stay_within_delta(
    seed: int, count: int, dim: int, alpha: float, slack: float, *, sphere: bool
) -> None:
    """M = N, (*) around every embedding, one proxy in each basin: W2 <= delta, and below the class's spread."""
    random = generator(seed)
    sources = unit(count, dim, random)
    delta = slack * largest_delta(sources, alpha, sphere=sphere)
    only_if(delta > 1e-3)
    start = at_basins(sources, delta, random, sphere=sphere)
    proxies = flow(Field(sources, alpha, delta), start, delta / 20, sphere=sphere)
    assert wasserstein(proxies, sources) <= delta * TIGHT
    control = sources.mean(dim=0, keepdim=True).expand(count, -1)
    assert abs(wasserstein(control, sources) - spread(sources)) < 1e-9
    if delta * TIGHT < spread(sources):
        assert wasserstein(proxies, sources) < wasserstein(control, sources)


def at_basins(sources: Tensor, delta: float, random: torch.Generator, *, sphere: bool) -> Tensor:
    """A start on the edge of each source's ball."""
    directions = unit(len(sources), sources.shape[1], random)
    return torch.cat(
        [
            at_chord(source, alike(1, delta), direction[None], sphere=sphere)
            for source, direction in zip(sources, directions, strict=True)
        ]
    )


@PROFILE
@given(SEEDS, st.integers(2, 8), st.integers(2, 8), ALPHAS, st.floats(0.5, 0.97))
def test_proxies_stay_within_delta_in_euclidean_space(
    seed: int, count: int, dim: int, alpha: float, slack: float
) -> None:
    check_proxies_stay_within_delta(seed, count, dim, alpha, slack, sphere=False)


@PROFILE
@given(SEEDS, st.integers(2, 8), st.integers(3, 8), ALPHAS, st.floats(0.5, 0.97))
def test_proxies_stay_within_delta_on_the_sphere(seed: int, count: int, dim: int, alpha: float, slack: float) -> None:
    check_proxies_stay_within_delta(seed, count, dim, alpha, slack, sphere=True)


@PROFILE
@given(SEEDS, st.integers(2, 4), st.integers(2, 10), st.integers(3, 8), ALPHAS)
def test_one_proxy_per_cluster(seed: int, clusters: int, size: int, dim: int, alpha: float) -> None:
    """M clusters of equal size within eta of their centres: every W2 is at most s <= delta + 2 eta."""
    random = generator(seed)
    centres = unit(clusters, dim, random)
    gaps = distances(centres, centres)[~torch.eye(clusters, dtype=torch.bool)]
    delta = 0.1 * gaps.min().item()
    eta = 0.3 * delta
    members = torch.cat(
        [at_chord(centre, alike(size, eta), unit(size, dim, random), sphere=False) for centre in centres]
    )
    foreign = gaps.reshape(clusters, -1).repeat_interleave(size, dim=1) - eta
    only_if(all(cluster_condition_holds(row, size, alpha, delta, eta) for row in foreign))
    start = at_basins(centres, delta + eta, random, sphere=False)
    proxies = flow(Field(members, alpha, delta), start, delta / 20)
    reach = (members.reshape(clusters, size, dim) - proxies[:, None]).norm(dim=2).max().item()
    assert reach <= (delta + 2 * eta) * TIGHT
    assert wasserstein(proxies, members) <= reach * (1 + 1e-9)
    assert wasserstein(proxies, members) < spread(members)


@PROFILE
@given(SEEDS, st.integers(2, 6), st.integers(3, 8), st.floats(1.0, 4.0), st.floats(0.3, 0.9))
def test_proxies_that_are_sources_of_the_loss_stay_within_delta(
    seed: int, count: int, dim: int, alpha: float, slack: float
) -> None:
    """The loss itself on fixed embeddings, M = N: proxies attract each other, so they count among the sources."""
    random = generator(seed)
    sources = unit(count, dim, random)
    delta = slack * largest_delta(sources, alpha, sphere=True)
    # Each other basin now holds two sources, the second within delta of the first.
    gaps = distances(sources, sources)[~torch.eye(count, dtype=torch.bool)].reshape(count, count - 1)
    while not both_conditions_hold(gaps, alpha, delta):
        delta *= 0.9
    only_if(delta > 1e-3)
    loss = pfml.PotentialFieldLoss(1, dim, count, alpha, delta).double()
    labels = torch.zeros(count, dtype=torch.int64)
    weight = loss.proxy_vectors
    assert weight is not None
    with torch.no_grad():
        weight.copy_(at_basins(sources, delta, random, sphere=True))
    steps = 150
    for index in range(steps):
        (slope,) = torch.autograd.grad(loss(sources, labels), weight)
        step = delta / 20 * 1e-3 ** (index / steps)
        with torch.no_grad():
            weight.copy_(normalize(weight - step * normalize(slope, eps=1e-30)))
    assert (loss.proxies - sources).norm(dim=1).max().item() <= delta * TIGHT
    assert wasserstein(loss.proxies.detach(), sources) <= delta * TIGHT


def both_conditions_hold(gaps: Tensor, alpha: float, delta: float) -> bool:
    """(*) with every other source doubled by a proxy within delta of it."""
    doubled = torch.cat([gaps, gaps - delta], dim=1)
    return bool(condition_holds(doubled, alpha, delta, sphere=True).all())


def test_premise_matters_where_delta_exceeds_the_spread() -> None:
    """A class within delta of a proxy exerts no force on it: its W2 may exceed the spread, and the control's."""
    random = generator(0)
    sources = normalize(unit(1, 8, random) + 0.3 * unit(20, 8, random))
    delta = 1.2
    start = at_chord(normalize(sources.mean(dim=0), dim=0), alike(1, 0.8), unit(1, 8, random), sphere=True)
    assert distances(start, sources).max() < delta
    field = Field(sources, 3.0, delta)
    assert not tangent(gradient(field, start), start).any()
    proxies = flow(field, start, 0.01, sphere=True, steps=50)
    assert spread(sources) < wasserstein(proxies, sources) <= delta
    assert wasserstein(sources.mean(dim=0, keepdim=True), sources) < wasserstein(proxies, sources)


def test_control_collapses_to_the_whole_spread() -> None:
    """All proxies at the mean: W2^2 is the variance, for any number of them."""
    sources = unit(12, 5, generator(1))
    for proxies in (1, 3, 12):
        at_mean = sources.mean(dim=0, keepdim=True).expand(proxies, -1)
        assert abs(wasserstein(at_mean, sources) - spread(sources)) < 1e-12
