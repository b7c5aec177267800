"""Camera and lights of one view of a 3D model, independent of the renderer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Camera:
    """Where the camera stands and how the object lies in the image.

    Attributes:
        azimuth: degrees around the vertical axis.
        elevation: degrees above the floor.
        roll: degrees around the line of sight.
        fill: part of the image's half width that the projected bounding box reaches at most; above 1 it is
            cut.
        shift: (x, y) of the object's centre, in half widths of the image.
        distance: of the camera from the centre, in half diagonals of the bounding box; small is strong
            perspective.
    """

    azimuth: float
    elevation: float
    roll: float = 0.0
    fill: float = 0.9
    shift: tuple[float, float] = (0.0, 0.0)
    distance: float = 4.0


@dataclass(frozen=True, slots=True)
class Light:
    """A distant light.

    Attributes:
        azimuth: degrees around the vertical axis, counted from the camera's.
        elevation: degrees above the floor.
        colour: red, green and blue in 0 .. 1, intensity included.
    """

    azimuth: float
    elevation: float
    colour: tuple[float, float, float]


def direction(azimuth: float, elevation: float) -> NDArray[np.float64]:
    """Unit vector, shape (3,), of a direction given in degrees; y points up, azimuth 0 is +z."""
    a, e = np.deg2rad(azimuth), np.deg2rad(elevation)
    return np.array([np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)])
