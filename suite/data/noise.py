"""Label noise of training labels.

A corruption depends only on data set, kind, level and seed: for one seed every loss learns from the same wrong labels. Test
labels are never changed. Levels are nested: what is wrong at one level is wrong at every higher one of the same seed.

- ``symmetric``: an exact share of the images, drawn without replacement, gets a class drawn uniformly from the other
  training classes. (PRISM's lists flip a coin per image, so their realised rate varies; see docs/protocol.md.)
- ``asymmetric``: an exact share of the images gets the class that is nearest to theirs: whose mean of unit features has the
  greatest cosine with that of their own class.
- ``small_cluster``: random classes dissolve, one after the other, into groups of up to 3 images; each group is merged into
  one surviving class. After Liu et al., "Noise-resistant Deep Metric Learning with Ranking-based Instance Selection"
  (PRISM, CVPR 2021), which clusters a class's images; here the groups are random. ``level`` is the share of classes that
  dissolve, rounded to whole classes.
- ``feature_cluster``: the same, its groups found as PRISM finds them, by clustering of features (Ward's method).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, ward

from suite.errors import SuiteError, allowed
from suite.randomness import stream

GROUP_SIZE = 3
"""Images of a dissolved class that move together: at most, or on average where they are clustered."""

Labels = NDArray[np.int64]
Vectors = NDArray[np.float32]


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


def corrupt(
    labels: Labels, dataset: str, kind: str, level: float, seed: int | str, features: Vectors | None = None
) -> Corruption:
    """Corrupt training labels (N,), values 0 to C - 1.

    Args:
        labels: true labels.
        dataset: name of the data set.
        kind: one of ``KINDS``.
        level: share of the images, or of the classes.
        seed: of the run, or the name of a fold of a search.
        features: (N, F), which the kinds of ``OF_FEATURES`` need.

    Raises:
        SuiteError: unknown kind, level outside [0, 1), no features where they are needed, or too few classes to move a label
            to.
    """
    check_kind(kind, "noise.kind")
    if not 0 <= level < 1:
        raise SuiteError(f"noise.levels: {level} is outside the allowed range [0, 1)")
    num_classes = int(labels.max()) + 1
    if num_classes < 2:
        raise SuiteError("noise: at least 2 training classes are needed to corrupt a label")
    if kind in OF_FEATURES and features is None:
        raise SuiteError(
            f"noise.kind = {kind!r} needs features; allowed without: {allowed(sorted(KINDS.keys() - OF_FEATURES))}"
        )
    given = KINDS[kind](labels, num_classes, level, stream("noise", dataset, kind, seed), features)
    digest = hashlib.sha256(given.astype("<i8").tobytes()).hexdigest()
    return Corruption(given, float((given != labels).mean()), digest)


def check_kind(kind: str, setting: str) -> None:
    """Check that a noise kind exists; ``setting`` names what asks for it.

    Raises:
        SuiteError: it does not.
    """
    if kind not in KINDS:
        raise SuiteError(f"{setting} = {kind!r} is no noise kind; allowed: {allowed(KINDS)}")


def _symmetric(labels: Labels, num_classes: int, level: float, rng: np.random.Generator, _: Vectors | None) -> Labels:
    chosen = _share(labels, level, rng)
    # A shift by 1 to C - 1 is uniform over the other classes; there is one for each image, whatever the level.
    moved = (labels + rng.integers(1, num_classes, len(labels))) % num_classes
    return np.where(chosen, moved, labels)


def _asymmetric(
    labels: Labels, num_classes: int, level: float, rng: np.random.Generator, features: Vectors | None
) -> Labels:
    assert features is not None
    unit = features / np.linalg.norm(features, axis=1, keepdims=True).clip(1e-12)
    means = np.stack([unit[labels == label].mean(axis=0) for label in range(num_classes)]).astype(np.float64)
    means /= np.linalg.norm(means, axis=1, keepdims=True).clip(1e-12)
    similarity = means @ means.T
    np.fill_diagonal(similarity, -np.inf)
    return np.where(_share(labels, level, rng), similarity.argmax(axis=1)[labels], labels)


def _share(labels: Labels, level: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Mask (N,) of an exact share of the images, drawn without replacement; that of a lower level lies within it."""
    chosen = np.zeros(len(labels), bool)
    chosen[rng.permutation(len(labels))[: round(level * len(labels))]] = True
    return chosen


def _small_cluster(
    labels: Labels, num_classes: int, level: float, rng: np.random.Generator, _: Vectors | None
) -> Labels:
    def groups(members: Labels) -> list[Labels]:
        members = rng.permutation(members)
        return [members[start : start + GROUP_SIZE] for start in range(0, len(members), GROUP_SIZE)]

    return _dissolve(labels, num_classes, level, rng, groups)


def _feature_cluster(
    labels: Labels, num_classes: int, level: float, rng: np.random.Generator, features: Vectors | None
) -> Labels:
    assert features is not None

    def groups(members: Labels) -> list[Labels]:
        count = -(-len(members) // GROUP_SIZE)
        if count < 2:
            return [members]
        numbers = fcluster(ward(features[members].astype(np.float64)), count, "maxclust")
        return [members[numbers == number] for number in np.unique(numbers)]

    return _dissolve(labels, num_classes, level, rng, groups)


def _dissolve(
    labels: Labels,
    num_classes: int,
    level: float,
    rng: np.random.Generator,
    groups: Callable[[Labels], list[Labels]],
) -> Labels:
    """Merge the groups of some classes into others.

    All is drawn for every class, whatever the level; a group goes to the first class of its own random order that survives.
    """
    given = labels.copy()
    order = rng.permutation(num_classes)
    count = min(round(level * num_classes), num_classes - 1)
    dissolved = np.zeros(num_classes, bool)
    dissolved[order[:count]] = True
    for label in order:
        for group in groups(np.flatnonzero(labels == label)):
            targets = rng.permutation(num_classes)
            if dissolved[label]:
                given[group] = targets[~dissolved[targets]][0]
    return given


KINDS: dict[str, Callable[[Labels, int, float, np.random.Generator, Vectors | None], Labels]] = {
    "symmetric": _symmetric,
    "asymmetric": _asymmetric,
    "small_cluster": _small_cluster,
    "feature_cluster": _feature_cluster,
}
"""All noise kinds by name: what settings and claims may name."""
OF_FEATURES = {"asymmetric", "feature_cluster"}
"""Kinds that depend on features, too."""
