"""The class-disjoint split into training and test classes.

Classes are numbered in a stored shuffled order. The first half trains, the second half tests (the zero-shot protocol of
Oh Song et al., CVPR 2016, which CUB, Cars and SOP follow too). Searches hold folds of the training classes out.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def cut_classes(num_classes: int, max_classes: int) -> NDArray[np.int64]:
    """The classes that a cut keeps: the first of the training half and the first of the test half, ascending."""
    half = min(max_classes, num_classes) // 2
    boundary = num_training_classes(num_classes)
    return np.concatenate([np.arange(half), np.arange(boundary, boundary + half)])


def num_training_classes(num_classes: int) -> int:
    """How many classes train: the first half, rounded down."""
    return num_classes // 2


def fold_bounds(num_classes: int, folds: int) -> list[tuple[int, int]]:
    """Contiguous, disjoint class ranges [low, high) that cover all training classes: each is validation once."""
    edges: list[int] = np.linspace(0, num_classes, folds + 1).round().astype(int).tolist()
    return list(pairwise(edges))


def least_training(num_classes: int, folds: int) -> int:
    """Number of classes that train while the largest fold is validation."""
    return num_classes - max(high - low for low, high in fold_bounds(num_classes, folds))
