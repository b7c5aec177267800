"""One evaluation on the way: what its parts read, and the energy, counts and gradient that they add to."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from pfml._kernel.gradient import Gradient
from pfml._kernel.potentials import PairPotential
from pfml._kernel.sources import Sources

# Squared distances of unit vectors below this lose digits in the Gram form and are taken from differences.
CANCELLATION = 1e-2


class PairCounts(NamedTuple):
    """Numbers of ordered pairs i != j in one evaluation, of one class and not, and of those at work; int64 scalars."""

    same: Tensor
    different: Tensor
    attractive: Tensor
    repulsive: Tensor
    bounded: Tensor


class Evaluation:
    """Sources and potential, and the sums over pairs so far: energy in float64, numbers of active pairs, gradient."""

    def __init__(self, sources: Sources, potential: PairPotential) -> None:
        self.sources, self.potential = sources, potential
        self.gradient = Gradient(sources)
        # NaN compares as neither near nor far: without this a point that diverged would go unnoticed.
        diverged = 0.0 * (sources.squares.sum() + sources.norms.sum())
        self.energy = torch.zeros((), dtype=torch.float64, device=diverged.device) + diverged
        self.attractive: int | Tensor = 0
        self.repulsive: int | Tensor = 0
        self.bounded: int | Tensor = 0

    def weights(self, squared: Tensor, active: Tensor | None = None, *, same: bool, times: int = 2) -> Tensor:
        """Count the energy of pairs and give their weights 4 f'.

        They have squared distances of any shape, of which those count that are ``active`` (None for all). Each stands for a
        number of ordered pairs.
        """
        value, slope = self.potential.value_and_slope(squared, same=same)
        weights = slope.mul_(4)
        bounded = None if same else self.potential.bounded(squared)
        number: int | Tensor = squared.numel()
        if active is not None:
            idle = ~active
            value.masked_fill_(idle, 0.0)
            weights.masked_fill_(idle, 0.0)
            number = torch.count_nonzero(active)
            bounded = None if bounded is None else bounded & active
        self.energy.add_(value.sum(), alpha=times)
        if bounded is None:
            self.attractive = self.attractive + times * number
        else:
            self.repulsive = self.repulsive + times * number
            self.bounded = self.bounded + times * torch.count_nonzero(bounded)
        return weights

    def counts(self, same: Tensor, different: Tensor) -> PairCounts:
        """The numbers of pairs at work, beside those of all pairs."""
        return PairCounts(same, different, *map(torch.as_tensor, (self.attractive, self.repulsive, self.bounded)))


def repair(squared: Tensor, close: Tensor, difference: Callable[[Tensor], Tensor]) -> None:
    """Replace, in place, the squared distances (contiguous, any shape) that are too ``close`` for the Gram form.

    ``difference`` gives the vectors (K, D) between points of pairs, told by positions (K,) in the flattened ``squared``.
    """
    positions = close.flatten().nonzero().squeeze(1)
    if len(positions) > 0:
        squared.view(-1).index_copy_(0, positions, difference(positions).square_().sum(dim=1))
