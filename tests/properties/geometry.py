"""Test particles in the field of one class: potential, gradient flow, configurations and conditions.

Everything is float64. A particle at r feels the sources through `pfml.attraction` and `pfml.repulsion`, looked up at
call time, so that a fault patched into the package reaches every check.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from hypothesis import assume, currently_in_test_context, settings
from torch import Tensor
from torch.nn.functional import normalize

import pfml

PROFILE = settings(max_examples=30, deadline=None, derandomize=True)

Potential = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Field:
    """The class field Psi of sources of the class (N, D) and, if any, of other classes (K, D)."""

    sources: Tensor
    alpha: float
    delta: float
    others: Tensor | None = None

    def __call__(self, particles: Tensor) -> Tensor:
        """Potential at particles (P, D), shape (P,)."""
        value = pfml.attraction(distances(particles, self.sources), self.alpha, self.delta).sum(dim=1)
        if self.others is None:
            return value
        return value + pfml.repulsion(distances(particles, self.others), self.alpha, self.delta).sum(dim=1)


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances (P, N), with zero gradient where points coincide."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def gradient(potential: Potential, particles: Tensor) -> Tensor:
    """Gradient of the potential at each particle, (P, D)."""
    particles = particles.detach().requires_grad_()
    (result,) = torch.autograd.grad(potential(particles).sum(), particles)
    return result


def tangent(vectors: Tensor, points: Tensor) -> Tensor:
    """Part of each vector along the unit sphere at its point."""
    return vectors - (vectors * points).sum(dim=1, keepdim=True) * points


def flow(potential: Potential, start: Tensor, step: float, *, sphere: bool = False, steps: int = 400) -> Tensor:
    """Gradient flow of particles (P, D) along unit directions, with steps that shrink to a thousandth of the first.

    The force jumps at delta, so the path is followed by its direction alone; where there is no force a particle rests.
    """
    particles = start.clone()
    for index in range(steps):
        direction = gradient(potential, particles)
        if sphere:
            direction = tangent(direction, particles)
        particles = particles - step * 1e-3 ** (index / steps) * normalize(direction, eps=1e-30)
        if sphere:
            particles = normalize(particles)
    return particles


def only_if(condition: object) -> None:
    """Leave a drawn configuration out unless the condition holds; outside a property test, refuse it.

    Raises:
        ValueError: the condition fails and no property test is running.
    """
    if currently_in_test_context():
        assume(condition)
    elif not condition:
        raise ValueError("the configuration is outside the scope of the check")


def alike(count: int, value: float) -> Tensor:
    """The value, ``count`` times, in float64."""
    return torch.full((count,), value, dtype=torch.float64)


def unit(count: int, dim: int, generator: torch.Generator) -> Tensor:
    """Random directions, (count, dim)."""
    return normalize(torch.randn(count, dim, dtype=torch.float64, generator=generator))


def at_chord(centre: Tensor, chord: Tensor, directions: Tensor, *, sphere: bool) -> Tensor:
    """Points at given distances (P,) from the centre (D,), along directions (P, D); on the sphere along geodesics."""
    if not sphere:
        return centre + chord[:, None] * directions
    along = normalize(tangent(directions, centre.expand_as(directions)))
    angle = 2 * torch.asin(chord / 2)[:, None]
    return angle.cos() * centre + angle.sin() * along


def pull(distance: Tensor, alpha: float, *, sphere: bool) -> Tensor:
    """g(d): the largest rate, up to the factor alpha, at which a source at distance d changes the potential."""
    power = distance ** -(alpha + 1)
    return power * (1 - distance.square() / 4).clamp(min=0).sqrt() if sphere else power


def condition_holds(gaps: Tensor, alpha: float, delta: float, *, sphere: bool) -> Tensor:
    """Condition (*) of Proposition 1 for the D_i along the last axis: sum_i g(D_i - delta) < g(delta), D_i > 2 delta."""
    worst = pull((gaps - delta).clamp(min=1e-9), alpha, sphere=sphere).sum(dim=-1)
    own = pull(alike(1, delta), alpha, sphere=sphere)
    return (worst < own) & (gaps > 2 * delta).all(dim=-1)


def inverse_pull(value: Tensor, alpha: float, *, sphere: bool) -> Tensor:
    """The distance at which `pull` takes a value, by bisection (it is decreasing)."""
    low, high = torch.full_like(value, 1e-6), torch.full_like(value, 2.0 if sphere else 1e6)
    for _ in range(100):
        middle = (low + high) / 2 if sphere else (low * high).sqrt()
        above = pull(middle, alpha, sphere=sphere) > value
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return (low + high) / 2


def largest_delta(points: Tensor, alpha: float, *, sphere: bool) -> float:
    """The largest delta for which (*) holds around every one of the points, by bisection."""
    count = len(points)
    gaps = distances(points, points)[~torch.eye(count, dtype=torch.bool)].reshape(count, count - 1)
    low, high = 0.0, float(gaps.min()) / 2
    for _ in range(60):
        middle = (low + high) / 2
        if bool(condition_holds(gaps, alpha, middle, sphere=sphere).all()):
            low = middle
        else:
            high = middle
    return low


def generator(seed: int) -> torch.Generator:
    """A seeded generator."""
    return torch.Generator().manual_seed(seed)


def chord_of_sum(first: float, second: float) -> float:
    """Chord of the sum of the two angles that have the given chords."""
    return 2 * math.sin(math.asin(first / 2) + math.asin(second / 2))


def cluster_condition_holds(gaps: Tensor, size: int, alpha: float, delta: float, eta: float) -> bool:
    """Condition (**): ``size`` sources within eta of a centre outweigh all others, at distances ``gaps`` from it.

    At rho = delta + eta: sum_i (D_i - rho)^-(a+1) < n sqrt(1 - (eta / rho)^2) (rho + eta)^-(a+1), all D_i > rho + delta.
    """
    rho = delta + eta
    outward = (gaps - rho).clamp(min=1e-9).pow(-(alpha + 1)).sum().item()
    inward = size * math.sqrt(1 - (eta / rho) ** 2) * (rho + eta) ** -(alpha + 1)
    return outward < inward and bool((gaps > rho + delta).all())
