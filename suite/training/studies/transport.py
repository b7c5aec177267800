"""How well the proxies of a class stand for its embeddings: docs/theory.md, section 3."""

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def distances(a: Points, b: Points) -> Points:
    """Euclidean distances (N, M) between points (N, D) and (M, D)."""
    from scipy.spatial.distance import cdist

    found: Points = cdist(a, b)
    return found


def spread(embeddings: Points) -> float:
    """Standard deviation of a class (N, D): the root of the mean squared distance from its mean."""
    return float(np.sqrt(np.square(embeddings - embeddings.mean(axis=0)).sum(axis=1).mean()))


def nearest(proxies: Points, embeddings: Points) -> float:
    """Distance of a proxy to its nearest embedding, on average over the proxies (M, D)."""
    return float(distances(proxies, embeddings).min(axis=1).mean())


def wasserstein(proxies: Points, embeddings: Points) -> float:
    """Exact 2-Wasserstein distance between proxies (M, D) and embeddings (N, D), each with uniform weights."""
    costs = np.square(distances(proxies, embeddings))
    if len(proxies) == 1:  # there is one plan only
        return float(np.sqrt(costs.mean()))
    import ot  # takes a second to load

    weights = [np.full(size, 1 / size) for size in costs.shape]
    return float(np.sqrt(max(float(ot.emd2(*weights, costs)), 0.0)))
