"""What is drawn at random around a model: camera, lights, background, and the composition.

Every random choice of an image comes from one generator whose seed is made of the model's name and the
number of the view, so that an image does not depend on which other models are in the catalogue's list.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from suite.data.builders.furniture_views import Camera, Light

Range: TypeAlias = tuple[float, float]
Pixels: TypeAlias = NDArray[np.uint8]

SEED = 20240
STRIPES: Range = (5.0, 12.0)
"""Number of stripes of a wallpaper over the width of the image."""


@dataclass(frozen=True, slots=True)
class Difficulty:
    """How much the images of one model differ. Ranges are uniform.

    Attributes:
        views: images a model; their azimuths share the whole circle evenly, from a random start.
        jitter: each azimuth moves by up to this part of the gap between two views.
        elevation: degrees above the floor.
        roll: degrees of roll to either side at most.
        fill: see `Camera.fill`.
        shift: half widths of the image by which the model is moved at most, along each axis.
        distance: see `Camera.distance`.
        light: brightness of the key light.
        tint: 0 for white light, 1 for a light whose weakest colour channel may be missing.
        background: "white", or "gradient" or "wallpaper" (smooth stripes) between two random colours.
        grey: store luminance only.
    """

    views: int = 7
    jitter: float = 0.3
    elevation: Range = (10.0, 30.0)
    roll: float = 0.0
    fill: Range = (0.9, 0.9)
    shift: float = 0.0
    distance: Range = (5.0, 5.0)
    light: Range = (0.6, 1.0)
    tint: float = 0.2
    background: Literal["white", "gradient", "wallpaper"] = "wallpaper"
    grey: bool = True


def generator(name: str, view: int) -> np.random.Generator:
    """Return the random generator of one image, or of one piece of clutter."""
    digest = hashlib.sha256(f"{SEED} {name} {view}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def sample_camera(name: str, view: int, difficulty: Difficulty, rng: np.random.Generator) -> Camera:
    """Draw the camera of one view.

    Args:
        name: source of the model; it alone fixes where the circle of views starts.
        view: 0 .. difficulty.views - 1.
        difficulty: the ranges.
        rng: generator of the image.
    """
    start = generator(name, -1).uniform(0.0, 360.0)
    gap = 360.0 / difficulty.views
    return Camera(
        azimuth=float((start + gap * (view + difficulty.jitter * rng.uniform(-1.0, 1.0))) % 360.0),
        elevation=float(rng.uniform(*difficulty.elevation)),
        roll=float(rng.uniform(-1.0, 1.0) * difficulty.roll),
        fill=float(rng.uniform(*difficulty.fill)),
        shift=(float(rng.uniform(-1, 1) * difficulty.shift), float(rng.uniform(-1, 1) * difficulty.shift)),
        distance=float(rng.uniform(*difficulty.distance)),
    )


def sample_lights(difficulty: Difficulty, rng: np.random.Generator) -> list[Light]:
    """Draw a key light from any side and a weak fill light from about the camera."""
    key = rng.uniform(*difficulty.light) * (1.0 - difficulty.tint * rng.uniform(0.0, 1.0, size=3))
    weak = np.full(3, 0.4 * rng.uniform(*difficulty.light))
    return [
        Light(float(rng.uniform(-110.0, 110.0)), float(rng.uniform(5.0, 80.0)), _rgb(key)),
        Light(float(rng.uniform(-40.0, 40.0)), float(rng.uniform(-20.0, 40.0)), _rgb(weak)),
    ]


def _rgb(colour: NDArray[np.float64]) -> tuple[float, float, float]:
    red, green, blue = (float(channel) for channel in colour)
    return red, green, blue


def background(difficulty: Difficulty, size: int, rng: np.random.Generator) -> Pixels:
    """Draw an opaque background, (size, size, 3)."""
    if difficulty.background == "white":
        return np.full((size, size, 3), 255, np.uint8)
    ends = rng.uniform(30.0, 255.0, size=(2, 3))
    line = np.arange(size) / size - 0.5
    if difficulty.background == "gradient":
        angle = rng.uniform(0.0, 2.0 * np.pi)
        along = 0.5 + (np.cos(angle) * line[None, :] + np.sin(angle) * line[:, None]) / np.sqrt(2.0)
    else:
        angle, waves, phase = (
            rng.integers(4) * np.pi / 4,
            rng.uniform(*STRIPES),
            rng.uniform(0.0, 2.0 * np.pi),
        )
        across = np.cos(angle) * line[None, :] + np.sin(angle) * line[:, None]
        along = 0.5 + 0.5 * np.cos(2.0 * np.pi * waves * across + phase)
    paper: NDArray[np.uint8] = np.round(ends[0] + along[..., None] * (ends[1] - ends[0])).astype(np.uint8)
    return paper


def over(top: Pixels, bottom: Pixels) -> Pixels:
    """Lay a premultiplied (H, W, 4) image over an opaque (H, W, 3) one."""
    rest = 255 - top[..., 3:].astype(np.uint16)
    return np.minimum(top[..., :3] + (bottom * rest + 127) // 255, 255).astype(np.uint8)


def compose(model: Pixels, difficulty: Difficulty, rng: np.random.Generator) -> Pixels:
    """Put a rendered model before its background.

    Args:
        model: premultiplied (S, S, 4) image of the model.
        difficulty: what to draw.
        rng: generator of the image.

    Returns:
        (S, S, 3) image; its three channels are equal where `difficulty.grey`.
    """
    image = over(model, background(difficulty, model.shape[0], rng))
    if difficulty.grey:
        image = np.repeat(np.asarray(Image.fromarray(image).convert("L"))[..., None], 3, axis=2)
    return image
