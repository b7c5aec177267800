"""The reference energy against the double loop."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from pfml import total_energy
from tests.pfml import oracle


def configuration(batch: int, proxies: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random unit rows in 3-d, so that pairs fall on both sides of every delta in use."""
    generator = torch.Generator().manual_seed(seed)
    points = normalize(torch.randn(batch + proxies, 3, dtype=torch.float64, generator=generator))
    classes = torch.randint(4, (batch + proxies,), generator=generator)
    return points[:batch], classes[:batch], points[batch:], classes[batch:]


@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.5, 4.0])
@pytest.mark.parametrize(("delta", "radius", "bound"), [(0.2, None, 0.0), (0.9, 1.1, 0.0), (1.0, 0.6, 0.3)])
@pytest.mark.parametrize(("batch", "proxies"), [(9, 8), (7, 0), (1, 3), (1, 0)])
def test_matches_the_double_loop(
    alpha: float, delta: float, radius: float | None, bound: float, batch: int, proxies: int
) -> None:
    embeddings, labels, sources, source_labels = configuration(batch, proxies)
    embeddings.requires_grad_()
    sources.requires_grad_()
    value = total_energy(
        embeddings, labels, sources, source_labels, alpha=alpha, delta=delta, delta_repulsion=radius, min_distance=bound
    )
    points, classes = torch.cat([embeddings, sources]), torch.cat([labels, source_labels])
    expected, gradient = oracle.energy(points.tolist(), classes.tolist(), alpha, delta, radius or delta, bound)
    assert value.item() == pytest.approx(expected, rel=1e-9)
    found = torch.autograd.grad(value, [embeddings, sources], allow_unused=True)
    found_rows = torch.cat([rows for rows in found if rows is not None])
    torch.testing.assert_close(
        found_rows, torch.tensor(gradient, dtype=torch.float64)[: len(found_rows)], rtol=1e-9, atol=1e-9
    )


def test_none_and_empty_proxies_agree() -> None:
    embeddings, labels, proxies, proxy_labels = configuration(6, 0)
    without = total_energy(embeddings, labels, alpha=3.0, delta=0.5)
    assert without == total_energy(embeddings, labels, None, None, alpha=3.0, delta=0.5)
    assert without == total_energy(embeddings, labels, proxies, proxy_labels, alpha=3.0, delta=0.5)


def test_same_class_duplicates_exert_no_force() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    total_energy(embeddings, torch.tensor([0, 0, 1]), alpha=3.0, delta=0.2).backward()
    assert embeddings.grad is not None
    assert torch.equal(embeddings.grad, torch.zeros(3, 2))


def test_bound_keeps_coinciding_classes_finite() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    value = total_energy(embeddings, torch.tensor([0, 1]), alpha=3.0, delta=0.2, min_distance=0.01)
    value.backward()
    assert embeddings.grad is not None
    assert bool(value.isfinite())
    assert bool(embeddings.grad.isfinite().all())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype: torch.dtype) -> None:
    embeddings, labels, *_ = configuration(6, 0)
    narrow = embeddings.detach().to(dtype)
    found = total_energy(narrow, labels, alpha=3.0, delta=0.2)
    assert found.dtype == torch.float32
    assert torch.equal(found, total_energy(narrow.float(), labels, alpha=3.0, delta=0.2))


def test_errors_are_clear() -> None:
    embeddings, labels, proxies, proxy_labels = configuration(4, 2)
    with pytest.raises(ValueError, match="together"):
        total_energy(embeddings, labels, proxies, alpha=3.0, delta=0.2)
    with pytest.raises(ValueError, match="labels must have shape"):
        total_energy(embeddings, labels[:2], alpha=3.0, delta=0.2)
    with pytest.raises(ValueError, match="dimension 2"):
        total_energy(embeddings, labels, proxies[:, :2], proxy_labels, alpha=3.0, delta=0.2)
    with pytest.raises(ValueError, match="integers"):
        total_energy(embeddings, labels.float(), alpha=3.0, delta=0.2)
