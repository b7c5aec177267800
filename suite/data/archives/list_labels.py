"""Which class each label of a published list names; its publishers count classes in ways of their own.

- ``prism_symmetric`` of CUB and SOP: label n is class n of the archive, counted from 1.
- ``prism_symmetric`` of Cars, whose mirror sorts images into folders without numbers: a label belongs to the class of which
  it is the most frequent one.
- ``prism_small_cluster``: a label belongs to the class that has all its images under it, the one that survives.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from suite.data.noise import Labels
from suite.errors import SuiteError

_SHOWN = 3


class Matching:
    """Which class each number of a list names.

    Args:
        labels: (N,) true labels, from 0.
        numbers: (N,) labels of the list.
        file: the list, for messages.
        by_folders: whether the publishers numbered the classes by folders and not by the archive.
    """

    def __init__(self, labels: Labels, numbers: Labels, file: Path, *, by_folders: bool) -> None:
        self._labels, self._numbers, self._file, self._by_folders = labels, numbers, file, by_folders
        self._sizes = np.bincount(labels)

    def classes(self, kind: str, *, repair: bool) -> tuple[Labels, int, int]:
        """Given labels (N,), the number of images that keep their true one, and of those whose class is undecided.

        Raises:
            SuiteError: a number names no class, or several, and that is not to be repaired.
        """
        named = self._named(kind)
        several = {number: classes for number, classes in named.items() if len(classes) > 1}
        if several and (kind == "prism_symmetric" or not repair):
            raise self._of_several(several, kind)
        absent = Counter(number for number in self._numbers.tolist() if number not in named)
        if absent and not repair:
            raise self._of_none(absent, kind)
        # Of equally large classes the first one.
        chosen = {
            number: min(classes, key=lambda label: (-self._sizes[label], label)) for number, classes in named.items()
        }
        numbers = zip(self._numbers.tolist(), self._labels.tolist(), strict=True)
        given = np.array([chosen.get(number, true) for number, true in numbers], np.int64)
        undecided = sum(int(self._sizes[classes].sum()) for classes in several.values())
        return given, absent.total(), undecided

    def _named(self, kind: str) -> dict[int, list[int]]:
        """The classes that each number may name, by number."""
        if kind == "prism_symmetric" and not self._by_folders:
            return {label + 1: [label] for label in range(len(self._sizes))}
        pairs, counts = np.unique(np.stack([self._labels, self._numbers], axis=1), axis=0, return_counts=True)
        named: dict[int, list[int]] = {}
        if kind == "prism_small_cluster":
            for label, number in pairs[counts == self._sizes[pairs[:, 0]]].tolist():
                named.setdefault(number, []).append(label)
            return named
        for label in range(len(self._sizes)):
            mine = np.flatnonzero(pairs[:, 0] == label)
            named.setdefault(int(pairs[mine[counts[mine].argmax()], 1]), []).append(label)
        return named

    def _of_several(self, several: dict[int, list[int]], kind: str) -> SuiteError:
        number, classes = next(iter(several.items()))
        named = " and ".join(str(label + 1) for label in classes[:_SHOWN])
        if kind == "prism_symmetric":
            return SuiteError(
                f"{self._file}: label {number} is the most frequent one of classes {named}; allowed: a label of its own for "
                "each class"
            )
        return SuiteError(
            f"{self._file}: {len(several):,} labels have all images of two classes or more, first label {number} those of "
            f"classes {named}, so which of them survives cannot be told; allowed: a label of its own for each class that "
            "survives, or --repair, which takes the largest"
        )

    def _of_none(self, absent: Counter[int], kind: str) -> SuiteError:
        named = ", ".join(f"{number} ({count:,} images)" for number, count in sorted(absent.items())[:_SHOWN])
        more = " and others" if len(absent) > _SHOWN else ""
        right = f"1 to {len(self._sizes):,}"
        if kind == "prism_small_cluster":
            right = "labels under which a class has all its images"
        elif self._by_folders:
            right = "labels that are the most frequent one of a class"
        return SuiteError(
            f"{self._file}: no class is named by label {named}{more}; allowed: {right}, or --repair, by which these images "
            "keep their true labels, on record"
        )
