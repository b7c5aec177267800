"""What each idea of pfml/_kernel is worth: one step without it, as a multiple of one with it.

Not run by default: ``tox -e bench -- tests/benchmarks/test_ideas.py`` prints the table of docs/dev/speed.md. The first row
is the plain alternative to all: blocks of a Gram matrix over all pairs of batch and proxies with a hand-written gradient.
Steps of all rows take turns on one thread, with proxies that move as an optimiser would move them, and are measured in time
of the processor, which other work on the machine disturbs less. Renewing the neighbour list counts with its share.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import normalize

from baselines.cpml import CPMLLoss
from pfml import PotentialFieldLoss
from pfml import _kernel as kernel
from pfml._kernel import Layout, blocks, neighbours, other_classes, sparse_energy
from pfml.pairwise import PairwiseLoss

pytestmark = pytest.mark.benchmark


class Size(NamedTuple):
    """Classes, proxies per class, dimension, delta, how far proxies move a step, the share that jumps, steps, which loss."""

    classes: int
    proxies: int
    dim: int
    delta: float
    speed: float = 0.01
    jumping: float = 0.0
    steps: int = 48
    control: bool = False


SIZES = {
    "cub": Size(100, 15, 512, 0.2),
    "sop": Size(11318, 2, 512, 0.2, steps=20),
    "sop, fast": Size(11318, 2, 512, 0.2, speed=0.1, steps=4),
    "sop, jumps": Size(11318, 2, 512, 0.2, speed=0.001, jumping=0.002, steps=12),
    "embedded, M 1": Size(791, 1, 128, 1.0),
    "embedded, M 2": Size(300, 2, 128, 0.95),
    "embedded, M 4": Size(300, 4, 128, 0.95),
    "crowded": Size(780, 2, 128, 1.3, steps=24),
    "very crowded": Size(780, 2, 128, 1.42, steps=24),
    "crowded, D 512": Size(100, 15, 512, 1.34, steps=16),
    "control": Size(300, 2, 128, 1.7, control=True),
}
SLOW = {"sop", "sop, fast", "sop, jumps"}
"""Where a step over all pairs takes seconds: one step is timed."""


class Plain(Function):
    """All pairs in blocks, whatever their class and distance."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, classes: Tensor, potential: Any) -> Tensor:
        squares, gradient = points.square().sum(dim=1), torch.zeros_like(points)
        everything = blocks.Points(points, squares, classes, gradient)
        energy = torch.zeros((), dtype=torch.float64)
        for rows, columns, start, first in blocks._upper(everything):
            squared = blocks.squared_distances(rows, columns.points, columns.squares)
            same = rows.classes[:, None] == columns.classes[None, :]
            active = torch.where(same, potential.active(squared, same=True), potential.active(squared, same=False))
            if start == first:
                active.triu_(diagonal=1)
            i, j = (active & (squared < 1e-2)).nonzero().unbind(1)
            squared[i, j] = (rows.points[i] - columns.points[j]).square().sum(dim=1)
            within, between = (potential.value_and_slope(squared, same=kind) for kind in (True, False))
            value, slope = (
                torch.where(same, *pair).masked_fill_(~active, 0) for pair in zip(within, between, strict=True)
            )
            energy += 2 * value.sum()
            blocks._add_products(rows, columns, slope.mul_(4))
        ctx.gradient = gradient
        return energy.to(points.dtype)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        return ctx.gradient * upstream[0], None, None


def plain(loss: PairwiseLoss, embeddings: Tensor, labels: Tensor) -> Tensor:
    points, classes = torch.cat([embeddings, loss.proxies]), torch.cat([labels, loss.proxy_labels])
    value: Tensor = Plain.apply(points, classes, loss._potential)
    return value


def normalized_before(loss: PairwiseLoss, embeddings: Tensor, labels: Tensor) -> Tensor:
    layout = Layout(labels, loss.proxy_labels, loss.proxies_per_class, loss._neighbours)
    return sparse_energy(embeddings, loss.proxies, layout, loss._potential)[0]


def own_by_blocks(evaluation: Any, _: Any) -> None:
    """Pairs of an embedding and a proxy of its class, found in blocks of all proxies."""
    count, per_class = len(evaluation.sources.free), evaluation.sources.per_class
    step = 2048 // per_class * per_class
    for start in range(0, count, step):
        rows = blocks.embeddings_of(evaluation)
        some = slice(start, min(start + step, count))
        columns = blocks.proxies_of(evaluation, some, evaluation.sources.proxies(some))
        squared = blocks.squared_distances(rows, columns.points, columns.squares)
        own = rows.classes[:, None] == columns.classes[None, :]
        blocks.add_block(
            evaluation, squared, own & evaluation.potential.active(squared, same=True), rows, columns, same=True
        )


def proxies_block_by_block(evaluation: Any) -> None:
    """All pairs of proxies, those picked out of a block summed with it."""
    whole = slice(None)
    proxies = blocks.proxies_of(evaluation, whole, evaluation.sources.proxies(whole))
    for rows, columns, _, _ in blocks._upper(proxies):
        squared = blocks.squared_distances(rows, columns.points, columns.squares)
        squared.masked_fill_(rows.classes[:, None] >= columns.classes[None, :], torch.inf)
        active = evaluation.potential.active(squared, same=False)
        blocks.add_block(evaluation, squared, active, rows, columns, same=False)


def evaluate(loss: PairwiseLoss, embeddings: Tensor, labels: Tensor) -> Tensor:
    value: Tensor = loss(embeddings, labels)
    return value


def without(*what: tuple[Any, str, Any]) -> Callable[..., Tensor]:
    """The loss with parts of the kernel replaced."""

    def run(loss: PairwiseLoss, embeddings: Tensor, labels: Tensor) -> Tensor:
        with ExitStack() as stack:
            for patched in what:
                stack.enter_context(patch.object(*patched))
            return evaluate(loss, embeddings, labels)

    return run


WAYS: dict[str, Callable[..., Tensor]] = {
    "as it is": evaluate,
    "plain blocks of all pairs": plain,
    "no sphere": normalized_before,
    "no rows by class": without((kernel, "add_batch_and_own_proxies", own_by_blocks)),
    "no projection bound, batch and proxies": without((other_classes, "coordinates", lambda dim, _: dim)),
    "no projection bound, search": without((neighbours, "_projection", lambda points, *_: points)),
    "no neighbour list": without((neighbours.NeighbourList, "near", lambda *_: None)),
    "every listed pair": without((neighbours.NeighbourList, "possible", lambda *_: None)),
    "no search of moved proxies alone": without((neighbours.NeighbourList, "_search_anew", lambda *_: None)),
    "blocks: no sparse products": without((other_classes, "add_all_proxies", proxies_block_by_block)),
    "blocks: never masked": without((blocks, "_MANY", 2.0)),
    "blocks: always masked": without((blocks, "_MANY", -1.0)),
    "blocks: no sums pair by pair": without((blocks, "_FEW", 0.0)),
}
ALL_PAIRS = {"plain blocks of all pairs", "no neighbour list"}


@contextmanager
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def move(weight: Tensor, size: Size, generator: torch.Generator) -> None:
    """Moves every proxy by ``speed`` along the sphere, and half a unit for the share that jumps."""
    far = (torch.rand(len(weight), 1, generator=generator) < size.jumping) * 0.5
    with torch.no_grad():
        way = normalize(torch.randn(weight.shape, generator=generator))
        weight.copy_(normalize(weight + (size.speed + far) * way))


def times(name: str) -> dict[str, float]:
    """Seconds of a step for each way, means over the steps after the first three; medians would hide renewed lists."""
    size = SIZES[name]
    torch.manual_seed(0)
    centres = normalize(torch.randn(size.classes, size.dim))
    labels = torch.randint(size.classes, (30,)).repeat_interleave(4)
    embeddings = normalize(centres[labels] + 0.5 * normalize(torch.randn(120, size.dim))).requires_grad_()
    spread = normalize(torch.randn(size.classes * size.proxies, size.dim))
    start = normalize(centres.repeat_interleave(size.proxies, dim=0) + 0.5 * spread)
    shape = size.classes, size.dim, size.proxies
    losses = {
        way: CPMLLoss(*shape, size.delta) if size.control else PotentialFieldLoss(*shape, 4.0, size.delta)
        for way in WAYS
    }
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for loss in losses.values():
        loss.proxy_vectors.data.copy_(start)
    for step in range(size.steps):
        values = []
        for way, loss in losses.items():
            if step > 0 and name in SLOW and way in ALL_PAIRS:
                continue
            begin = time.process_time()
            value = WAYS[way](loss, embeddings, labels)
            value.backward()
            seconds[way].append(time.process_time() - begin)
            values.append(value.item())
            loss.proxy_vectors.grad = None
            move(loss.proxy_vectors, size, torch.Generator().manual_seed(step))
        assert values == pytest.approx([values[0]] * len(values), rel=1e-4), "every way gives the same energy"
    return {way: statistics.mean(found[3:] or found) for way, found in seconds.items()}


def test_worth_of_each_idea(capsys: Any) -> None:
    with one_thread():
        found = {name: times(name) for name in SIZES}
    lines = ["| | " + " | ".join(SIZES) + " |", "|---|" + "---:|" * len(SIZES)]
    lines.append("| as it is, ms | " + " | ".join(f"{1e3 * of['as it is']:.1f}" for of in found.values()) + " |")
    for way in list(WAYS)[1:]:
        ratios = " | ".join(f"{of[way] / of['as it is']:.2f}" for of in found.values())
        lines.append(f"| {way} | {ratios} |")
    with capsys.disabled():
        print("\n" + "\n".join(lines))  # noqa: T201 - the result
