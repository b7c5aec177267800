"""The two potentials of a source, Eq. 1 and 2.

Source: Bhatnagar & Ahuja, "Potential Field Based Deep Metric Learning", CVPR 2025, Eq. 1-2. With d the distance,

    psi_att(d) = -max(d, delta)^-alpha        psi_rep(d) = min(d, delta)^-alpha

Deviations, both declared because the paper leaves them open:

- alpha = 0 would be a constant. It is read as the limit of (1 - d^-alpha) / alpha, a log potential of force 1 / d:
  psi_att = log max(d, delta), psi_rep = -log min(d, delta).
- ``min_distance`` (m) bounds repulsion, which diverges where points of different classes coincide: for d < m it goes on as
  the parabola c0 - c1 d^2 that matches its value and slope at m. The force is then largest at m and falls linearly to zero
  at d = 0, where it has no direction. m = 0 is Eq. 2 itself.
"""

import math

import torch
from torch import Tensor

from pfml.checks import checked_number


def attraction(distance: Tensor, alpha: float, delta: float) -> Tensor:
    """Potential of a source for points of its own class (Eq. 1).

    Args:
        distance: Euclidean distances >= 0, any shape, floating point.
        alpha: exponent of decay, >= 0; 0 is the log potential.
        delta: radius within which the force is zero, > 0.

    Returns:
        The potential, in the shape of ``distance``.

    Raises:
        ValueError: alpha or delta is out of range.

    Example:
        >>> attraction(torch.tensor([0.1, 0.5]), alpha=1.0, delta=0.25)
        tensor([-4., -2.])
    """
    alpha = checked_number("alpha", alpha, at_least=0)
    delta = checked_number("delta", delta, above=0)
    clipped = distance.clamp(min=delta)
    return clipped.log() if alpha == 0 else -(clipped**-alpha)


def repulsion(distance: Tensor, alpha: float, delta: float, min_distance: float = 0.0) -> Tensor:
    """Potential of a source for points of every other class (Eq. 2).

    Args:
        distance: Euclidean distances >= 0, any shape, floating point.
        alpha: exponent of decay, >= 0; 0 is the log potential.
        delta: radius beyond which the force is zero, > 0.
        min_distance: radius within which the potential is the bounding parabola, in [0, delta]; unbounded at 0.

    Returns:
        The potential, in the shape of ``distance``; infinite at distance 0 if ``min_distance`` is 0.

    Raises:
        ValueError: alpha, delta or min_distance is out of range.

    Example:
        >>> repulsion(torch.tensor([0.1, 0.5]), alpha=1.0, delta=0.25)
        tensor([10.,  4.])
    """
    alpha = checked_number("alpha", alpha, at_least=0)
    delta = checked_number("delta", delta, above=0)
    min_distance = checked_number("min_distance", min_distance, at_least=0)
    if min_distance > delta:
        raise ValueError(f"min_distance = {min_distance!r}: allowed are numbers in [0, {delta:g}], the repulsive delta")
    near = distance < min_distance
    clipped = torch.where(near, min_distance, distance.clamp(max=delta))
    potential: Tensor = -clipped.log() if alpha == 0 else clipped**-alpha
    if min_distance == 0:
        return potential
    slope = (alpha or 1.0) * math.pow(min_distance, -(alpha + 2))
    return potential + 0.5 * slope * torch.where(near, min_distance**2 - distance.square(), 0.0)
