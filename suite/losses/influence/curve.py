"""Influence of a positive or a negative on an anchor, by autograd, for any loss that the registry can build.

The influence of a point x at distance d is the size of the gradient on the anchor along the geodesic to x: what is left of
the gradient on the sphere once the pulls and pushes of the rest of the batch are taken out (see
`suite.losses.influence.scene`). It is positive where a step of gradient descent brings a positive nearer or a negative
farther away. The name is that of robust statistics: the effect of one observation, by how far out it lies.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from suite.errors import SuiteError
from suite.losses.build import offered_to, scalar
from suite.losses.influence.proxies import place_proxies
from suite.losses.influence.scene import NUM_CLASSES, PAIRS, Pair, Scene, scenes
from suite.losses.registry import Hyperparameters, LossEntry
from suite.processes import guarded
from suite.randomness import torch_seed

DISTANCES: tuple[float, ...] = (
    *(round(float(d), 4) for d in np.geomspace(0.02, 0.1, 15)),
    *(round(float(d), 4) for d in np.geomspace(0.1, 0.5, 22)[1:]),
    *(round(float(d), 4) for d in np.linspace(0.55, 1.95, 29)),
)
"""Chords at which curves are measured, dense where curves bend; two unit vectors are at most 2 apart."""
RESOLUTION = 1e-6
"""Share of the largest influence below which a value is the rounding of float32, and set to zero."""
_EPOCH = 10
"""What a loss is told that asks for the epoch: past a warm-up."""
COLUMNS = ("loss", "pair", "distance", "influence", "normalised")


def influence(
    build: Callable[[], nn.Module],
    embedding_dim: int,
    pair: Pair,
    distances: Sequence[float] = DISTANCES,
    every: int = 1,
) -> NDArray[np.float64]:
    """Measure an influence curve.

    Args:
        build: builds the loss for ``NUM_CLASSES`` classes and ``embedding_dim`` dimensions; every batch gets a new one, so
            that nothing a loss remembers passes from one to the next.
        embedding_dim: D >= 3.
        pair: "positive" or "negative": the role of the point whose distance varies.
        distances: chords in (0, 2).
        every: each ``every``-th reference batch counts.

    Returns:
        The mean influence over the reference batches, one value a distance, in units of the loss per unit of arc.

    Raises:
        ValueError: a distance or the dimension is out of range.
        SuiteError: the loss gives no scalar, or a gradient that is not finite.
    """
    sign = -1 if pair == "positive" else 1
    chosen = [islice(scenes(pair, distance, embedding_dim), 0, None, every) for distance in distances]
    return np.array([sign * np.mean([_slope(build, scene) for scene in of_distance]) for of_distance in chosen])


def influence_curves(
    entry: LossEntry,
    values: Hyperparameters,
    embedding_dim: int,
    distances: Sequence[float] = DISTANCES,
    every: int = 1,
) -> pd.DataFrame:
    """Measure both curves of a loss.

    Args:
        entry: the loss.
        values: its hyper-parameters; the others keep the defaults of the class.
        embedding_dim: D >= 3.
        distances: chords in (0, 2).
        every: each ``every``-th reference batch counts.

    Returns:
        One row a (pair, distance), columns ``COLUMNS``; ``normalised`` is the influence over its largest size on the curve.

    Raises:
        SuiteError: the loss cannot be built or evaluated on a reference batch.
    """
    curves = {pair: measure_curve(entry, values, embedding_dim, pair, distances, every) for pair in PAIRS}
    return as_curves(entry.name, curves, distances)


def measure_curve(
    entry: LossEntry,
    values: Hyperparameters,
    embedding_dim: int,
    pair: Pair,
    distances: Sequence[float],
    every: int = 1,
) -> NDArray[np.float64]:
    """Influence at distances, one value each, as ``influence`` measures it; the loss and its values as ``influence_curves``.

    Raises:
        SuiteError: the loss cannot be built or evaluated on a reference batch.
    """

    def build() -> nn.Module:
        return entry.build(values, NUM_CLASSES, embedding_dim)

    with torch.random.fork_rng(devices=[]):
        build()  # a refused hyper-parameter is reported as such
    try:
        with guarded(f"params.yaml: losses.{entry.name}: while its influence is measured, the loss"):
            return influence(build, embedding_dim, pair, distances, every)
    except SuiteError as error:
        reason = str(error).replace(f"params.yaml: losses.{entry.name}: while its influence is measured, ", "")
        raise SuiteError(f"params.yaml: losses.{entry.name}: its influence cannot be measured: {reason}") from error


def as_curves(
    loss: str, measured: Mapping[Pair, Sequence[float] | NDArray[np.float64]], distances: Sequence[float] = DISTANCES
) -> pd.DataFrame:
    """A table of curves, columns ``COLUMNS``, from the influence at each distance; rounding is set to zero."""
    parts = []
    for pair, values in measured.items():
        curve = np.array(values, dtype=float)
        largest = np.abs(curve).max()
        curve[np.abs(curve) <= RESOLUTION * largest] = 0.0
        shape = curve / largest if largest > 0 else curve
        parts.append(pd.DataFrame(dict(zip(COLUMNS, (loss, pair, distances, curve, shape), strict=True))))
    return pd.concat(parts, ignore_index=True)


def _slope(build: Callable[[], nn.Module], scene: Scene) -> float:
    """Derivative of the loss as the anchor moves towards the point along the sphere."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed("influence"))
        loss = build()
        place_proxies(loss, scene.places)
        embeddings = scene.embeddings.clone().requires_grad_()
        more = offered_to(loss)(torch.arange(len(embeddings)), _EPOCH)
        value = scalar(loss(embeddings, scene.labels, **more), f"{type(loss).__name__}")
    if not value.requires_grad:  # a loss may be zero, and constant, where it has nothing to do
        return 0.0
    (gradient,) = torch.autograd.grad(value, embeddings, materialize_grads=True)
    slope = float(gradient[0].double() @ scene.towards.double())
    if not np.isfinite(slope):
        raise SuiteError(f"{type(loss).__name__} gave a gradient that is not finite; allowed are finite gradients")
    return slope
