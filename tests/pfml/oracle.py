"""Eq. 1, 2 and 6 as double loops over plain Python floats, value and gradient, above the force-free floor or raw."""

import math
from collections.abc import Sequence

Point = Sequence[float]


def attraction(distance: float, alpha: float, delta: float) -> tuple[float, float]:
    """Value of Eq. 1 and its derivative by distance (the outer one at delta)."""
    if alpha == 0:
        return (math.log(distance), 1 / distance) if distance >= delta else (math.log(delta), 0.0)
    if distance < delta:
        return -1 / delta**alpha, 0.0
    return -1 / distance**alpha, alpha / distance ** (alpha + 1)


def repulsion(distance: float, alpha: float, delta: float, bound: float = 0.0) -> tuple[float, float]:
    """Value of Eq. 2 and its derivative by distance; below ``bound`` the parabola c0 - c1 d^2 that fits there."""
    if distance < bound:
        value, slope = repulsion(bound, alpha, delta)
        curvature = -slope / (2 * bound)
        return value + curvature * (bound**2 - distance**2), -2 * curvature * distance
    if alpha == 0:
        return (-math.log(distance), -1 / distance) if distance < delta else (-math.log(delta), 0.0)
    if distance < delta:
        return 1 / distance**alpha, -alpha / distance ** (alpha + 1)
    return 1 / delta**alpha, 0.0


def energy(
    points: Sequence[Point],
    classes: Sequence[int],
    alpha: float,
    delta: float,
    delta_repulsion: float,
    bound: float = 0.0,
    *,
    above_floor: bool = False,
) -> tuple[float, list[list[float]]]:
    """Eq. 6 over all ordered pairs, self included, and its gradient with respect to every point."""
    terms: list[float] = []
    gradient = [[0.0] * len(point) for point in points]
    for i, here in enumerate(points):
        for j, source in enumerate(points):
            distance = math.dist(here, source)
            if classes[i] == classes[j]:
                value, slope = attraction(distance, alpha, delta)
                floor = attraction(delta, alpha, delta)[0]
            else:
                value, slope = repulsion(distance, alpha, delta_repulsion, bound)
                floor = repulsion(delta_repulsion, alpha, delta_repulsion)[0]
            terms.append(value - floor if above_floor else value)
            if distance > 0:
                for axis, (a, b) in enumerate(zip(here, source, strict=True)):
                    gradient[i][axis] += slope * (a - b) / distance
                    gradient[j][axis] -= slope * (a - b) / distance
    return math.fsum(terms), gradient
