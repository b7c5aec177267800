"""The minima of a class's field on the unit sphere: condition (*) of Proposition 1, and the flow that looks for a minimum.

docs/theory.md, section 2. With D_i the chords from an embedding to every other source of its class and
g(d) = sqrt(1 - d^2 / 4) d^-(alpha + 1),

    all D_i > 2 delta    and    sum_i g(D_i - delta) < g(delta)                                           (*)

Sources are the other embeddings of the class and its proxies, for in training both attract. The flow is that of test
particles in the potential Psi(r) = -sum_i max(|r - s_i|, delta)^-alpha over the sources s_i of the class; other classes are
left out. Its force on r is, up to the factor alpha, the part along the sphere of

    v = sum_{i: |r - s_i| > delta} |r - s_i|^-(alpha + 2) s_i

and moves the cosines x_i = r . s_i by the Gram matrix G of the sources alone: v . s = w G, r . v = w . x, v . v = w G w.
So the flow is followed in cosines, whatever the dimension of the space. The force jumps at delta, so the path is followed
by its direction, in steps that shrink to a thousandth of the first; where there is no force a particle rests.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

Points = NDArray[np.float64]
Flags = NDArray[np.bool_]

STEPS = 400
FIRST_STEP = 1 / 20
"""Share of delta. All steps together are 2.9 delta long, so that a particle can cross a ball and leave it."""
_LAST_SHARE = 1e-3
_NO_FORCE = 1e-7
"""A force along the sphere below this share of its size is rounding."""


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
    gaps = cdist(embeddings, np.concatenate([embeddings, proxies]))
    own = np.arange(len(embeddings))
    gaps[own, own] = np.inf
    # A source within 2 delta is put at 2 delta: its pull alone then reaches the bound, so that both halves of (*) fail.
    pulls = _largest_pull(np.maximum(gaps - decay.delta, decay.delta), decay.alpha)
    pulls[own, own] = 0
    held: NDArray[np.bool_] = pulls.sum(axis=1) < _largest_pull(np.array(decay.delta), decay.alpha)
    return held


def basin_radius(embeddings: Points, proxies: Points, decay: Decay) -> Points:
    """How far from an embedding a flow may start that, by the proof of Proposition 1, ends within delta of it.

    It is the greatest rho up to 2 delta with sum_i g(max(D_i - rho, delta)) < g(rho): up to there the pull of the embedding
    is above the greatest pull of all others together.

    Args:
        embeddings: (N, D), unit rows.
        proxies: (M, D), unit rows, M >= 0.
        decay: the attraction.

    Returns:
        (N,) chords; delta where (*) does not hold.
    """
    gaps = cdist(embeddings, np.concatenate([embeddings, proxies]))
    own = np.arange(len(embeddings))
    low = np.full(len(embeddings), decay.delta)
    high = np.where(meets_condition(embeddings, proxies, decay), 2 * decay.delta, decay.delta)
    for _ in range(40):
        middle = (low + high) / 2
        pulls = _largest_pull(np.maximum(gaps - middle[:, None], decay.delta), decay.alpha)
        pulls[own, own] = 0
        held = pulls.sum(axis=1) < _largest_pull(middle, decay.alpha)
        low, high = np.where(held, middle, low), np.where(held, high, middle)
    return low


def _largest_pull(chord: Points, alpha: float) -> Points:
    """g: the largest rate, up to the factor alpha, at which a source at that chord changes the potential on the sphere."""
    pull: Points = np.sqrt(np.clip(1 - np.square(chord) / 4, 0, None)) * chord ** -(alpha + 1)
    return pull


def flow(cosines: Points, gram: Points, decay: Decay) -> Points:
    """Follow particles to their rest.

    Args:
        cosines: (..., P, S) of P particles with the S sources of their class.
        gram: (..., S, S) cosines between the sources; zero, as its cosines, where a class has fewer than S.
        decay: the attraction.

    Returns:
        (..., P, S) cosines at the end.
    """
    for index in range(STEPS):
        along, moving = _direction(cosines, gram, decay)
        if not moving.any():
            break
        step = FIRST_STEP * decay.delta * _LAST_SHARE ** (index / STEPS)
        cosines = np.where(moving, (cosines + step * along) / np.hypot(1, step), cosines)
    return cosines


def _direction(cosines: Points, gram: Points, decay: Decay) -> tuple[Points, Flags]:
    """Cosines of the force's unit direction along the sphere with the sources; whether there is a force."""
    squared = np.maximum(2 - 2 * cosines, decay.delta**2)
    weights = np.where(squared > decay.delta**2, squared ** (-decay.alpha / 2 - 1), 0.0)
    pulled = weights @ gram
    radial = (weights * cosines).sum(axis=-1, keepdims=True)
    whole = (weights * pulled).sum(axis=-1, keepdims=True)
    along = np.sqrt(np.clip(whole - radial**2, 0, None))
    moving = along > _NO_FORCE * np.sqrt(np.clip(whole, 0, None))
    return (pulled - radial * cosines) / np.where(moving, along, 1), moving
