"""What the value and the forces of the loss may not depend on. docs/theory.md, section 5."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import pfml
from baselines.cpml import CPMLLoss
from tests.properties.geometry import PROFILE, generator, unit

SEEDS = st.integers(0, 2**31)
CLASSES, DIM = 4, 5


def build(kind: str, seed: int) -> Any:
    """A loss with random proxies and a delta that leaves pairs on both sides."""
    torch.manual_seed(seed)
    if kind == "cpml":
        return CPMLLoss(CLASSES, DIM, 2, margin=1.0).double()
    return pfml.PotentialFieldLoss(CLASSES, DIM, 2, alpha=2.5, delta=0.9, delta_repulsion=1.1).double()


def batch(seed: int, size: int) -> tuple[Tensor, Tensor]:
    random = generator(seed)
    return unit(size, DIM, random).requires_grad_(), torch.randint(CLASSES, (size,), generator=random)


def value_and_forces(loss: nn.Module, embeddings: Tensor, labels: Tensor) -> tuple[float, Tensor, Tensor]:
    """Value, gradient of the embeddings, gradient of the proxies."""
    value = loss(embeddings, labels)
    forces = torch.autograd.grad(value, [embeddings, *loss.parameters()])
    return value.item(), forces[0], forces[1]


@pytest.mark.parametrize("kind", ["pfml", "cpml"])
@PROFILE
@given(SEEDS, st.integers(1, 30))
def test_rotation_turns_the_forces_along(kind: str, seed: int, size: int) -> None:
    loss, (embeddings, labels) = build(kind, seed), batch(seed, size)
    turn = torch.linalg.qr(torch.randn(DIM, DIM, dtype=torch.float64, generator=generator(seed + 1)))[0]
    value, force, of_proxies = value_and_forces(loss, embeddings, labels)
    with torch.no_grad():
        loss.proxy_vectors.copy_(loss.proxy_vectors @ turn)
    turned = value_and_forces(loss, (embeddings @ turn).detach().requires_grad_(), labels)
    assert turned[0] == pytest.approx(value, rel=1e-9)
    torch.testing.assert_close(turned[1], force @ turn, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(turned[2], of_proxies @ turn, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("kind", ["pfml", "cpml"])
@PROFILE
@given(SEEDS, st.integers(1, 30))
def test_order_of_the_batch_does_not_matter(kind: str, seed: int, size: int) -> None:
    loss, (embeddings, labels) = build(kind, seed), batch(seed, size)
    order = torch.randperm(size, generator=generator(seed + 1))
    value, force, of_proxies = value_and_forces(loss, embeddings, labels)
    shuffled = value_and_forces(loss, embeddings[order].detach().requires_grad_(), labels[order])
    assert shuffled[0] == pytest.approx(value, rel=1e-12)
    torch.testing.assert_close(shuffled[1], force[order], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(shuffled[2], of_proxies, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["pfml", "cpml"])
@PROFILE
@given(SEEDS, st.integers(1, 30))
def test_names_of_classes_do_not_matter(kind: str, seed: int, size: int) -> None:
    loss, (embeddings, labels) = build(kind, seed), batch(seed, size)
    names = torch.randperm(CLASSES, generator=generator(seed + 1))
    value, force, _ = value_and_forces(loss, embeddings, labels)
    with torch.no_grad():
        rows = loss.proxy_vectors.reshape(CLASSES, -1, DIM)
        loss.proxy_vectors.copy_(torch.empty_like(rows).index_copy_(0, names, rows).reshape(-1, DIM))
    renamed = value_and_forces(loss, embeddings, names[labels])
    assert renamed[0] == pytest.approx(value, rel=1e-12)
    torch.testing.assert_close(renamed[1], force, rtol=1e-9, atol=1e-9)


@PROFILE
@given(SEEDS, st.integers(2, 30), st.floats(0.0, 5.0), st.floats(0.2, 1.5))
def test_forces_balance(seed: int, size: int, alpha: float, delta: float) -> None:
    """Action equals reaction: without proxies the forces on all embeddings add up to zero."""
    embeddings, labels = batch(seed, size)
    loss = pfml.PotentialFieldLoss(CLASSES, DIM, 0, alpha, delta, min_distance_ratio=0.5).double()
    (force,) = torch.autograd.grad(loss(embeddings, labels), embeddings)
    assert force.sum(dim=0).norm().item() <= 1e-9 * max(force.norm().item(), 1.0)


@PROFILE
@given(SEEDS, st.integers(2, 20), st.floats(0.5, 4.0), st.floats(0.2, 1.0), st.floats(0.1, 10.0))
def test_lengths_scale_with_delta(seed: int, size: int, alpha: float, delta: float, factor: float) -> None:
    """U(factor x; factor delta) = factor^-alpha U(x; delta): delta is the only length there is."""
    embeddings, labels = batch(seed, size)
    value = pfml.total_energy(embeddings, labels, alpha=alpha, delta=delta)
    scaled = pfml.total_energy(factor * embeddings, labels, alpha=alpha, delta=factor * delta)
    assert scaled.item() == pytest.approx(factor**-alpha * value.item(), rel=1e-9, abs=1e-9)


def check_value_above_floor(seed: int, size: int, alpha: float, delta: float) -> None:
    """The loss is the reference energy minus a constant, and never negative."""
    embeddings, labels = batch(seed, size)
    torch.manual_seed(seed)
    loss = pfml.PotentialFieldLoss(CLASSES, DIM, 2, alpha, delta, min_distance_ratio=0.3).double()
    proxies, classes = loss.proxies.detach(), torch.cat([labels, loss.proxy_labels])
    raw = pfml.total_energy(
        embeddings, labels, proxies, loss.proxy_labels, alpha=alpha, delta=delta, min_distance=loss.min_distance
    )
    same = (classes[:, None] == classes[None, :]).sum()
    radius = torch.tensor(delta, dtype=torch.float64)
    floor = same * pfml.attraction(radius, alpha, delta) + (len(classes) ** 2 - same) * pfml.repulsion(
        radius, alpha, delta
    )
    value = loss(embeddings, labels)
    assert value.item() >= 0
    assert value.item() == pytest.approx((raw - floor).item(), rel=1e-9, abs=1e-9 * abs(floor.item()))


@PROFILE
@given(SEEDS, st.integers(1, 20), st.floats(0.0, 5.0), st.floats(0.2, 1.5))
def test_value_is_the_energy_above_its_floor(seed: int, size: int, alpha: float, delta: float) -> None:
    check_value_above_floor(seed, size, alpha, delta)
