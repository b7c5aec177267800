"""Energies that are sums over all pairs of points, with their gradient.

    U(x) = sum_i sum_j f(|x_i - x_j|^2)        dU/dx_i = 4 sum_j f'(|x_i - x_j|^2) (x_i - x_j)

Only f depends on the method, so a `pfml.pairs.PairPotential` supplies it. The gradient is computed along with
the value, as both need the same distances; no distance matrix is stored and no root differentiated. It cannot
be differentiated again.

The sum is exact. What makes it fast is that most pairs of proxies of different classes are out of reach and
exert no force: rows of the batch meet all points, proxies of one class meet each other, and proxies of
different classes meet through a list of near pairs, unless they are so crowded that blocks of all pairs are
faster.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

from pfml.blocks import Sources, add_block, add_groups, add_pairs
from pfml.neighbours import NeighbourList
from pfml.pairs import PairCounts, PairPotential, Tally

# Rows and columns of a block, small enough for the processor's cache.
_ROWS = 128
_COLUMNS = 2048


class Batch(NamedTuple):
    """Embeddings (B, D) and their classes (B,) int64."""

    embeddings: Tensor
    classes: Tensor


class Proxies(NamedTuple):
    """Proxies (C * M, D), class by class, of the type of the embeddings, and their classes (C * M,) int64.

    ``neighbours`` finds near pairs among them and remembers them between calls; None compares all pairs.
    """

    points: Tensor
    classes: Tensor
    per_class: int
    neighbours: NeighbourList | None = None


def pairwise_energy(batch: Batch, proxies: Proxies, potential: PairPotential) -> tuple[Tensor, PairCounts]:
    """Sum f over all ordered pairs of points, differentiable once with respect to embeddings and proxies.

    Args:
        batch: the embeddings, float32 or float64.
        proxies: the proxies, C * M >= 0.
        potential: the function f.

    Returns:
        The scalar energy in the type of the embeddings, and the numbers of pairs it met (without gradient).
    """
    energy, *counts = _PairwiseEnergy.apply(batch.embeddings, proxies.points, batch, proxies, potential)
    return energy, PairCounts(*counts)


class _PairwiseEnergy(Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx,
        embeddings: Tensor,
        proxies: Tensor,
        batch: Batch,
        layout: Proxies,
        potential: PairPotential,
    ) -> tuple[Tensor, ...]:
        wanted = any(ctx.needs_input_grad)  # type: ignore[attr-defined]
        of_embeddings = torch.zeros_like(embeddings) if wanted else None
        of_proxies = torch.zeros_like(proxies) if wanted else None
        tally = Tally(embeddings.device)
        _evaluate(
            Sources.of(embeddings, batch.classes, of_embeddings),
            Sources.of(proxies, layout.classes, of_proxies),
            layout,
            potential,
            tally,
        )
        ctx.save_for_backward(of_embeddings, of_proxies)  # type: ignore[arg-type]
        counts = tally.counts(torch.cat([batch.classes, layout.classes]))
        ctx.mark_non_differentiable(*counts)
        return tally.energy.to(embeddings.dtype), *counts

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        gradients = zip(ctx.saved_tensors, ctx.needs_input_grad, strict=False)
        scaled = (gradient * upstream[0] if wanted else None for gradient, wanted in gradients)
        return *scaled, None, None, None


def _evaluate(batch: Sources, proxies: Sources, layout: Proxies, potential: PairPotential, tally: Tally) -> None:
    """Add the energy to the tally, and its gradient to those of batch and proxies."""
    # NaN compares as neither near nor far: without this a point that diverged would go unnoticed.
    tally.energy += 0.0 * (batch.squares.sum() + proxies.squares.sum())
    for start in range(0, len(batch.points), _ROWS):
        rows = batch.rows(start, start + _ROWS)
        add_block(rows, batch.rows(start), potential, tally, overlap=True)
        for first in range(0, len(proxies.points), _COLUMNS):
            add_block(rows, proxies.rows(first, first + _COLUMNS), potential, tally)
    if len(proxies.points) == 0:
        return
    if layout.per_class > 1:
        add_groups(proxies, layout.per_class, potential, tally)
    pairs = None if layout.neighbours is None else layout.neighbours.near(proxies.points, proxies.classes)
    if pairs is not None:
        add_pairs(proxies, pairs, potential, tally)
        return
    for start in range(0, len(proxies.points), _ROWS):
        rows = proxies.rows(start, start + _ROWS)
        add_block(rows, proxies.rows(start), potential, tally, overlap=True, only_between=True)
