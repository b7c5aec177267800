"""Folds of the training classes: each is validation once while the others train."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np


def fold_bounds(num_classes: int, folds: int) -> list[tuple[int, int]]:
    """Contiguous, disjoint class ranges [low, high) that cover all training classes."""
    edges: Sequence[int] = np.linspace(0, num_classes, folds + 1).round().astype(int).tolist()
    return list(pairwise(edges))


def least_training(num_classes: int, folds: int) -> int:
    """Number of classes that train while the largest fold is validation."""
    return num_classes - max(high - low for low, high in fold_bounds(num_classes, folds))
