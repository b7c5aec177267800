"""Energies that are sums over all pairs of points, with their gradient, in blocks of a Gram matrix.

    U(x) = sum_i sum_j f(|x_i - x_j|^2)        dU/dx_i = 4 sum_j f'(|x_i - x_j|^2) (x_i - x_j)

Only f depends on the method, so a `PairPotential` supplies it. Written out as matrix products, the gradient
needs no distance matrix to be stored and no root to be differentiated: memory is one block of rows. Each
unordered pair of blocks is visited once. Inputs are taken as constants of second order: the gradient cannot
be differentiated again.
"""

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

_ROWS = 128
# Squared distances below this share of the squared norms lose digits in the Gram form and are taken from
# differences.
_CANCELLATION = 1e-2
# Below this share of active pairs in a block, forces are summed pair by pair and not by a matrix product.
_SPARSE = 0.02


class PairCounts(NamedTuple):
    """Numbers of ordered pairs i != j in one evaluation, each an int64 scalar tensor."""

    same: Tensor
    different: Tensor
    attractive: Tensor
    repulsive: Tensor
    bounded: Tensor


class PairPotential(Protocol):
    """The function f of squared distance, where it is not constant."""

    def active(self, squared: Tensor, same: Tensor) -> Tensor:
        """Mask of pairs that exert a force, for blocks of squared distances and of class equality."""
        ...

    def value_and_slope(self, squared: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
        """Value f above its floor and slope f' of active pairs (P,), for their squared distances and class equality."""
        ...

    def bounded(self, squared: Tensor) -> Tensor:
        """Mask of pairs, among the active repulsive, on which the bound at coinciding points acts."""
        ...


def pairwise_energy(points: Tensor, classes: Tensor, potential: PairPotential) -> tuple[Tensor, PairCounts]:
    """Sum f over all ordered pairs of points, differentiable once with respect to the points.

    Args:
        points: (N, D) float32 or float64.
        classes: (N,) int64.
        potential: the function f.

    Returns:
        The scalar energy in the type of ``points``, and the numbers of pairs it met (without gradient).
    """
    energy, *counts = _PairwiseEnergy.apply(points, classes, potential)
    return energy, PairCounts(*counts)


class _PairwiseEnergy(Function):
    """Computes the gradient along with the value, as both need the same blocks."""

    @staticmethod
    def forward(ctx: FunctionCtx, points: Tensor, classes: Tensor, potential: PairPotential) -> tuple[Tensor, ...]:
        gradient = torch.zeros_like(points) if ctx.needs_input_grad[0] else None  # type: ignore[attr-defined]
        energy, counts = _evaluate(points, classes, potential, gradient)
        ctx.save_for_backward(gradient)  # type: ignore[arg-type]
        ctx.mark_non_differentiable(*counts)
        return energy.to(points.dtype), *counts

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream[0], None, None


def _evaluate(
    points: Tensor, classes: Tensor, potential: PairPotential, gradient: Tensor | None
) -> tuple[Tensor, PairCounts]:
    """Energy (float64 scalar) and pair counts; adds dU/dx to ``gradient`` if it is given."""
    total = len(points)
    norms = points.square().sum(dim=1)
    cancelling = _CANCELLATION * norms.max()
    energy = torch.zeros((), dtype=torch.float64, device=points.device)
    attractive, repulsive, bounded = torch.zeros(3, dtype=torch.int64, device=points.device)
    for start in range(0, total, _ROWS):
        stop = min(start + _ROWS, total)
        rows, columns = points[start:stop], points[start:]
        squared = torch.addmm(norms[None, start:], rows, columns.T, alpha=-2.0).add_(norms[start:stop, None])
        same = classes[start:stop, None] == classes[None, start:]
        active = potential.active(squared, same)
        active.diagonal().zero_()
        row, column = active.nonzero(as_tuple=True)
        distance, alike = squared[row, column].clamp_(min=0), same[row, column]
        close = (distance < cancelling).nonzero().squeeze(1)
        if len(close) > 0:
            distance[close] = (rows[row[close]] - columns[column[close]]).square().sum(dim=1)
        value, slope = potential.value_and_slope(distance, alike)
        # Both orders of a pair lie within the square part of the block, only one beyond it.
        multiplicity = 1 + (column >= stop - start).to(torch.int64)
        energy += (value * multiplicity).sum(dtype=torch.float64)
        attractive, repulsive = attractive + multiplicity[alike].sum(), repulsive + multiplicity[~alike].sum()
        bounded = bounded + (multiplicity * (potential.bounded(distance) & ~alike)).sum()
        if gradient is not None:
            slope = 4.0 * slope
            if len(slope) < _SPARSE * squared.numel():
                _add_sparse_forces(gradient, points, slope, start + row, start + column, column >= stop - start)
            else:
                weights = squared.zero_()
                weights[row, column] = slope
                _add_dense_forces(gradient, points, weights, start, stop)
    sizes = torch.unique(classes, return_counts=True)[1]
    pairs_same = (sizes * (sizes - 1)).sum()
    return energy, PairCounts(pairs_same, total * (total - 1) - pairs_same, attractive, repulsive, bounded)


def _add_dense_forces(gradient: Tensor, points: Tensor, weights: Tensor, start: int, stop: int) -> None:
    """Add sum_j w_ij (x_i - x_j) for the block's rows, and its mirror image for columns beyond the square part."""
    rows, beyond = points[start:stop], points[stop:]
    gradient[start:stop] += weights.sum(dim=1, keepdim=True) * rows - weights @ points[start:]
    mirrored = weights[:, stop - start :]
    gradient[stop:] += mirrored.sum(dim=0)[:, None] * beyond - mirrored.T @ rows


def _add_sparse_forces(
    gradient: Tensor, points: Tensor, weights: Tensor, row: Tensor, column: Tensor, beyond: Tensor
) -> None:
    """Add w (x_i - x_j) to row i of every pair (P,), and its negative to column j where it lies beyond the square."""
    force = (points[row] - points[column]) * weights[:, None]
    gradient.index_add_(0, row, force)
    gradient.index_add_(0, column[beyond], force[beyond], alpha=-1)
