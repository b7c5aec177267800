"""The control without decay against double loops and autograd, and beside PFML: all but the force is the same."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from baselines.constant_force import ConstantForceLoss, GrowingForceLoss
from pfml import PotentialFieldLoss

LOSSES = {1: ConstantForceLoss, 2: GrowingForceLoss}


def attraction(distance: float, delta: float, power: int) -> float:
    return max(distance, delta) ** power


def repulsion(distance: float, radius: float, power: int, bound: float) -> float:
    """Below the bound the parabola c0 - c1 d^2 with the value and slope of -d^power there."""
    if distance >= bound:
        return -(min(distance, radius) ** power)
    slope = -power * bound ** (power - 1)
    return -(bound**power) + slope / (2 * bound) * (distance**2 - bound**2)


def energy(
    points: Sequence[Sequence[float]], classes: Sequence[int], delta: float, radius: float, power: int, bound: float
) -> float:
    """Eq. 6 over all ordered pairs, less what every pair has where it exerts no force."""
    total = 0.0
    for i, here in enumerate(points):
        for j, source in enumerate(points):
            distance = math.dist(here, source)
            if classes[i] == classes[j]:
                total += attraction(distance, delta, power) - delta**power
            else:
                total += repulsion(distance, radius, power, bound) + radius**power
    return total


def setup(
    power: int, size: int, proxies: int, dtype: torch.dtype = torch.float64, **settings: Any
) -> tuple[ConstantForceLoss, Tensor, Tensor]:
    torch.manual_seed(0)
    loss = LOSSES[power](5, 4, proxies, **settings).to(dtype)
    return loss, normalize(torch.randn(size, 4, dtype=dtype)).requires_grad_(), torch.randint(5, (size,))


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("path", ["dense", "sparse"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize(("size", "proxies"), [(30, 3), (30, 0), (1, 2), (150, 2)])
@pytest.mark.parametrize(("delta", "delta_repulsion"), [(0.3, None), (0.9, 1.2), (1.2, 0.5)])
def test_value_matches_the_double_loop(
    power: int,
    path: str,
    dtype: torch.dtype,
    tolerance: float,
    size: int,
    proxies: int,
    delta: float,
    delta_repulsion: float | None,
) -> None:
    loss, embeddings, labels = setup(power, size, proxies, dtype, delta=delta, delta_repulsion=delta_repulsion)
    loss.path = path
    points, classes = torch.cat([embeddings, loss.proxies]), torch.cat([labels, loss.proxy_labels])
    expected = energy(
        points.tolist(), classes.tolist(), delta, loss.delta_repulsion, power, loss.min_distance if power == 1 else 0.0
    )
    assert loss(embeddings, labels).item() == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("path", ["dense", "sparse"])
@pytest.mark.parametrize("proxies", [0, 2])
def test_gradient_is_that_of_the_pairs_by_autograd(power: int, path: str, proxies: int) -> None:
    """Written with distances and the power itself, a pair at a time."""
    loss, embeddings, labels = setup(power, 20, proxies, delta=0.6, delta_repulsion=0.9)
    loss.path = path
    loss(embeddings, labels).backward()
    again = embeddings.detach().clone().requires_grad_()
    free = None if loss.proxy_vectors is None else loss.proxy_vectors.detach().clone().requires_grad_()
    points = again if free is None else torch.cat([again, normalize(free)])
    classes = torch.cat([labels, loss.proxy_labels])
    total = torch.zeros((), dtype=torch.float64)
    for i in range(len(points)):
        for j in range(len(points)):
            distance = torch.dist(points[i], points[j])
            if i != j and classes[i] == classes[j]:
                total = total + distance.clamp(min=0.6) ** power
            elif i != j:
                total = total - distance.clamp(max=0.9) ** power
    total.backward()
    torch.testing.assert_close(embeddings.grad, again.grad)
    if loss.proxy_vectors is not None and free is not None:
        torch.testing.assert_close(loss.proxy_vectors.grad, free.grad)


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("path", ["dense", "sparse"])
def test_gradcheck(power: int, path: str) -> None:
    loss, embeddings, labels = setup(power, 8, 2, delta=0.7)
    loss.path = path
    torch.autograd.gradcheck(lambda z: loss(z, labels), (embeddings,))
    weight = loss.proxy_vectors
    assert weight is not None

    def of_proxies(free: Tensor) -> Tensor:
        value: Tensor = torch.func.functional_call(loss, {"proxy_vectors": free}, (embeddings.detach(), labels))
        return value

    torch.autograd.gradcheck(of_proxies, (weight.detach().clone().requires_grad_(),))


def pair(distance: float) -> Tensor:
    """Two unit vectors at a distance."""
    angle = 2 * math.asin(distance / 2)
    return torch.tensor([[1.0, 0.0], [math.cos(angle), math.sin(angle)]], dtype=torch.float64)


def force(loss: ConstantForceLoss, distance: float, labels: list[int]) -> float:
    """Derivative of the value by the distance of the two; the pair counts twice."""
    step = 1e-6
    high, low = (loss(pair(distance + shift), torch.tensor(labels)).item() for shift in (step, -step))
    return (high - low) / (4 * step)


@pytest.mark.parametrize("power", [1, 2])
def test_forces_do_not_decay_and_end_at_the_radii(power: int) -> None:
    loss = LOSSES[power](2, 2, 0, delta=0.4, delta_repulsion=1.0).double()
    for distance in (0.1, 0.3):
        assert force(loss, distance, [0, 0]) == 0
    for distance in (0.5, 0.9, 1.6):
        assert force(loss, distance, [0, 0]) == pytest.approx(power * distance ** (power - 1), rel=1e-6)
    for distance in (0.2, 0.9):
        assert force(loss, distance, [0, 1]) == pytest.approx(-power * distance ** (power - 1), rel=1e-6)
    assert force(loss, 1.1, [0, 1]) == 0


def test_a_bounded_constant_force_falls_linearly_to_zero() -> None:
    loss = ConstantForceLoss(2, 2, 0, delta=0.8, min_distance_ratio=0.5).double()
    assert force(loss, 0.41, [0, 1]) == pytest.approx(-1, rel=1e-6)
    assert force(loss, 0.2, [0, 1]) == pytest.approx(-0.5, rel=1e-6)
    assert force(loss, 0.1, [0, 1]) == pytest.approx(-0.25, rel=1e-6)


@pytest.mark.parametrize("cls", [ConstantForceLoss, GrowingForceLoss])
@pytest.mark.parametrize("proxies", [0, 1, 2])
def test_proxies_start_as_those_of_pfml(cls: type[ConstantForceLoss], proxies: int) -> None:
    starts = []
    for each in (PotentialFieldLoss, cls):
        torch.manual_seed(3)
        loss = each(7, 5, proxies)
        starts.append((loss.proxies, torch.rand(1)))  # and the generator stands where it stood
    torch.testing.assert_close(starts[0], starts[1], rtol=0, atol=0)


def test_it_is_pfml_but_for_the_force() -> None:
    """Where a pair exerts a force in PFML it does here, and shares of active pairs agree."""
    settings: dict[str, Any] = {
        "proxies_per_class": 2,
        "delta": 0.9,
        "delta_repulsion": 1.1,
        "min_distance_ratio": 0.25,
    }
    torch.manual_seed(0)
    losses = [PotentialFieldLoss(5, 4, **settings), ConstantForceLoss(5, 4, **settings)]
    embeddings, labels = normalize(torch.randn(60, 4)), torch.randint(5, (60,))
    for loss in losses[1:]:
        loss.load_state_dict(losses[0].state_dict())
    for loss in losses:
        assert loss.active_shares is None
        loss(embeddings, labels)
    assert losses[0].active_shares == losses[1].active_shares
    assert losses[1].active_shares is not None
    assert losses[1].active_shares.bounded > 0


@pytest.mark.parametrize("power", [1, 2])
def test_value_is_zero_only_where_nothing_exerts_a_force(power: int) -> None:
    loss = LOSSES[power](2, 2, 0, delta=0.5).double()
    assert loss(pair(0.4), torch.tensor([0, 0])).item() == 0
    assert loss(pair(0.6), torch.tensor([0, 1])).item() == 0
    assert loss(pair(0.6), torch.tensor([0, 0])).item() == pytest.approx(2 * (0.6**power - 0.5**power))
    assert loss(pair(0.4), torch.tensor([0, 1])).item() == pytest.approx(2 * (0.5**power - 0.4**power))


@pytest.mark.parametrize("power", [1, 2])
def test_scale_dimensionless(power: int) -> None:
    raw, embeddings, labels = setup(power, 20, 2, delta=0.6)
    scaled = setup(power, 20, 2, delta=0.6, scale="dimensionless")[0]
    expected = raw(embeddings, labels).item() / (0.6**power * 30)
    assert scaled(embeddings, labels).item() == pytest.approx(expected)


@pytest.mark.parametrize("power", [1, 2])
def test_coinciding_points_stay_finite(power: int) -> None:
    embeddings = normalize(torch.randn(1, 4)).repeat(6, 1).requires_grad_()
    value = LOSSES[power](3, 4, 1)(embeddings, torch.arange(6) % 3)
    value.backward()
    assert bool(value.isfinite())
    assert embeddings.grad is not None
    assert bool(embeddings.grad.isfinite().all())


def test_search_spaces_are_that_of_pfml_without_what_has_no_meaning() -> None:
    whole = PotentialFieldLoss.search_space
    assert {name: whole[name] for name in whole if name != "alpha"} == ConstantForceLoss.search_space
    assert whole.keys() - GrowingForceLoss.search_space.keys() == {"alpha", "min_distance_ratio"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"delta": 0}, "delta = 0"),
        ({"delta_repulsion": -1.0}, "delta_repulsion = -1.0"),
        ({"min_distance_ratio": 2.0}, "min_distance_ratio = 2.0"),
        ({"force": "decaying"}, "force = 'decaying': allowed are constant, growing"),
        ({"scale": "mean"}, "scale = 'mean'"),
        ({"proxies_per_class": -2}, "proxies_per_class"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConstantForceLoss(3, 4, **settings)
