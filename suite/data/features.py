"""The feature file of a data set: one safetensors file with features and labels."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from suite.errors import SuiteError
from suite.files import replacing
from suite.randomness import stream


@dataclass(frozen=True, slots=True)
class Features:
    """Frozen features of a data set.

    Attributes:
        features: (N, D) float32.
        labels: (N,) int64, 0 to C - 1 in the stored order.
        num_training_classes: labels below it train, the others test.
        data_sha256: digest of the data file that they come from.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    num_training_classes: int
    data_sha256: str

    def under_split(self, split: int) -> "Features":
        """The same features with another half of the classes for training, drawn at random; split 0 is the stored one."""
        if split == 0:
            return self
        order = stream("split", split).permutation(int(self.labels.max()) + 1)
        return replace(self, labels=order[self.labels])

    def training(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Features and labels of the training classes, labels from 0."""
        rows = self.labels < self.num_training_classes
        return self.features[rows], self.labels[rows]

    def test(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Features and labels of the test classes, labels as stored."""
        rows = self.labels >= self.num_training_classes
        return self.features[rows], self.labels[rows]


def save_features(path: Path, features: Features) -> None:
    """Write a feature file; features are rounded to float16, which halves the file.

    The same features give the same bytes: safetensors writes several entries of metadata in random order, so there is one.
    """
    arrays: dict[str, NDArray[Any]] = {
        "features": features.features.astype(np.float16),
        "labels": features.labels,
        "num_training_classes": np.array(features.num_training_classes),
    }
    with replacing(path) as temporary:
        save_file(arrays, temporary, metadata={"data_sha256": features.data_sha256})


def load_features(path: Path) -> Features:
    """Read a feature file.

    Raises:
        SuiteError: it is missing, damaged, holds values that are not finite, or labels of the wrong length.
    """
    if not path.is_file():
        raise SuiteError(f"feature file {path} is missing; compute it with: dvc repro features@{path.stem}")
    try:
        with safe_open(path, framework="numpy") as file:
            features = file.get_tensor("features").astype(np.float32)
            labels = file.get_tensor("labels")
            training = int(file.get_tensor("num_training_classes"))
            data_sha256 = (file.metadata() or {})["data_sha256"]
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise SuiteError(f"feature file {path} is damaged: {error}; delete it and run: dvc repro") from error
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise SuiteError(f"feature file {path}: {labels.shape} labels for features of shape {features.shape}")
    if not np.isfinite(features).all():
        raise SuiteError(f"feature file {path} holds values that are not finite; delete it and run: dvc repro")
    return Features(features, labels, training, data_sha256)
