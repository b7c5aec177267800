"""Time of one forward and backward pass of the loss, beside its peers and all pairs by autograd, on one thread and on two.

Not run by default: ``tox -e bench`` prints the table, with the ratios below it. Proxies move between passes as an optimiser
would move them, by ``speed`` along the sphere, so that the neighbour list has something to follow.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from baselines.proxy_anchor import ProxyAnchorLoss
from baselines.soft_triple import SoftTripleLoss
from pfml import PotentialFieldLoss, total_energy
from tests.benchmarks.ratios import PEER, SECOND_PEER, group

pytestmark = pytest.mark.benchmark


class Scale(NamedTuple):
    """A problem size: batch, classes, proxies per class, dimension, delta, and rounds to take the median of."""

    batch: int
    classes: int
    proxies: int
    dim: int
    delta: float
    rounds: int


SCALES = {
    "cub": Scale(120, 100, 15, 512, 0.2, 200),
    "sop": Scale(120, 11318, 2, 512, 0.2, 20),
    "embedded": Scale(120, 791, 1, 128, 1.0, 200),
    "no proxies": Scale(120, 100, 0, 512, 0.2, 200),
    # A wide radius, so that a few per cent of all pairs of proxies repel each other.
    "crowded": Scale(120, 780, 2, 128, 1.3, 30),
}
SPEEDS = [0.0, 0.01, 0.1]


@pytest.fixture(autouse=True, params=[1, 2], ids=["1-thread", "2-threads"])
def threads(request: Any) -> Any:
    """Timings are per number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def data(scale: Scale) -> tuple[Tensor, Tensor, Tensor]:
    """A batch of four to a class, labels, and proxies, all half-way between random and their class's direction."""
    torch.manual_seed(0)
    centres = normalize(torch.randn(scale.classes, scale.dim))
    labels = torch.randint(scale.classes, (scale.batch // 4,)).repeat_interleave(4)
    embeddings = normalize(centres[labels] + 0.5 * normalize(torch.randn(scale.batch, scale.dim)))
    spread = normalize(torch.randn(scale.classes * scale.proxies, scale.dim))
    proxies = normalize(centres.repeat_interleave(scale.proxies, dim=0) + 0.5 * spread)
    return embeddings.requires_grad_(), labels, proxies


def measure(
    benchmark: Any, step: Callable[[], Tensor], leaves: Iterable[Tensor], rounds: int, between: Callable[[], None] = int
) -> None:
    """Time ``step`` and its backward pass; before each round, untimed, ``between``, and gradients go as in `zero_grad`."""
    leaves = list(leaves)

    def setup() -> None:
        between()
        for leaf in leaves:
            leaf.grad = None

    def run() -> None:
        step().backward()

    benchmark.pedantic(run, setup=setup, rounds=rounds, warmup_rounds=3, iterations=1)


def moves(weight: nn.Parameter | None, speed: float) -> Callable[[], None]:
    """Moves every proxy by ``speed`` in a random direction along the sphere."""

    def move() -> None:
        if weight is not None and speed > 0:
            with torch.no_grad():
                weight.copy_(normalize(weight + speed * normalize(torch.randn_like(weight))))

    return move


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("name", SCALES)
def test_potential_field(name: str, speed: float, threads: int, benchmark: Any) -> None:
    scale = SCALES[name]
    if scale.proxies == 0 and speed > 0:
        pytest.skip("no proxies to move")
    embeddings, labels, proxies = data(scale)
    loss = PotentialFieldLoss(scale.classes, scale.dim, scale.proxies, alpha=4.0, delta=scale.delta)
    weight = loss.proxy_vectors
    if weight is not None:
        with torch.no_grad():
            weight.copy_(proxies)
    benchmark.group = group(name, threads)
    benchmark.extra_info["row"] = f"pfml, proxies move by {speed:g}"
    leaves = [embeddings, *loss.parameters()]
    measure(benchmark, lambda: loss(embeddings, labels), leaves, scale.rounds, moves(weight, speed))


@pytest.mark.parametrize("name", SCALES)
def test_proxy_anchor(name: str, threads: int, benchmark: Any) -> None:
    scale = SCALES[name]
    embeddings, labels, _ = data(scale)
    loss = ProxyAnchorLoss(scale.classes, scale.dim)
    benchmark.group = group(name, threads)
    benchmark.extra_info["row"] = PEER
    measure(benchmark, lambda: loss(embeddings, labels), [embeddings, *loss.parameters()], scale.rounds)


@pytest.mark.parametrize("name", [name for name in SCALES if SCALES[name].proxies > 0])
def test_soft_triple(name: str, threads: int, benchmark: Any) -> None:
    """As many proxies as ours; without its regularizer, which pytorch-metric-learning leaves out by default too."""
    scale = SCALES[name]
    embeddings, labels, _ = data(scale)
    loss = SoftTripleLoss(scale.classes, scale.dim, scale.proxies, tau=0.0)
    benchmark.group = group(name, threads)
    benchmark.extra_info["row"] = SECOND_PEER
    measure(benchmark, lambda: loss(embeddings, labels), [embeddings, *loss.parameters()], scale.rounds)


def gram_energy(points: Tensor, classes: Tensor, potential: Any) -> Tensor:
    """All pairs by a Gram matrix, the gradient left to autograd."""
    squares = points.square().sum(dim=1)
    squared = (squares[:, None] + squares[None, :] - 2 * points @ points.T).clamp(min=1e-12)
    same = classes[:, None] == classes[None, :]
    masks = ((potential.active(squared, same=kind) & (same == kind), kind) for kind in (True, False))
    terms = [torch.where(mask, potential.value_and_slope(squared, same=kind)[0], 0.0).sum() for mask, kind in masks]
    return terms[0] + terms[1]


@pytest.mark.parametrize("name", [name for name in SCALES if name != "sop"])
@pytest.mark.parametrize("way", ["reference", "Gram matrix and autograd", "pfml, dense path"])
def test_all_pairs(name: str, way: str, threads: int, benchmark: Any) -> None:
    """Out of reach for SOP, which has 22,756^2 pairs."""
    scale = SCALES[name]
    embeddings, labels, proxies = data(scale)
    loss = PotentialFieldLoss(scale.classes, scale.dim, scale.proxies, alpha=4.0, delta=scale.delta)
    loss.path = "dense"
    classes = loss.proxy_labels
    proxies.requires_grad_()
    settings = {"alpha": 4.0, "delta": scale.delta, "min_distance": loss.min_distance}
    steps: dict[str, Callable[[], Tensor]] = {
        "reference": lambda: total_energy(embeddings, labels, proxies, classes, **settings),
        "Gram matrix and autograd": lambda: gram_energy(
            torch.cat([embeddings, proxies]), torch.cat([labels, classes]), loss._potential
        ),
        "pfml, dense path": lambda: loss(embeddings, labels),
    }
    benchmark.group = group(name, threads)
    benchmark.extra_info["row"] = way
    measure(benchmark, steps[way], [embeddings, proxies, *loss.parameters()], rounds=5)
