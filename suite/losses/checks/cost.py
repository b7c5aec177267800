"""What a loss costs beside Proxy-Anchor: time and memory of a forward and a backward pass."""

import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.nn.functional import normalize
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from suite.losses.checks.batches import EMBEDDING_DIM, Batch
from suite.losses.checks.subject import Broken, Subject, given_to
from suite.losses.registry import BUILT_IN, load_target

PEER = "proxy_anchor"
BATCH, CLASSES, DIM = 120, 390, 128
_ROUNDS, _WARM_UP = 9, 2
_ENOUGH = 1.0
"""Seconds after which no further round begins; one counts in any case."""


class PeakMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors made inside its context that are alive at once.

    Attributes:
        peak: the most there were, in bytes. Memory used inside a single operation is not counted.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._alive: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        known = {id_of(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and id_of(leaf) not in known | self._alive.keys():
                storage = leaf.untyped_storage()
                self._alive[id_of(leaf)] = storage.nbytes()
                weakref.finalize(storage, self._alive.pop, id_of(leaf), None)
        self.peak = max(self.peak, sum(self._alive.values()))
        return result


def id_of(tensor: torch.Tensor) -> int:
    """What tells the memory of a tensor from that of others while it is alive."""
    identity: int = tensor.untyped_storage()._cdata  # noqa: SLF001 - torch offers no public one
    return identity


def compare_cost(subject: Subject) -> str:
    """Time and memory as ratios to Proxy-Anchor, on batches of 120 in 128 dimensions (or its own) and 390 classes."""
    peer = Subject(load_target(PEER, BUILT_IN[PEER]))
    dim = DIM if subject.dim == EMBEDDING_DIM else subject.dim
    losses = [each.entry.build(each.values, CLASSES, dim) for each in (subject, peer)]
    memory = [_peak(loss, dim) for loss in losses]
    seconds: list[list[float]] = [[], []]
    with _one_thread():
        _time(losses, seconds, dim)
    slow, peer_slow = (median(mine) for mine in seconds)
    return (
        f"{1000 * slow:.1f} ms a batch, {slow / peer_slow:.2f} times {PEER}; "
        f"{memory[0] / 2**20:.2f} MiB at once, {memory[0] / memory[1]:.2f} times (batch {BATCH}, {dim}-d, {CLASSES} classes)"
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """As the runs of the pipeline have it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _time(losses: list[nn.Module], seconds: list[list[float]], dim: int) -> None:
    """Seconds of passes, the losses take turns, so that other load on the machine affects them equally."""
    began = time.perf_counter()
    for number in range(_WARM_UP + _ROUNDS):
        for loss, mine in zip(losses, seconds, strict=True):
            started = time.perf_counter()
            _step(loss, dim)
            if number >= _WARM_UP:
                mine.append(time.perf_counter() - started)
        if number >= _WARM_UP and time.perf_counter() - began > _ENOUGH:
            return


def _batch(dim: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    embeddings = normalize(torch.randn(BATCH, dim, generator=generator), dim=1)
    return Batch("a batch", embeddings, torch.randperm(CLASSES, generator=generator)[: BATCH // 4].repeat_interleave(4))


def _step(loss: nn.Module, dim: int) -> None:
    batch = _batch(dim)
    loss.zero_grad()
    value = loss(batch.embeddings.requires_grad_(), batch.labels, **given_to(loss, batch))
    if not torch.isfinite(value):
        raise Broken(f"on a batch of {BATCH} images of {CLASSES} classes it gives {value.item()}")
    value.backward()


def _peak(loss: nn.Module, dim: int) -> int:
    _step(loss, dim)  # what is imported or kept on first use is no cost of a batch
    with PeakMemory() as memory:
        _step(loss, dim)
    peak: int = memory.peak
    return peak
