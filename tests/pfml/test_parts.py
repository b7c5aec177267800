"""The parts of an evaluation, each against the plain computation that it replaces."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from baselines.cpml import CPMLLoss
from pfml import PotentialFieldLoss, attraction, repulsion, total_energy
from pfml._kernel.neighbours import NeighbourList
from pfml._kernel.other_classes import coordinates
from pfml._kernel.same_class import RowsByClass
from pfml._kernel.sources import Layout, Sources


def sources_of(free: Tensor, per_class: int) -> Sources:
    classes = torch.arange(len(free) // per_class).repeat_interleave(per_class)
    return Sources.of(free[:1], free, Layout(classes[:1], classes, per_class, NeighbourList(1.0)))


@pytest.mark.parametrize("per_class", [2, 6, 7, 8, 14, 15, 16, 22])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_cosines_are_those_of_each_class(per_class: int, count: int) -> None:
    points = torch.randn(count * per_class, 9, dtype=torch.float64)
    groups = normalize(points).view(count, per_class, 9)
    cosines = sources_of(points, per_class).cosines
    assert cosines is not None
    torch.testing.assert_close(cosines, torch.einsum("cid,cjd->cij", groups, groups))


def test_points_that_diverged_stay_in_their_class() -> None:
    points = torch.randn(45, 9)
    points[15] = math.nan
    cosines = sources_of(points, 15).cosines
    assert cosines is not None
    assert cosines[0].isfinite().all()
    assert cosines[1, 0].isnan().all()


@pytest.mark.parametrize("labels", [[3], [1, 1, 1], [5, 0, 5, 2], [0] * 40 + [1, 2, 3, 4], list(range(30)) + [7] * 30])
def test_every_row_has_a_slot_of_its_class(labels: list[int]) -> None:
    rows = RowsByClass.of(torch.tensor(labels))
    slots = rows.slots.tolist()
    assert len(set(slots)) == len(labels)
    assert [int(rows.classes[slot // rows.width]) for slot in slots] == labels
    assert len(rows.classes) * rows.width <= 4 * len(labels)
    assert sorted(rows.sizes.tolist()) == sorted(labels.count(label) for label in set(labels))


def above_floor(loss: PotentialFieldLoss, embeddings: Tensor, labels: Tensor, free: Tensor) -> Tensor:
    classes = torch.cat([labels, loss.proxy_labels])
    same = (classes[:, None] == classes[None, :]).sum()
    radius = torch.tensor(loss.delta, dtype=torch.float64)
    floor = same * attraction(radius, loss.alpha, loss.delta)
    floor += (len(classes) ** 2 - same) * repulsion(radius, loss.alpha, loss.delta)
    settings = {"alpha": loss.alpha, "delta": loss.delta, "min_distance": loss.min_distance}
    return total_energy(embeddings, labels, normalize(free), loss.proxy_labels, **settings) - floor


def contrastive(embeddings: Tensor, labels: Tensor, free: Tensor, classes: Tensor, margin: float) -> Tensor:
    points, classes = torch.cat([embeddings, normalize(free)]), torch.cat([labels, classes])
    distance = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    same = classes[:, None] == classes[None, :]
    return distance[same].square().sum() + (margin - distance[~same]).clamp(min=0).square().sum()


def near_others(loss: Any, size: int, share: float, dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """Embeddings of which a share lies close to a proxy of another class, at the edge of the radius among other places."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(loss.num_classes, (size,), generator=generator)
    proxies = loss.proxies.detach().double()
    other = torch.randint(len(proxies), (size,), generator=generator)
    towards = normalize(torch.randn(size, dim, dtype=torch.float64, generator=generator))
    # Half of them differ in the first coordinates alone: there a bound by norms of the rest has nothing to spare.
    towards[::2, 20:] = 0
    towards = normalize(towards)
    apart = 0.02 + 0.25 * torch.rand(size, 1, dtype=torch.float64, generator=generator)
    close = torch.rand(size, 1, generator=generator) < share
    return normalize(torch.where(close, proxies[other] + apart * towards, towards)), labels


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
@pytest.mark.parametrize(("per_class", "dim"), [(1, 512), (7, 512), (15, 512), (3, 192)])
@pytest.mark.parametrize("concentrated", [False, True])
def test_batch_and_proxies_match_the_dense_sum(
    dtype: torch.dtype, tolerance: float, share: float, per_class: int, dim: int, *, concentrated: bool
) -> None:
    """Also where the first coordinates hold nearly all of a vector, or nothing: there bounds are worst."""
    torch.manual_seed(0)
    for seed, loss in enumerate([PotentialFieldLoss(40, dim, per_class, alpha=2.0), CPMLLoss(40, dim, per_class, 0.2)]):
        assert coordinates(dim, 0.2) < dim
        free = loss.proxy_vectors
        assert free is not None
        with torch.no_grad():
            if concentrated:
                free[::2, 20:] *= 1e-5
                free[1::2, :70] *= 1e-5
            free *= torch.linspace(0.5, 2, len(free))[:, None]
        loss.to(dtype)
        rows, labels = near_others(loss, 50, share, dim, seed)
        embeddings = rows.to(dtype).requires_grad_()
        value = loss(embeddings, labels)
        found = torch.autograd.grad(value, [embeddings, loss.proxy_vectors])
        exact = [tensor.detach().double().requires_grad_() for tensor in (embeddings, loss.proxy_vectors)]
        if isinstance(loss, PotentialFieldLoss):
            reference = above_floor(loss, exact[0], labels, exact[1])
        else:
            reference = contrastive(exact[0], labels, exact[1], loss.proxy_labels, loss.margin)
        assert value.item() == pytest.approx(reference.item(), rel=tolerance)
        for gradient, target in zip(found, torch.autograd.grad(reference, exact), strict=True):
            assert (gradient - target).norm() <= tolerance * target.norm()


def test_coordinates_are_few_where_reach_is_short() -> None:
    assert coordinates(512, 0.2) == 64
    assert coordinates(128, 1.0) == 128


def test_backward_can_be_repeated_and_sees_overwritten_proxies() -> None:
    loss = PotentialFieldLoss(4, 8, 2)
    weight = loss.proxy_vectors
    assert weight is not None
    embeddings = normalize(torch.randn(6, 8)).requires_grad_()
    value = loss(embeddings, torch.arange(6) % 4)
    once = torch.autograd.grad(value, [embeddings, weight], retain_graph=True)
    twice = torch.autograd.grad(2 * value, [embeddings, weight], retain_graph=True)
    torch.testing.assert_close([2 * gradient for gradient in once], list(twice))
    with torch.no_grad():
        weight += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()
