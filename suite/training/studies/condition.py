"""Condition (*) of Proposition 1 on the unit sphere: docs/theory.md, section 2.

With D_i the chords from an embedding to every other source of its class and g(d) = sqrt(1 - d^2 / 4) d^-(alpha + 1),

    all D_i > 2 delta    and    sum_i g(D_i - delta) < g(delta)                                           (*)

Sources are the other embeddings of the class and its proxies, for in training both attract.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suite.training.studies.transport import Points, distances


@dataclass(frozen=True, slots=True)
class Decay:
    """The decaying attraction of a source: zero within delta, alpha d^-(alpha + 1) beyond.

    Attributes:
        alpha: exponent, >= 0.
        delta: radius, > 0, a chord.
    """

    alpha: float
    delta: float


def meets_condition(embeddings: Points, proxies: Points, decay: Decay) -> NDArray[np.bool_]:
    """Whether (*) holds at each embedding of a class.

    Args:
        embeddings: (N, D), unit rows.
        proxies: (M, D), unit rows, M >= 0.
        decay: the attraction.

    Returns:
        (N,) flags.
    """
    gaps = distances(embeddings, np.concatenate([embeddings, proxies]))
    own = np.arange(len(embeddings))
    gaps[own, own] = np.inf
    # A source within 2 delta is put at 2 delta: its pull alone then reaches the bound, so that both halves of (*) fail.
    pulls = _largest_pull(np.maximum(gaps - decay.delta, decay.delta), decay.alpha)
    pulls[own, own] = 0
    held: NDArray[np.bool_] = pulls.sum(axis=1) < _largest_pull(np.array(decay.delta), decay.alpha)
    return held


def _largest_pull(chord: Points, alpha: float) -> Points:
    """g: the largest rate, up to the factor alpha, at which a source at that chord changes the potential on the sphere."""
    pull: Points = np.sqrt(np.clip(1 - np.square(chord) / 4, 0, None)) * chord ** -(alpha + 1)
    return pull
