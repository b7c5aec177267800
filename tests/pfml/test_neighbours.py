"""The neighbour list misses no pair, and the loss that uses it stays exact while proxies move."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from pfml import PotentialFieldLoss, attraction, repulsion, total_energy
from pfml._kernel.neighbours import NeighbourList, with_rest


def near_pairs(points: Tensor, classes: Tensor, radius: float) -> set[tuple[int, int]]:
    """All pairs of different classes within the radius, by comparing all."""
    distance = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    near = (distance < radius) & (classes[:, None] != classes[None, :])
    return {(int(i), int(j)) for i, j in near.nonzero() if i < j}


def clustered(count: int, dim: int, spread: float, generator: torch.Generator) -> Tensor:
    """Unit points around one in twenty of their number."""
    centres = torch.randn(count // 20 + 1, dim, dtype=torch.float64, generator=generator)
    around = normalize(torch.randn(count, dim, dtype=torch.float64, generator=generator))
    return normalize(normalize(centres)[torch.arange(count) % len(centres)] + spread * around)


@pytest.mark.parametrize(("dim", "radius", "spread"), [(128, 0.2, 0.15), (64, 0.5, 0.4), (8, 0.2, 0.5)])
@pytest.mark.parametrize("speed", [0.0, 1e-3, 1e-2, 0.1])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_no_pair_is_missed(dim: int, radius: float, spread: float, speed: float, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    points = clustered(600, dim, spread, generator)
    classes = torch.arange(600) // 2
    neighbours = NeighbourList(radius)
    for step in range(16):
        pairs = neighbours.near(points.to(dtype), classes, torch.ones(600, dtype=dtype))
        expected = near_pairs(points, classes, radius * (1 - 1e-4))
        assert pairs is not None
        found = [(min(pair), max(pair)) for pair in pairs.tolist()]
        assert len(found) == len(set(found))
        assert expected <= set(found)
        assert bool((classes[pairs[:, 0]] != classes[pairs[:, 1]]).all())
        # Now and then some points jump, which the list must follow without a new search of all.
        jump = 0.3 * (torch.rand(600, 1, generator=generator) < 0.02) if step % 4 == 3 else torch.zeros(600, 1)
        steps = normalize(torch.randn(600, dim, dtype=torch.float64, generator=generator))
        points = normalize(points + (speed + jump) * steps)


@pytest.mark.parametrize("speed", [1e-3, 4e-3])
@pytest.mark.parametrize("seed", range(3))
def test_points_that_close_in_on_each_other_are_found_in_time(speed: float, seed: int) -> None:
    """Pairs on one great circle each, both ends heading for the other; some jump to the edge of the radius halfway."""
    generator = torch.Generator().manual_seed(seed)
    pairs, radius, dim = 200, 0.2, 48
    centre = normalize(torch.randn(pairs, dim, dtype=torch.float64, generator=generator))
    along = torch.randn(pairs, dim, dtype=torch.float64, generator=generator)
    along = normalize(along - (along * centre).sum(dim=1, keepdim=True) * centre)
    separation = 1.02 * radius + 120 * speed * torch.rand(pairs, 1, dtype=torch.float64, generator=generator)
    late = slice(0, 10)
    separation[late] += 1.0
    classes, neighbours, full, left_out = torch.arange(2 * pairs), NeighbourList(radius), 0, 0
    for step in range(60):
        if step == 20:
            separation[late] = 1.02 * radius + 30 * speed * torch.rand(10, 1, dtype=torch.float64, generator=generator)
        points = torch.cat([(s * separation / 2).cos() * centre + (s * separation / 2).sin() * along for s in (-1, 1)])
        before = neighbours.searched_rows
        found = neighbours.near(points, classes, torch.ones(2 * pairs, dtype=torch.float64))
        full += neighbours.searched_rows - before == 2 * pairs
        assert found is not None
        if (possible := neighbours.possible()) is not None:  # both ends of a pair have moved
            found, left_out = found[possible], left_out + int((~possible).sum())
        assert near_pairs(points, classes, radius * (1 - 1e-9)) <= {tuple(sorted(pair)) for pair in found.tolist()}
        separation -= 2 * speed
    assert 2 < full < 20
    assert left_out > 0


def test_slow_points_are_seldom_searched() -> None:
    generator = torch.Generator().manual_seed(0)
    points = clustered(600, 64, 0.3, generator)
    neighbours = NeighbourList(0.2)
    for _ in range(40):
        neighbours.near(points, torch.arange(600), torch.ones(600, dtype=torch.float64))
        points = normalize(points + 1e-3 * normalize(torch.randn(600, 64, dtype=torch.float64, generator=generator)))
    assert neighbours.searched_rows <= 4 * 600


def test_jumping_points_are_searched_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    points = clustered(600, 64, 0.3, generator)
    neighbours = NeighbourList(0.2)
    for step in range(20):
        neighbours.near(points, torch.arange(600), torch.ones(600, dtype=torch.float64))
        points = points + 1e-3 * normalize(torch.randn(600, 64, dtype=torch.float64, generator=generator))
        if step > 3:
            points[step] = -points[step]
        points = normalize(points)
    assert neighbours.searched_rows < 3 * 600


def test_crowds_are_left_to_blocks() -> None:
    points = normalize(torch.ones(300, 8) + 0.1 * torch.randn(300, 8))
    neighbours = NeighbourList(1.0)
    assert neighbours.near(points, torch.arange(300), torch.ones(300)) is None
    assert neighbours.near(points, torch.arange(300), torch.ones(300)) is None


@pytest.mark.parametrize(("share", "is_listed"), [(0.009, True), (0.011, False)])
def test_lists_end_at_one_percent_of_all_pairs(share: float, *, is_listed: bool) -> None:
    points = normalize(torch.randn(600, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    radius = torch.pdist(points).quantile(share).item()
    found = NeighbourList(radius).near(points, torch.arange(600), torch.ones(600, dtype=torch.float64))
    assert (found is not None) == is_listed


def above_floor(loss: PotentialFieldLoss, embeddings: Tensor, labels: Tensor, proxies: Tensor) -> Tensor:
    """The reference energy minus its floor, in float64."""
    classes = torch.cat([labels, loss.proxy_labels])
    same = (classes[:, None] == classes[None, :]).sum()
    radii = [torch.tensor(radius, dtype=torch.float64) for radius in (loss.delta, loss.delta_repulsion)]
    floor = same * attraction(radii[0], loss.alpha, loss.delta)
    floor += (len(classes) ** 2 - same) * repulsion(radii[1], loss.alpha, loss.delta_repulsion)
    raw = total_energy(
        embeddings,
        labels,
        proxies,
        loss.proxy_labels,
        alpha=loss.alpha,
        delta=loss.delta,
        delta_repulsion=loss.delta_repulsion,
        min_distance=loss.min_distance,
    )
    return raw - floor


def couples(count: int, dim: int, generator: torch.Generator) -> Tensor:
    """Unit points of which each of the first half has one of the second half near by, and few others."""
    half = normalize(torch.randn(count // 2, dim, dtype=torch.float64, generator=generator))
    apart = 0.05 + 0.2 * torch.rand(count // 2, 1, dtype=torch.float64, generator=generator)
    towards = normalize(torch.randn(count // 2, dim, dtype=torch.float64, generator=generator))
    return torch.cat([half, normalize(half + apart * towards)])


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("speed", [0.0, 1e-3, 1e-2, 0.3])
@pytest.mark.parametrize(("delta", "radius"), [(0.2, 0.2), (0.5, 0.3), (1.1, 1.1)])
@pytest.mark.parametrize("crowded", [False, True])
def test_loss_stays_exact_while_proxies_move(
    dtype: torch.dtype, tolerance: float, speed: float, delta: float, radius: float, *, crowded: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    settings = {"alpha": 2.0, "delta": delta, "delta_repulsion": radius, "min_distance_ratio": 0.2}
    loss = PotentialFieldLoss(60, 32, 3, **settings).to(dtype)
    weight = loss.proxy_vectors
    assert weight is not None
    start = clustered(180, 32, 0.15, generator) if crowded else couples(180, 32, generator)
    with torch.no_grad():
        weight.copy_(start.to(dtype))
    labels = torch.arange(40) % 60
    for step in range(12):
        embeddings = clustered(40, 32, 0.1, generator).to(dtype).requires_grad_()
        value = loss(embeddings, labels)
        found = torch.autograd.grad(value, [embeddings, weight])
        exact_rows = embeddings.detach().double().requires_grad_()
        exact_weight = weight.detach().double().requires_grad_()
        reference = above_floor(loss, exact_rows, labels, normalize(exact_weight))
        expected = torch.autograd.grad(reference, [exact_rows, exact_weight])
        assert value.item() == pytest.approx(reference.item(), rel=tolerance)
        for gradient, target in zip(found, expected, strict=True):
            assert (gradient - target).norm() <= tolerance * target.norm()
        if not crowded and radius < 1:
            pairs = loss._neighbours.near(loss.proxies.detach(), loss.proxy_labels, torch.ones(180, dtype=dtype))
            assert pairs is not None
            assert speed > 1e-3 or len(pairs) > 0
        with torch.no_grad():
            moves = normalize(torch.randn(180, 32, dtype=torch.float64, generator=generator)).to(dtype)
            weight += speed * moves
            if step % 3 == 2:
                weight[step] = -weight[step]


def test_the_bound_counts_rests_that_rounding_hides() -> None:
    """A vector almost wholly in the chosen coordinates has a rest too small to see in its norm, not in a product."""
    generator = torch.Generator().manual_seed(0)
    thin = torch.randn(40, 64, generator=generator)
    thin[:, 16:] *= 1e-4
    wide = torch.randn(40, 64, generator=generator)
    wide[:, :16] *= 1e-4
    points = torch.nn.functional.normalize(torch.cat([thin, wide, thin[:, torch.arange(63, -1, -1)]]), dim=1)
    norms = points.square().sum(dim=1)
    extended = with_rest(points[:, :16], norms).double()
    exact = points.double() @ points.double().T
    assert (extended @ extended.T - exact).min() > -1e-6
