"""Eq. 1 and 2 as one function of squared distance, above the values at which they exert no force.

With s = d^2, both potentials are g(s; D) = D^-alpha - s^(-alpha/2), up to sign and a constant, D the radius:
attraction is g where s > D^2, repulsion is -g where s < D^2. Near s = D^2 the difference would cancel, so it
is written with expm1: g = -D^-alpha expm1(-alpha/2 log(s / D^2)).
"""

import math
from dataclasses import dataclass

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

    @property
    def smooth_attraction(self) -> bool:
        """Attraction grows steeply towards small distances."""
        return False

    def active(self, squared: Tensor, *, same: bool) -> Tensor:
        """Same-class pairs beyond delta, other pairs within delta_repulsion."""
        return squared > self.delta**2 if same else squared < self.delta_repulsion**2

    def value_and_slope(self, squared: Tensor, *, same: bool) -> tuple[Tensor, Tensor]:
        """Value above the floor and its derivative by squared distance, of active pairs."""
        if same:
            return self._potential(squared.clamp(min=self.delta**2), self.delta, 1.0)
        outside = squared.clamp(min=self.min_distance**2)
        value, slope = self._potential(outside, self.delta_repulsion, -1.0)
        # Nonzero only where the bound acts: there the potential goes on as its tangent in squared distance.
        return value.addcmul_(slope, squared - outside), slope

    def _potential(self, squared: Tensor, radius: float, sign: float) -> tuple[Tensor, Tensor]:
        """The function g(s; radius) times a sign, and its derivative by s."""
        log_ratio = (squared / radius**2).log_()
        if self.alpha == 0:
            return log_ratio.mul_(0.5 * sign), (0.5 * sign) / squared
        unit = sign * radius**-self.alpha
        decay = log_ratio.mul_(-0.5 * self.alpha).expm1_()
        slope = (decay + 1).mul_(0.5 * self.alpha * unit).div_(squared)
        return decay.mul_(-unit), slope

    def bounded(self, squared: Tensor) -> Tensor:
        """Pairs closer than the bound."""
        return squared < self.min_distance**2


def steepest_slope(alpha: float, distance: float) -> float:
    """Size of dU/ds of a pair at a distance; infinite where floats end."""
    try:
        return 0.5 * (alpha or 1.0) * math.pow(distance, -(alpha + 2))
    except OverflowError:
        return math.inf
