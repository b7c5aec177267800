"""The contrastive control against its double loop."""

from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from baselines.cpml import CPMLLoss
from tests.baselines import formulas


def setup(
    size: int, proxies: int, dtype: torch.dtype, margin: float = 0.8
) -> tuple[CPMLLoss, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    loss = CPMLLoss(5, 4, proxies, margin).to(dtype)
    return loss, normalize(torch.randn(size, 4, dtype=dtype)).requires_grad_(), torch.randint(5, (size,))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize(("size", "proxies"), [(30, 3), (30, 0), (1, 2), (150, 2)])
@pytest.mark.parametrize("margin", [0.3, 1.2])
def test_value_matches_the_double_loop(
    dtype: torch.dtype, tolerance: float, size: int, proxies: int, margin: float
) -> None:
    loss, embeddings, labels = setup(size, proxies, dtype, margin)
    points, classes = torch.cat([embeddings, loss.proxies]), torch.cat([labels, loss.proxy_labels])
    expected = formulas.contrastive_energy(points.tolist(), classes.tolist(), margin)
    assert loss(embeddings, labels).item() == pytest.approx(expected, rel=tolerance)


def test_gradcheck() -> None:
    loss, embeddings, labels = setup(8, 2, torch.float64)
    torch.autograd.gradcheck(lambda z: loss(z, labels), (embeddings,))
    weight = loss.proxy_vectors
    assert weight is not None

    def of_proxies(free: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = torch.func.functional_call(loss, {"proxy_vectors": free}, (embeddings.detach(), labels))
        return value

    torch.autograd.gradcheck(of_proxies, (weight.detach().clone().requires_grad_(),))


def test_hand_computed_pair() -> None:
    angle = torch.tensor([0.0, 0.5], dtype=torch.float64)
    embeddings = torch.stack([angle.cos(), angle.sin()], dim=1)
    distance = 2 * torch.sin(torch.tensor(0.25, dtype=torch.float64))
    loss = CPMLLoss(2, 2, 0, margin=0.8).double()
    assert loss(embeddings, torch.tensor([0, 0])).item() == pytest.approx(2 * distance.item() ** 2)
    assert loss(embeddings, torch.tensor([0, 1])).item() == pytest.approx(2 * (0.8 - distance.item()) ** 2)


def test_coinciding_points_stay_finite() -> None:
    embeddings = normalize(torch.randn(1, 4)).repeat(6, 1).requires_grad_()
    value = CPMLLoss(3, 4, 0)(embeddings, torch.arange(6) % 3)
    value.backward()
    assert bool(value.isfinite())
    assert embeddings.grad is not None
    assert bool(embeddings.grad.isfinite().all())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"margin": 0}, "margin = 0"),
        ({"margin": True}, "margin = True"),
        ({"proxies_per_class": -2}, "proxies_per_class"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CPMLLoss(3, 4, **settings)
