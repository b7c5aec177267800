"""Pair potentials as functions of squared distance, above the values at which they exert no force.

With s = d^2, both potentials of the paper are g(s; R) = R^-alpha - s^(-alpha/2), up to sign and a constant, R the radius:
attraction (Eq. 1) is g where s > R^2, repulsion (Eq. 2) is -g where s < R^2. Near s = R^2 the difference would cancel, so
it is written with expm1: g = -R^-alpha expm1(-alpha/2 log(s / R^2)). The derivative has exp in its place, which is
expm1 + 1 near the radius and, where that would cancel, is taken by itself.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

# Below this exponent exp is taken in place of expm1 + 1, which has lost three of seven digits there.
_FAR = -7.0


class PairPotential(Protocol):
    """A function f of squared distance and class equality, above the value at which it exerts no force."""

    @property
    def repulsion_radius(self) -> float:
        """Distance beyond which points of different classes exert no force."""

    @property
    def smooth_attraction(self) -> bool:
        """Whether f' within a class is nearly constant at small distances, so that rounding of these does no harm."""

    def active(self, squared: Tensor, *, same: bool) -> Tensor:
        """Mask of pairs that exert a force, for squared distances >= 0 of any shape."""

    def value_and_slope(self, squared: Tensor, *, same: bool) -> tuple[Tensor, Tensor]:
        """Value f and derivative f' of active pairs, in new tensors; of inactive ones anything finite.

        The value is differentiable twice by autograd.
        """

    def bounded(self, squared: Tensor) -> Tensor:
        """Mask of the active pairs of different classes on which the bound at coinciding points acts."""


@dataclass(frozen=True)
class PotentialField:
    """Pair potential of the paper, as a `PairPotential`."""

    alpha: float  # exponent of decay; 0 is the log potential
    delta: float  # radius of attraction
    delta_repulsion: float  # radius of repulsion
    min_distance: float  # distance below which repulsion is the bounding parabola

    @property
    def repulsion_radius(self) -> float:
        """The radius beyond which Eq. 2 is constant."""
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
        return value.addcmul(slope, squared - outside), slope

    def _potential(self, squared: Tensor, radius: float, sign: float) -> tuple[Tensor, Tensor]:
        """The function g(s; radius) times a sign, and its derivative by s."""
        log_ratio = (squared / radius**2).log()
        if self.alpha == 0:
            return log_ratio * (0.5 * sign), (0.5 * sign) / squared
        unit = sign * radius**-self.alpha
        exponent = log_ratio * (-0.5 * self.alpha)
        decay = exponent.expm1()
        share = decay + 1
        if sign > 0:  # only attraction reaches to where 1 cancels: without this its force far away would end in float32
            share = torch.where(exponent < _FAR, exponent.exp(), share)
        return decay * -unit, share.mul_(0.5 * self.alpha * unit).div_(squared)

    def bounded(self, squared: Tensor) -> Tensor:
        """Pairs closer than the bound."""
        return squared < self.min_distance**2

    @property
    def steepest_slope(self) -> float:
        """The largest |f'| that a pair can have; infinite where floats end."""
        try:
            return 0.5 * (self.alpha or 1.0) * math.pow(min(self.min_distance, self.delta), -(self.alpha + 2))
        except OverflowError:
            return math.inf
