"""The reference batches on which influence is measured: one anchor, one point at a given distance, and all the rest fixed.

An anchor a meets one point x at distance d, a positive or a negative. The rest of the batch must not decide the outcome:

- Everything that stands for a class stands in one place. The proxies of x's class are put on x, so that a tuple loss, which
  knows the class by its embeddings, and a proxy loss, which knows it by its proxies, meet the class at the same distance.
- Losses that mine or weigh tuples compare x with points of the other role. There are twenty such counterparts: negatives,
  one a class, where x is a positive; positives where x is a negative. Their squared distances from the anchor spread evenly
  over (0, 4), shifted a little from one batch to the next, so that no distance of x is special.
- Twenty classes are the background, at a right angle to the anchor, as random directions nearly are. Each has two points
  close together: some losses use only classes with a positive pair.
- Counterparts and background have no part along the geodesic from a to x. So the gradient's part along that geodesic is due
  to x alone for every loss that is a function of inner products (hence distances) of embeddings and proxies.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suite.randomness import stream

Pair = Literal["positive", "negative"]
PAIRS: tuple[Pair, Pair] = ("positive", "negative")

CONFIGURATIONS = 16
COUNTERPARTS = 20
BACKGROUND = 20
APART = 0.1
"""Distance, nearly, of the two points of a background class."""
NUM_CLASSES = 1 + COUNTERPARTS + BACKGROUND
"""Class 0 is the anchor's, classes 1 to 20 those of negatives, the others the background."""


@dataclass(frozen=True)
class Scene:
    """One reference batch.

    Attributes:
        embeddings: (B, D) float32, unit rows; the anchor is row 0, the point x row 1.
        labels: (B,) int64.
        places: (C, D) float32, unit rows: where the proxies of each class stand.
        towards: (D,) float32, unit: the direction from the anchor to x along the sphere.
    """

    embeddings: Tensor
    labels: Tensor
    places: Tensor
    towards: Tensor


def scenes(pair: Pair, distance: float, embedding_dim: int) -> Iterator[Scene]:
    """The reference batches for a positive or a negative at a distance; the same arguments give the same batches.

    Args:
        pair: role of the point x.
        distance: chord between the anchor and x, in (0, 2).
        embedding_dim: D >= 3.

    Raises:
        ValueError: the distance or the dimension is out of range.
    """
    if not 0 < distance < 2:
        raise ValueError(f"distance = {distance!r}: allowed are numbers between 0 and 2")
    if embedding_dim < 3:
        raise ValueError(f"embedding_dim = {embedding_dim!r}: allowed are whole numbers from 3")
    return (_scene(pair, distance, embedding_dim, index) for index in range(CONFIGURATIONS))


def _scene(pair: Pair, distance: float, embedding_dim: int, index: int) -> Scene:
    random = stream("influence", embedding_dim, index)
    # On two axes, and all others exactly at a right angle to both: no rounding of a strong force leaks into the geodesic.
    anchor, towards = np.eye(embedding_dim)[:2]
    across = random.standard_normal((COUNTERPARTS + NUM_CLASSES + BACKGROUND, embedding_dim))
    across[:, :2] = 0
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    steps = np.arange(COUNTERPARTS) + (index + 0.5) / CONFIGURATIONS
    counterparts = _at(2 * np.sqrt(steps / COUNTERPARTS), anchor, across[:COUNTERPARTS])
    (point,) = _at(np.array([distance]), anchor, towards[None])

    places = across[COUNTERPARTS : COUNTERPARTS + NUM_CLASSES].copy()
    background = np.arange(1 + COUNTERPARTS, NUM_CLASSES)
    seconds = places[background] + APART * across[-BACKGROUND:]
    seconds /= np.linalg.norm(seconds, axis=1, keepdims=True)
    if pair == "positive":
        places[0], places[1 : 1 + COUNTERPARTS] = point, counterparts
        labels = [0, 0, *range(1, 1 + COUNTERPARTS), *background, *background]
    else:
        places[0], places[1] = counterparts[0], point
        labels = [0, 1, *[0] * COUNTERPARTS, *background, *background]
    embeddings = np.vstack([anchor[None], point[None], counterparts, places[background], seconds])
    return Scene(_float32(embeddings), torch.tensor(labels), _float32(places), _float32(towards))


def _at(
    distances: NDArray[np.float64], anchor: NDArray[np.float64], directions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Points at distances (N,) from the anchor (D,) along geodesics of unit directions (N, D)."""
    angles = 2 * np.arcsin(distances / 2)[:, None]
    points: NDArray[np.float64] = np.cos(angles) * anchor + np.sin(angles) * directions
    return points


def _float32(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values).to(torch.float32)
