"""Energies that are sums over all pairs of points, fast; README.md beside this file explains the ideas.

    U(x) = sum_i sum_j f(|x_i - x_j|^2)        dU/dx_i = 4 sum_j f'(|x_i - x_j|^2) (x_i - x_j)

Only f depends on the loss: a `PairPotential` supplies it. All ways to take the sum are exact.
"""

import warnings
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from pfml._kernel.blocks import add_batch
from pfml._kernel.dense import dense_energy, listed_energy
from pfml._kernel.evaluation import Evaluation, PairCounts
from pfml._kernel.neighbours import NeighbourList
from pfml._kernel.other_classes import add_batch_and_other_proxies, add_proxies_of_other_classes
from pfml._kernel.potentials import PairPotential, PotentialField
from pfml._kernel.same_class import RowsByClass, add_batch_and_own_proxies, add_proxies_of_a_class
from pfml._kernel.sources import Layout, Sources

__all__ = ["Layout", "NeighbourList", "PairCounts", "PairPotential", "PotentialField", "dense_energy", "listed_energy"]

# Points up to which a GPU takes all pairs at once: their matrix is 128 MiB in float64.
_DENSE_POINTS = 4096


def is_transformed() -> bool:
    """Whether `torch.func` differentiates or maps what runs now; tensors then outlive the transform as empty shells."""
    return torch._C._are_functorch_transforms_active()  # noqa: SLF001


def is_dense(device: torch.device, points: int) -> bool:
    """Whether the dense sum suits a number of points: on a GPU up to some thousands, and wherever torch transforms it."""
    small = device.type == "cuda" and points <= _DENSE_POINTS
    return small or torch.compiler.is_compiling() or is_transformed()


def is_listed(device: torch.device, batch: int, proxies: int) -> bool:
    """Whether the sum over a batch with all points and over listed pairs of proxies suits: on a GPU, up to as many pairs."""
    return device.type == "cuda" and 0 < batch * proxies <= _DENSE_POINTS**2


def sparse_energy(
    embeddings: Tensor, free: Tensor, layout: Layout, potential: PairPotential
) -> tuple[Tensor, PairCounts]:
    """Sum f over all ordered pairs i != j, without the pairs of different classes that are too far apart to count.

    Gives the energy, a scalar in the type of the embeddings (B, D), float32 or float64, and the numbers of pairs. The free
    vectors (P, D) of the proxies have the same type; P may be 0.
    """
    found: list[PairCounts] = []
    energy: Tensor = _SparseEnergy.apply(embeddings, free, layout, potential, found)
    return energy, found[0]


class _SparseEnergy(Function):
    @staticmethod
    def forward(
        ctx: Any, embeddings: Tensor, free: Tensor, layout: Layout, potential: PairPotential, found: list[PairCounts]
    ) -> Tensor:
        sources = Sources.of(embeddings, free, layout)
        evaluation = Evaluation(sources, potential)
        rows = RowsByClass.of(layout.labels)
        add_batch(evaluation)
        if len(free) > 0:
            add_batch_and_own_proxies(evaluation, rows)
            add_batch_and_other_proxies(evaluation)
            add_proxies_of_a_class(evaluation)
            add_proxies_of_other_classes(evaluation, layout.neighbours)
        points, per_class = len(embeddings) + len(free), layout.per_class
        same = (rows.sizes * (rows.sizes - 1 + 2 * per_class)).sum() + len(free) * (per_class - 1)
        found.append(evaluation.counts(same, points * (points - 1) - same))
        ctx.save_for_backward(embeddings, free)
        # The points themselves are saved above, where autograd notices that they were overwritten.
        ctx.sources = sources._replace(embeddings=embeddings[:0], free=free[:0])
        ctx.gradient, ctx.layout, ctx.potential = evaluation.gradient, layout, potential
        return evaluation.energy.to(embeddings.dtype)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        embeddings, free = ctx.saved_tensors
        # Grad mode is on here with create_graph=True alone.
        if torch.is_grad_enabled():
            return *_twice_differentiable(ctx, embeddings, free, upstream[0]), None, None, None
        sources = ctx.sources._replace(embeddings=embeddings, free=free)
        of_embeddings = ctx.gradient.of_embeddings * upstream[0] if ctx.needs_input_grad[0] else None
        of_free = ctx.gradient.of_free_vectors(sources, upstream[0]) if ctx.needs_input_grad[1] else None
        return of_embeddings, of_free, None, None, None


def _twice_differentiable(ctx: Any, embeddings: Tensor, free: Tensor, upstream: Tensor) -> list[Tensor | None]:
    """The same gradient from all pairs by autograd."""
    pairs = f"all pairs of {len(embeddings) + len(free)} points"
    warnings.warn(f"create_graph=True takes {pairs} by autograd, slowly and with much memory", stacklevel=2)
    energy, _ = dense_energy(embeddings, free, ctx.layout, ctx.potential)
    needed = ctx.needs_input_grad[:2]
    wanted = [tensor for tensor, is_needed in zip((embeddings, free), needed, strict=True) if is_needed]
    found = iter(torch.autograd.grad(energy, wanted, upstream, create_graph=True))
    return [next(found) if is_needed else None for is_needed in needed]
