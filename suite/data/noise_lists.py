"""Label noise as others have published it: lists that give each training image of a benchmark a fixed label.

A list is one corruption. It has no seed, so all seeds and all losses learn from the same wrong labels. Its level is the one
that its publishers name; its realised rate differs a little. ``suite data add-noise`` checks a published list and keeps it
here; runs read what is kept.

- ``prism_symmetric``: PRISM's lists (Liu et al., CVPR 2021), in which a coin for each image decides whether it gets another
  class, drawn uniformly.
- ``prism_small_cluster``: PRISM's lists in which whole classes dissolve into small groups, each merged into one class that
  survives.
"""

import hashlib
from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np
from pydantic import Field, ValidationError

from suite.data.noise import Corruption, Labels
from suite.errors import SuiteError, allowed
from suite.files import read_json
from suite.settings.params import BenchmarkName
from suite.settings.paths import BENCHMARKS_FOLDER, NOISE_LIST
from suite.settings.reading import NoiseLevel, Strict, damage

ListedKind = Literal["prism_symmetric", "prism_small_cluster"]
LISTED_KINDS: tuple[ListedKind, ...] = get_args(ListedKind)
"""Noise kinds that come from lists: what ``noise.kind`` of the benchmarks and claims about them may name besides."""

_Number = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class NoiseList(Strict):
    """A published list, matched to the images of a benchmark."""

    dataset: BenchmarkName
    kind: ListedKind
    level: NoiseLevel
    """The one that its publishers name."""
    source: str
    """Name of the published file."""
    source_sha256: _Digest
    images_sha256: _Digest
    """Of the training images that it is about: their classes and published files, in the order of the rows."""
    labels_sha256: _Digest
    """Of ``labels``, as records have it."""
    realised: Annotated[float, Field(ge=0, le=1)]
    """Share of the labels that differ from the truth."""
    kept_true: _Number = 0
    """Images whose label in the list names no class and that therefore keep their true one."""
    undecided: _Number = 0
    """Images of classes that all share one label, so that the list does not say which of them it names."""
    swappable: _Number = 0
    """Images of whose labels a pair might be the other way round, because their names do not tell them apart."""
    labels: list[_Number]
    """The labels that training sees, from 0, in the order of the rows."""

    @property
    def array(self) -> Labels:
        """The labels (N,)."""
        return np.array(self.labels, np.int64)

    def corruption(self, labels: Labels) -> Corruption:
        """The list as a corruption of true labels (N,)."""
        return Corruption(self.array, float((self.array != labels).mean()), self.labels_sha256)


def labels_sha256(labels: Labels) -> str:
    """Digest of labels (N,), as ``suite.data.noise`` takes it."""
    return hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()


def list_path(dataset: str, kind: str, level: float, folder: Path = BENCHMARKS_FOLDER) -> Path:
    """Where a list is kept."""
    return folder / NOISE_LIST.format(dataset=dataset, kind=kind, level=level)


def load_noise_list(dataset: str, kind: str, level: float, folder: Path = BENCHMARKS_FOLDER) -> NoiseList:
    """Read a list that is kept.

    Raises:
        SuiteError: there is none of this data set, kind and level, or it is damaged.
    """
    path, again = list_path(dataset, kind, level, folder), f"suite data add-noise {dataset} FILE"
    if not path.is_file():
        there = sorted(each.stem for each in path.parent.glob(f"{dataset}-{kind}-*.json"))
        levels = allowed(["0", *(name.removeprefix(f"{dataset}-{kind}-") for name in there)])
        raise SuiteError(
            f"noise.kind = {kind!r}: there is no list of {dataset} at level {level:g} ({path}); allowed levels: {levels}; "
            f"add a list with: {again}"
        )
    cure = f"delete it and add it again with: {again}"
    try:
        found = NoiseList.model_validate(read_json(path, cure))
    except ValidationError as error:
        raise SuiteError(f"list {path} is damaged: {damage(error)}; {cure}") from error
    if (found.dataset, found.kind, found.level) != (dataset, kind, level):
        raise SuiteError(f"list {path} is of {found.dataset}, {found.kind} at {found.level:g}; {cure}")
    if labels_sha256(found.array) != found.labels_sha256:
        raise SuiteError(f"list {path} is damaged: labels are not those of labels_sha256; {cure}")
    return found


def planned_list(dataset: str, kind: str, level: float, planned: str | None, images: str, folder: Path) -> NoiseList:
    """The list that a run was planned with.

    Args:
        dataset: name of the data set.
        kind: one of ``LISTED_KINDS``.
        level: above 0.
        planned: digest of the labels in the list that was planned with.
        images: digest of the training images.
        folder: holds the lists.

    Raises:
        SuiteError: the list is missing, damaged, of other images, or not the planned one.
    """
    found, path = load_noise_list(dataset, kind, level, folder), list_path(dataset, kind, level, folder)
    if found.labels_sha256 != planned:
        raise SuiteError(f"list {path} is another one than was planned with; run: suite plan --benchmarks")
    if found.images_sha256 != images:
        raise SuiteError(
            f"list {path} is of other images than the image cache of {dataset}; add it again with: "
            f"suite data add-noise {dataset} FILE"
        )
    return found
