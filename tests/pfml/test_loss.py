"""PotentialFieldLoss: exactness, edge cases, settings."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from pfml import PotentialFieldLoss
from tests.pfml import oracle

SETTINGS: list[dict[str, Any]] = [
    {"alpha": 3.0, "delta": 0.2},
    {"alpha": 4.0, "delta": 1.0},
    {"alpha": 0.0, "delta": 0.8},
    {"alpha": 2.5, "delta": 0.7, "delta_repulsion": 1.2},
    {"alpha": 1.0, "delta": 0.9, "delta_repulsion": 0.5, "min_distance_ratio": 0.8},
    {"alpha": 6.0, "delta": 0.6, "min_distance_ratio": 0.9},
]


def batch(size: int, num_classes: int, dim: int, dtype: torch.dtype, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    embeddings = normalize(torch.randn(size, dim, dtype=torch.float64, generator=generator)).to(dtype)
    return embeddings.requires_grad_(), torch.randint(num_classes, (size,), generator=generator)


def make_loss(num_classes: int, dim: int, proxies: int, dtype: torch.dtype, **settings: Any) -> PotentialFieldLoss:
    torch.manual_seed(1)
    loss = PotentialFieldLoss(num_classes, dim, proxies, **settings).to(dtype)
    for weight in loss.parameters():  # the length of the free vector must not matter to the value
        weight.data *= torch.linspace(0.5, 2, len(weight), dtype=dtype)[:, None]
    return loss


def expected(loss: PotentialFieldLoss, embeddings: Tensor, labels: Tensor) -> tuple[float, Tensor, Tensor]:
    """Value, gradient of embeddings and gradient of the free proxy vectors, from the double loop."""
    proxies = loss.proxies.detach()
    value, gradient = oracle.energy(
        torch.cat([embeddings, proxies]).tolist(),
        torch.cat([labels, loss.proxy_labels]).tolist(),
        loss.alpha,
        loss.delta,
        loss.delta_repulsion,
        loss.min_distance,
        above_floor=True,
    )
    rows = torch.tensor(gradient, dtype=embeddings.dtype)
    of_proxies = rows[len(embeddings) :]
    tangent = of_proxies - (of_proxies * proxies).sum(dim=1, keepdim=True) * proxies
    lengths = torch.cat([weight.detach().norm(dim=1, keepdim=True) for weight in loss.parameters()] or [proxies[:, :1]])
    return value, rows[: len(embeddings)], tangent / lengths


def check_against_oracle(loss: PotentialFieldLoss, embeddings: Tensor, labels: Tensor, tolerance: float) -> None:
    value, of_embeddings, of_proxies = expected(loss, embeddings, labels)
    found = loss(embeddings, labels)
    assert found.item() == pytest.approx(value, rel=tolerance)
    found.backward()
    assert embeddings.grad is not None
    for grad, target in zip(
        [embeddings.grad, *(w.grad for w in loss.parameters())], [of_embeddings, of_proxies], strict=False
    ):
        assert grad is not None
        assert (grad - target).norm() <= tolerance * target.norm()


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize(("size", "proxies"), [(20, 3), (25, 0), (1, 2), (150, 1)])
def test_float64_matches_the_double_loop(settings: dict[str, Any], size: int, proxies: int) -> None:
    embeddings, labels = batch(size, 6, 3, torch.float64)
    check_against_oracle(make_loss(6, 3, proxies, torch.float64, **settings), embeddings, labels, 1e-9)


@pytest.mark.parametrize("settings", SETTINGS)
def test_float32_matches_the_double_loop(settings: dict[str, Any]) -> None:
    embeddings, labels = batch(40, 6, 4, torch.float32)
    check_against_oracle(make_loss(6, 4, 3, torch.float32, **settings), embeddings, labels, 1e-4)


@pytest.mark.parametrize("settings", SETTINGS)
def test_near_duplicates_of_two_classes_keep_their_digits_in_float32(settings: dict[str, Any]) -> None:
    embeddings, labels = batch(30, 6, 4, torch.float32)
    near = normalize(embeddings.detach().repeat(2, 1) + 0.005 * torch.randn(60, 4)).requires_grad_()
    check_against_oracle(
        make_loss(6, 4, 0, torch.float32, **settings), near, torch.cat([labels, (labels + 1) % 6]), 1e-4
    )


@pytest.mark.parametrize(
    ("alpha", "delta", "length"), [(3.0, 0.2, 1), (6.0, 0.1, 1), (7.0, 0.1, 1), (6.0, 0.05, 1), (3.0, 0.2, 100)]
)
def test_forces_that_decay_by_many_orders_keep_their_digits_in_float32(alpha: float, delta: float, length: int) -> None:
    embeddings, labels = batch(30, 10, 64, torch.float32)
    far = (length * embeddings.detach()).requires_grad_()
    check_against_oracle(make_loss(10, 64, 2, torch.float32, alpha=alpha, delta=delta), far, labels, 2e-5)


@pytest.mark.parametrize("settings", SETTINGS)
def test_gradcheck(settings: dict[str, Any]) -> None:
    embeddings, labels = batch(7, 3, 3, torch.float64, seed=3)
    loss = make_loss(3, 3, 2, torch.float64, **settings)
    torch.autograd.gradcheck(lambda z: loss(z, labels), (embeddings,))


def test_zero_exactly_where_no_pair_exerts_a_force() -> None:
    directions = torch.eye(3, dtype=torch.float64)
    labels = torch.tensor([0, 0, 1, 2])
    loss = PotentialFieldLoss(3, 3, proxies_per_class=0, delta=0.2)
    settled = directions[[0, 0, 1, 2]]
    assert loss(settled, labels).item() == 0
    stray = normalize(settled + torch.tensor([0.0, 0.21, 0.0]) * (torch.arange(4) == 1)[:, None])
    assert loss(stray, labels).item() > 0
    crowded = settled.clone()
    crowded[3] = normalize(directions[1] + 0.1 * directions[2], dim=0)
    assert loss(crowded, labels).item() > 0


@pytest.mark.parametrize("proxies", [0, 1, 3])
@pytest.mark.parametrize(
    "labels",
    [[2], [2, 2, 2], [0, 1, 2], [2, 4]],
    ids=["batch of one", "single class", "no pair of one class", "absent classes"],
)
def test_degenerate_batches_are_finite_with_gradient(proxies: int, labels: list[int]) -> None:
    embeddings, _ = batch(len(labels), 5, 8, torch.float32)
    loss = make_loss(5, 8, proxies, torch.float32)
    value = loss(embeddings, torch.tensor(labels))
    value.backward()
    assert bool(value.isfinite())
    assert value.item() >= 0
    assert embeddings.grad is not None
    assert bool(embeddings.grad.isfinite().all())
    if proxies == 0 and len(labels) == 1:
        assert value.item() == 0
        assert not embeddings.grad.any()


@pytest.mark.parametrize("alpha", [0.0, 3.0, 6.0])
@pytest.mark.parametrize("delta", [0.1, 1.0])
def test_coinciding_points_stay_finite(alpha: float, delta: float) -> None:
    point = normalize(torch.randn(1, 16))
    embeddings = point.repeat(8, 1).requires_grad_()
    loss = make_loss(4, 16, 2, torch.float32, alpha=alpha, delta=delta)
    with torch.no_grad():
        next(loss.parameters()).copy_(point)
    value = loss(embeddings, torch.arange(8) % 4)
    value.backward()
    assert bool(value.isfinite())
    for gradient in [embeddings.grad, *(weight.grad for weight in loss.parameters())]:
        assert gradient is not None
        assert bool(gradient.isfinite().all())
    shares = loss.active_shares
    assert shares is not None
    assert shares.bounded == 1
    assert shares.repulsive == 1
    assert shares.attractive == 0


@pytest.mark.parametrize("proxies", [0, 1, 3])
@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_points_that_diverged_do_not_go_unnoticed(proxies: int, broken: float) -> None:
    loss = make_loss(4, 8, proxies, torch.float32)
    embeddings = normalize(torch.randn(4, 8))
    labels = torch.arange(4)
    assert bool(loss(embeddings, labels).isfinite())
    embeddings[2, 3] = broken
    assert not loss(embeddings, labels).isfinite()
    if proxies > 0:
        with torch.no_grad():
            before = loss.proxy_vectors[1].clone()
            loss.proxy_vectors[1] = broken
        assert not loss(normalize(torch.randn(4, 8)), labels).isfinite()
        with torch.no_grad():
            loss.proxy_vectors[1] = before
        assert loss(normalize(torch.randn(4, 8)), labels).isfinite()


def test_same_class_duplicates_exert_no_force() -> None:
    embeddings = normalize(torch.randn(1, 6)).repeat(5, 1).requires_grad_()
    value = PotentialFieldLoss(2, 6, 0)(embeddings, torch.zeros(5, dtype=torch.int64))
    value.backward()
    assert value.item() == 0
    assert embeddings.grad is not None
    assert not embeddings.grad.any()


@pytest.mark.parametrize("size", [3, 130, 300])
def test_blocks_and_order_do_not_matter(size: int) -> None:
    embeddings, labels = batch(size, 4, 3, torch.float64)
    loss = make_loss(4, 3, 40, torch.float64, delta=0.8)
    order = torch.randperm(size)
    assert loss(embeddings, labels).item() == pytest.approx(loss(embeddings[order], labels[order]).item(), rel=1e-12)


def test_dimensionless_scale() -> None:
    embeddings, labels = batch(10, 4, 5, torch.float64)
    raw = make_loss(4, 5, 2, torch.float64, alpha=2.0, delta=0.3)
    scaled = make_loss(4, 5, 2, torch.float64, alpha=2.0, delta=0.3, scale="dimensionless")
    assert scaled(embeddings, labels).item() == pytest.approx(raw(embeddings, labels).item() * 0.09 / 18, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_and_half_inputs_are_evaluated_in_float32(dtype: torch.dtype) -> None:
    embeddings, labels = batch(12, 4, 8, torch.float32)
    loss = make_loss(4, 8, 2, torch.float32, alpha=6.0, delta=0.1)
    reference = loss(embeddings, labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(embeddings, labels)
    assert value.dtype == torch.float32
    assert torch.equal(value, reference)
    half = embeddings.detach().to(dtype).requires_grad_()
    value = loss(half, labels)
    value.backward()
    assert value.dtype == torch.float32
    assert bool(value.isfinite())
    assert half.grad is not None
    assert half.grad.dtype == dtype


def test_proxies_are_unit_class_by_class_and_follow_the_seed() -> None:
    torch.manual_seed(5)
    loss = PotentialFieldLoss(4, 7, 3)
    torch.manual_seed(5)
    again = PotentialFieldLoss(4, 7, 3)
    assert loss.proxies.shape == (12, 7)
    assert torch.equal(loss.proxies, again.proxies)
    torch.testing.assert_close(loss.proxies.norm(dim=1), torch.ones(12))
    assert loss.proxy_labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    without = PotentialFieldLoss(4, 7, 0)
    assert without.proxies.shape == (0, 7)
    assert without.proxy_labels.shape == (0,)
    assert list(without.parameters()) == []


def test_state_survives_a_round_trip() -> None:
    embeddings, labels = batch(9, 4, 7, torch.float32)
    loss, other = make_loss(4, 7, 2, torch.float32), PotentialFieldLoss(4, 7, 2)
    assert loss(embeddings, labels) != other(embeddings, labels)
    other.load_state_dict(loss.state_dict())
    assert torch.equal(loss(embeddings, labels), other(embeddings, labels))
    assert torch.equal(copy.deepcopy(loss)(embeddings, labels), loss(embeddings, labels))


def test_shares_of_active_pairs_by_hand() -> None:
    loss = PotentialFieldLoss(3, 2, 0, delta=0.5, min_distance_ratio=0.1)
    assert loss.active_shares is None
    angles = torch.tensor([0.0, 0.3, 1.5, 1.51])
    loss(torch.stack([angles.cos(), angles.sin()], dim=1), torch.tensor([0, 1, 0, 2]))
    shares = loss.active_shares
    assert shares is not None
    # One pair of class 0, far apart. Others: 0-1 and 2-3 are near, 2-3 within the bound, 0-3, 1-2, 1-3 far.
    assert (shares.attractive, shares.repulsive, shares.bounded) == (1.0, pytest.approx(2 / 5), pytest.approx(1 / 5))


def test_value_without_gradient_is_the_same() -> None:
    embeddings, labels = batch(9, 4, 7, torch.float32)
    loss = make_loss(4, 7, 2, torch.float32)
    with torch.no_grad():
        assert torch.equal(loss(embeddings, labels), loss(embeddings, labels).detach())
    assert not PotentialFieldLoss(4, 7, 0)(embeddings.detach(), labels).requires_grad


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": -1}, r"alpha = -1: allowed are finite numbers >= 0"),
        ({"alpha": math.nan}, "alpha = nan"),
        ({"alpha": True}, "alpha = True"),
        ({"alpha": "3"}, "alpha = '3'"),
        ({"delta": 0}, r"delta = 0: allowed are finite numbers > 0"),
        ({"delta": math.inf}, "delta = inf"),
        ({"delta_repulsion": -0.1}, "delta_repulsion = -0.1"),
        ({"min_distance_ratio": 0.0}, r"min_distance_ratio = 0\.0: allowed are finite numbers > 0 and <= 1"),
        ({"min_distance_ratio": 1.1}, r"min_distance_ratio = 1\.1"),
        ({"scale": "mean"}, "scale = 'mean': allowed are paper, dimensionless"),
        ({"proxies_per_class": -1}, "proxies_per_class = -1: allowed are integers >= 0"),
        ({"proxies_per_class": 1.5}, r"proxies_per_class = 1\.5"),
        ({"num_classes": 0}, "num_classes = 0"),
        ({"embedding_dim": True}, "embedding_dim = True"),
        ({"alpha": 30.0}, "range of float32"),
        ({"alpha": 400.0, "delta": 1e-3}, "range of float32"),
        ({"delta": 1e200}, r"delta = 1e\+200 and delta_repulsion = 1e\+200: forces vanish in float32"),
        ({"alpha": 0, "delta_repulsion": 1e16}, "forces vanish in float32"),
        ({"alpha": 1000.0, "delta": 1.9, "min_distance_ratio": 1.0}, "forces vanish in float32"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PotentialFieldLoss(**{"num_classes": 3, "embedding_dim": 4} | settings)


@pytest.mark.parametrize(
    ("embeddings", "labels", "message"),
    [
        (torch.zeros(4, 5), torch.zeros(4, dtype=torch.int64), "dimension 5.*embedding_dim = 4"),
        (torch.zeros(4), torch.zeros(4, dtype=torch.int64), r"shape \(B, D\)"),
        (torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), "B >= 1"),
        (torch.zeros(3, 4, dtype=torch.int64), torch.zeros(3, dtype=torch.int64), "floating point"),
        (torch.zeros(3, 4), torch.zeros(2, dtype=torch.int64), r"shape \(3,\)"),
        (torch.zeros(3, 4), torch.zeros(3), "integers"),
        (torch.zeros(3, 4), torch.tensor([0, 1, 3]), r"span \[0, 3\]: allowed is \[0, 2\]"),
        (torch.zeros(3, 4), torch.tensor([0, 1, -1]), r"span \[-1, 1\]"),
    ],
)
def test_bad_batches_are_explained(embeddings: Tensor, labels: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PotentialFieldLoss(3, 4)(embeddings, labels)


def test_crowded_points_keep_their_digits_in_float32():
    """All pairs repel from a distance of about 1e-3, where a Gram matrix in float32 has lost its digits."""
    generator = torch.Generator().manual_seed(0)
    raw = torch.ones(24, 6, dtype=torch.float64) + 1e-3 * torch.randn(24, 6, dtype=torch.float64, generator=generator)
    points = normalize(raw).float()
    labels = torch.arange(24)
    loss = PotentialFieldLoss(24, 6, proxies_per_class=0, alpha=1.0, delta=0.5, min_distance_ratio=1e-4)
    narrow, wide = points.clone().requires_grad_(), points.double().requires_grad_()
    loss(narrow, labels).backward()
    loss(wide, labels).backward()
    assert loss(narrow, labels).item() == pytest.approx(loss(wide, labels).item(), rel=1e-4)
    assert torch.allclose(narrow.grad.double(), wide.grad, rtol=1e-3, atol=1e-3 * wide.grad.abs().max().item())
