"""Time of one forward and backward pass of the loss, beside Proxy-Anchor and the dense reference, on one thread.

Not run by default: ``python -m pytest tests/benchmarks`` prints the table. Proxies move between passes as an optimiser
would move them, by ``speed`` along the sphere, so that the neighbour list has something to follow.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from baselines.proxy_anchor import ProxyAnchorLoss
from pfml import PotentialFieldLoss, total_energy

pytestmark = pytest.mark.benchmark


class Scale(NamedTuple):
    """A problem size: batch, classes, proxies per class, dimension, delta."""

    batch: int
    classes: int
    proxies: int
    dim: int
    delta: float


SCALES = {
    "cub": Scale(120, 100, 15, 512, 0.2),
    "sop": Scale(120, 11318, 2, 512, 0.2),
    "embedded": Scale(120, 791, 1, 128, 1.0),
    "no proxies": Scale(120, 100, 0, 512, 0.2),
}
SPEEDS = [0.0, 0.01, 0.1]


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Timings are per thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def data(scale: Scale) -> tuple[Tensor, Tensor, Tensor]:
    """A batch of four to a class, labels, and proxies, all half-way between random and their class's direction."""
    torch.manual_seed(0)
    centres = normalize(torch.randn(scale.classes, scale.dim))
    labels = torch.randint(scale.classes, (scale.batch // 4,)).repeat_interleave(4)
    embeddings = normalize(centres[labels] + 0.5 * normalize(torch.randn(scale.batch, scale.dim)))
    spread = normalize(torch.randn(scale.classes * scale.proxies, scale.dim))
    proxies = normalize(centres.repeat_interleave(scale.proxies, dim=0) + 0.5 * spread)
    return embeddings.requires_grad_(), labels, proxies


def measure(benchmark: Any, step: Callable[[], Tensor], between: Callable[[], None], rounds: int = 15) -> None:
    """Time ``step`` and its backward pass, with ``between`` before each round, untimed."""

    def run() -> None:
        step().backward()

    benchmark.pedantic(run, setup=between, rounds=rounds, warmup_rounds=3, iterations=1)


def moves(weight: nn.Parameter | None, speed: float) -> Callable[[], None]:
    """Moves every proxy by ``speed`` in a random direction along the sphere."""

    def move() -> None:
        if weight is not None and speed > 0:
            with torch.no_grad():
                weight.copy_(normalize(weight + speed * normalize(torch.randn_like(weight))))

    return move


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("name", SCALES)
def test_potential_field(name: str, speed: float, benchmark: Any) -> None:
    scale = SCALES[name]
    if scale.proxies == 0 and speed > 0:
        pytest.skip("no proxies to move")
    embeddings, labels, proxies = data(scale)
    loss = PotentialFieldLoss(scale.classes, scale.dim, scale.proxies, alpha=4.0, delta=scale.delta)
    weight = loss.field.weight
    if weight is not None:
        with torch.no_grad():
            weight.copy_(proxies)
    benchmark.group = name
    measure(benchmark, lambda: loss(embeddings, labels), moves(weight, speed))


@pytest.mark.parametrize("name", SCALES)
def test_proxy_anchor(name: str, benchmark: Any) -> None:
    scale = SCALES[name]
    embeddings, labels, _ = data(scale)
    loss = ProxyAnchorLoss(scale.classes, scale.dim)
    benchmark.group = name
    measure(benchmark, lambda: loss(embeddings, labels), lambda: None)


@pytest.mark.parametrize("name", [name for name in SCALES if name != "sop"])
def test_dense_reference(name: str, benchmark: Any) -> None:
    """All distances and autograd; out of reach for SOP, which has 22,756^2 pairs."""
    scale = SCALES[name]
    embeddings, labels, proxies = data(scale)
    classes = torch.arange(scale.classes).repeat_interleave(scale.proxies)
    proxies.requires_grad_()
    benchmark.group = name
    measure(
        benchmark,
        lambda: total_energy(embeddings, labels, proxies, classes, alpha=4.0, delta=scale.delta, min_distance=0.01),
        lambda: None,
        rounds=5,
    )
