"""Label noise of training labels.

A corruption depends only on data set, kind, level and seed: for one seed every loss learns from the same wrong labels. Test
labels are never changed.

- ``symmetric``: an exact share of the images, drawn without replacement, gets a class drawn uniformly from the other
  training classes. (PRISM's lists flip a coin per image, so their realised rate varies; see docs/protocol.md.)
- ``small_cluster``: random classes dissolve, one after the other, into groups of up to 3 images; each group is merged into
  one surviving class. After Liu et al., "Noise-resistant Deep Metric Learning with Ranking-based Instance Selection"
  (PRISM, CVPR 2021), which clusters a class's images; here the groups are random. ``level`` is the share of classes that
  dissolve, rounded to whole classes.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suite.errors import SuiteError, allowed
from suite.randomness import stream

GROUP_SIZE = 3
"""Images of a dissolved class that move together, at most."""

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Corruption:
    """Given labels, possibly wrong, in place of the true ones.

    Attributes:
        labels: (N,) the labels that training sees.
        realised: share of labels that differ from the truth.
        sha256: digest of ``labels``.
    """

    labels: Labels
    realised: float
    sha256: str


def corrupt(labels: Labels, dataset: str, kind: str, level: float, seed: int) -> Corruption:
    """Corrupt training labels (N,), values 0 to C - 1.

    Raises:
        SuiteError: unknown kind, level outside [0, 1), or too few classes to move a label to.
    """
    check_kind(kind, "noise.kind")
    if not 0 <= level < 1:
        raise SuiteError(f"noise.levels: {level} is outside the allowed range [0, 1)")
    num_classes = int(labels.max()) + 1
    if num_classes < 2:
        raise SuiteError("noise: at least 2 training classes are needed to corrupt a label")
    given = KINDS[kind](labels, num_classes, level, stream("noise", dataset, kind, level, seed))
    digest = hashlib.sha256(given.astype("<i8").tobytes()).hexdigest()
    return Corruption(given, float((given != labels).mean()), digest)


def check_kind(kind: str, setting: str) -> None:
    """Check that a noise kind exists; ``setting`` names what asks for it.

    Raises:
        SuiteError: it does not.
    """
    if kind not in KINDS:
        raise SuiteError(f"{setting} = {kind!r} is no noise kind; allowed: {allowed(KINDS)}")


def _symmetric(labels: Labels, num_classes: int, level: float, rng: np.random.Generator) -> Labels:
    given = labels.copy()
    chosen = rng.permutation(len(labels))[: round(level * len(labels))]
    # A shift by 1 to C - 1 is uniform over the other classes.
    given[chosen] = (labels[chosen] + rng.integers(1, num_classes, len(chosen))) % num_classes
    return given


def _small_cluster(labels: Labels, num_classes: int, level: float, rng: np.random.Generator) -> Labels:
    given = labels.copy()
    order = rng.permutation(num_classes)
    count = min(round(level * num_classes), num_classes - 1)
    dissolved, surviving = order[:count], order[count:]
    for label in dissolved:
        members = rng.permutation(np.flatnonzero(labels == label))
        for start in range(0, len(members), GROUP_SIZE):
            given[members[start : start + GROUP_SIZE]] = rng.choice(surviving)
    return given


KINDS: dict[str, Callable[[Labels, int, float, np.random.Generator], Labels]] = {
    "symmetric": _symmetric,
    "small_cluster": _small_cluster,
}
"""All noise kinds by name: what settings and claims may name."""
