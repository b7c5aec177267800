"""Finding models of the same shape, by renders without materials, up to a turn by 45 degrees and a mirror.

A model is drawn opaque and white from `TURNS` sides at one elevation and under lights that turn with the
camera. The distance of two models is |a - b|^2 / (|a|^2 + |b|^2) of these images as vectors, the least over
all turns and the mirror: 0 for the same shape, 1 for images that share no pixel. Size does not count, nor
do colours and textures.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from suite.data.builders.furniture_views import Camera, Light

if TYPE_CHECKING:
    from suite.data.builders.furniture_render import Stage

TURNS = 8
SIZE = 48
THRESHOLD = 0.015
"""Models nearer than this to a model already kept are left out."""

_LIGHTS = [Light(-40.0, 50.0, (0.8, 0.8, 0.8)), Light(60.0, 10.0, (0.35, 0.35, 0.35))]


def shape_images(stage: "Stage", obj: Path) -> NDArray[np.float32] | None:
    """Draw a model without materials.

    Args:
        stage: a stage of `SIZE` pixels.
        obj: OBJ file of the model.

    Returns:
        (TURNS, SIZE, SIZE) brightness in 0 .. 1, or None where there is nothing to draw.
    """
    if not stage.load(obj, plain=True):
        return None
    cameras = [Camera(azimuth=360.0 / TURNS * turn + 20.0, elevation=20.0, distance=6.0) for turn in range(TURNS)]
    brightness = np.stack([stage.render(camera, _LIGHTS)[..., 0] for camera in cameras]).astype(np.float32)
    return brightness / np.float32(255)


def shape_distances(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compare all models with each other.

    Args:
        images: (N, TURNS, H, W) brightness.

    Returns:
        (N, N) symmetric distances in 0 .. 1.
    """
    count = len(images)
    flat = images.reshape(count, -1)
    energy = np.square(flat).sum(axis=1)
    total = np.maximum(energy[:, None] + energy[None, :], np.finfo(np.float32).tiny)
    nearest = np.ones((count, count), np.float32)
    for side in (images, images[:, ::-1, :, ::-1]):
        for turn in range(images.shape[1]):
            turned = np.roll(side, turn, axis=1).reshape(count, -1)
            nearest = np.minimum(nearest, 1.0 - 2.0 * (flat @ turned.T) / total)
    return np.maximum(np.minimum(nearest, nearest.T), 0.0)


def distinct(distances: NDArray[np.float32], threshold: float = THRESHOLD) -> list[int]:
    """Keep, in order, each model that is not nearer than the threshold to one kept before."""
    kept: list[int] = []
    for index in range(len(distances)):
        if not kept or float(distances[index, kept].min()) >= threshold:
            kept.append(index)
    return kept
