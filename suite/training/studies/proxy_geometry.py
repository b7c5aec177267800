"""The geometry of one trained model, class by class: how well proxies stand for embeddings, and where minima lie.

docs/theory.md, sections 2 and 3. It is what ``proxies`` holds in the record of a run.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import ot
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist

from suite.training.studies.minima import Decay, Points, basin_radius, flow, meets_condition

DIGITS = 6
MOST_STARTS = 10
"""Embeddings of a class, drawn without replacement, around which a flow is started."""
WITHIN = 1e-3
"""A flow ended in the ball if it stops within delta plus this share of it."""
FARTHEST, ELSEWHERE = 0.1, 0.05
"""Shares of delta by which a flow starts outside the ball: at most, and where the proposition says nothing."""


@dataclass(frozen=True, slots=True)
class ClassPoints:
    """The sources of one class.

    Attributes:
        embeddings: (N, D), unit rows.
        proxies: (M, D), unit rows.
    """

    embeddings: Points
    proxies: Points


def by_class(
    embeddings: NDArray[Any], labels: NDArray[np.int64], proxies: NDArray[Any], proxy_labels: NDArray[np.int64]
) -> list[ClassPoints]:
    """Split a model's training embeddings (N, D) and proxies (C * M, D) by class, in float64 and of unit norm."""
    points, centres = (_unit(np.asarray(array, np.float64)) for array in (embeddings, proxies))
    return [ClassPoints(points[labels == label], centres[proxy_labels == label]) for label in np.unique(labels)]


def measure(classes: list[ClassPoints], decay: Decay | None, rng: np.random.Generator) -> dict[str, Any]:
    """Sizes, spreads and distances of each class and, for a decaying field, how its minima lie.

    Args:
        classes: what ``by_class`` gives; each with at least one proxy.
        decay: the field; None for a loss without decay, whose ``condition`` and ``minima_*`` are None.
        rng: draws the embeddings around which flows start and the directions in which they start.

    Returns:
        One list a name with an entry a class, as a record holds them.
    """
    row: dict[str, Any] = {
        "size": [len(c.embeddings) for c in classes],
        "spread": _rounded(spread(c.embeddings) for c in classes),
        "w2": _rounded(wasserstein(c.proxies, c.embeddings) for c in classes),
        "nearest": _rounded(nearest(c.proxies, c.embeddings) for c in classes),
        "apart": _rounded(apart(c.proxies) for c in classes) if all(len(c.proxies) > 1 for c in classes) else None,
        "condition": None,
        "minima_met": None,
        "minima_unmet": None,
    }
    if decay is not None:
        met = [meets_condition(c.embeddings, c.proxies, decay) for c in classes]
        row["condition"] = _rounded(flags.mean() for flags in met)
        row["minima_met"], row["minima_unmet"] = count_minima(classes, met, decay, rng)
    return row


def count_minima(
    classes: list[ClassPoints], met: list[NDArray[np.bool_]], decay: Decay, rng: np.random.Generator
) -> tuple[list[list[int]], list[list[int]]]:
    """Start a flow outside the ball of radius delta around embeddings of each class: a particle at rest has not arrived.

    Around an embedding that meets (*) it starts half-way to the edge of its basin, at most ``FARTHEST`` outside the ball.
    One whose basin is too thin for that is left out.

    Returns:
        [started, ended within delta of the embedding] for each class: of embeddings that meet (*), of those that do not.
    """
    chosen = [rng.permutation(len(c.embeddings))[:MOST_STARTS] for c in classes]
    most_starts = max(len(rows) for rows in chosen)
    most_sources = max(len(c.embeddings) + len(c.proxies) for c in classes)
    cosines = np.zeros((len(classes), most_starts, most_sources))
    gram = np.zeros((len(classes), most_sources, most_sources))
    started = []
    for index, (points, rows, flags) in enumerate(zip(classes, chosen, met, strict=True)):
        sources = np.concatenate([points.embeddings, points.proxies])
        gram[index, : len(sources), : len(sources)] = sources @ sources.T
        half_way = (basin_radius(points.embeddings, points.proxies, decay)[rows] / decay.delta - 1) / 2
        outside = np.where(flags[rows], np.minimum(half_way, FARTHEST), ELSEWHERE)
        started.append(outside > 2 * WITHIN)
        starts = beside(points.embeddings[rows], (1 + outside[:, None]) * decay.delta, rng)
        cosines[index, : len(rows), : len(sources)] = starts @ sources.T
    ends = flow(cosines, gram, decay)
    counts: tuple[list[list[int]], list[list[int]]] = ([], [])
    for index, (rows, flags, begun) in enumerate(zip(chosen, met, started, strict=True)):
        gaps = np.sqrt(np.clip(2 - 2 * ends[index, np.arange(len(rows)), rows], 0, None))
        ended = gaps <= (1 + WITHIN) * decay.delta
        for count, wanted in zip(counts, (flags[rows] & begun, ~flags[rows]), strict=True):
            count.append([int(wanted.sum()), int((wanted & ended).sum())])
    return counts


def spread(embeddings: Points) -> float:
    """Standard deviation of a class (N, D): the root of the mean squared distance from its mean."""
    return float(np.sqrt(np.square(embeddings - embeddings.mean(axis=0)).sum(axis=1).mean()))


def spreads_of(embeddings: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Spread of each class (C,) by embeddings (N, D), which are put on the unit sphere, and their labels (N,)."""
    points = _unit(np.asarray(embeddings, np.float64))
    return np.array([spread(points[labels == label]) for label in np.unique(labels)])


def nearest(proxies: Points, embeddings: Points) -> float:
    """Distance of a proxy to its nearest embedding, on average over the proxies (M, D)."""
    return float(cdist(proxies, embeddings).min(axis=1).mean())


def apart(proxies: Points) -> float:
    """Distance between two proxies (M, D), on average over all pairs; M is at least 2."""
    return float(pdist(proxies).mean())


def wasserstein(proxies: Points, embeddings: Points) -> float:
    """Exact 2-Wasserstein distance between proxies (M, D) and embeddings (N, D), each with uniform weights."""
    costs = np.square(cdist(proxies, embeddings))
    if len(proxies) == 1:  # there is one plan only
        return float(np.sqrt(costs.mean()))
    weights = [np.full(size, 1 / size) for size in costs.shape]
    return float(np.sqrt(max(float(ot.emd2(*weights, costs)), 0.0)))


def beside(points: Points, chord: float | Points, rng: np.random.Generator) -> Points:
    """A point on the sphere at a chord, one for all or (N, 1), from each of the points (N, D), in a random direction."""
    directions = rng.normal(size=points.shape)
    along = _unit(directions - (directions * points).sum(axis=1, keepdims=True) * points)
    angle = 2 * np.arcsin(np.minimum(chord, 2.0) / 2)
    beside_them: Points = np.cos(angle) * points + np.sin(angle) * along
    return beside_them


def _unit(points: Points) -> Points:
    unit: Points = points / np.linalg.norm(points, axis=1, keepdims=True)
    return unit


def _rounded(values: Any) -> list[float]:
    return [round(float(value), DIGITS) for value in values]
