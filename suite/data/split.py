"""The class-disjoint split into training and test classes.

Classes are numbered in a stored shuffled order. The first half trains, the second half tests (the zero-shot protocol of
Oh Song et al., CVPR 2016, which CUB, Cars and SOP follow too).
"""

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
