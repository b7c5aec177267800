"""Eq. 1 and 2 as one function of squared distance, above the values at which they exert no force.

With s = d^2, both potentials are g(s; D) = D^-alpha - s^(-alpha/2), up to sign and a constant, D the radius:
attraction is g where s > D^2, repulsion is -g where s < D^2. Near s = D^2 the difference would cancel, so it
is written with expm1: g = -D^-alpha expm1(-alpha/2 log(s / D^2)).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PotentialField:
    """Pair potential of the paper, as a `pfml.pairs.PairPotential`.

    Attributes:
        alpha: exponent of decay; 0 is the log potential.
        delta: radius of attraction.
        delta_repulsion: radius of repulsion.
        min_distance: distance below which repulsion is the bounding parabola.
    """

    alpha: float
    delta: float
    delta_repulsion: float
    min_distance: float

    @property
    def reach(self) -> float:
        """Radius of repulsion."""
        return self.delta_repulsion

    def active(self, squared: Tensor, same: Tensor) -> Tensor:
        """Same-class pairs beyond delta, other pairs within delta_repulsion."""
        if self.delta == self.delta_repulsion:
            return (squared < self.delta**2) ^ same
        return torch.where(same, squared > self.delta**2, squared < self.delta_repulsion**2)

    def value_and_slope(self, squared: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
        """Value above the floor and its derivative by squared distance, of active pairs."""
        within = squared.clamp(min=self.min_distance**2)
        outside = torch.where(same, squared.clamp(min=self.delta**2), within)
        sign = same.to(squared.dtype).mul_(2).sub_(1)
        radius = torch.where(same, squared.new_tensor(self.delta), squared.new_tensor(self.delta_repulsion))
        log_ratio = (outside / radius.square()).log_()
        if self.alpha == 0:
            value, slope = 0.5 * sign * log_ratio, 0.5 * sign / outside
        else:
            unit = radius**-self.alpha
            decay = (-0.5 * self.alpha * log_ratio).expm1_()
            value = -unit * sign * decay
            slope = 0.5 * self.alpha * unit * sign * (decay + 1) / outside
        # Nonzero only where the bound acts: there the potential goes on as its tangent in squared distance.
        return value + slope * torch.where(same, 0.0, squared - within), slope

    def bounded(self, squared: Tensor) -> Tensor:
        """Pairs closer than the bound."""
        return squared < self.min_distance**2


def steepest_slope(alpha: float, distance: float) -> float:
    """Size of dU/ds of a pair at a distance; infinite where floats end."""
    try:
        return 0.5 * (alpha or 1.0) * math.pow(distance, -(alpha + 2))
    except OverflowError:
        return math.inf
