"""Baselines that train nothing: retrieval by the frozen backbone's features and by raw pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from suite.data.features import Features
from suite.data.split import num_training_classes
from suite.data.table import ImageTable
from suite.evaluation.retrieval import MAIN_METRIC, Retrieval, retrieve

PIXEL_SIDE = 32
"""Raw pixels are compared at this size; more would cost time and is no better."""


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of unit norm; a row of zeros stays."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: NDArray[np.float32] = vectors / np.maximum(norms, np.float32(1e-12))
    return units


def frozen_metrics(dataset: str, backbone: str, features: Features) -> dict[str, Any]:
    """Metrics of the frozen backbone on the test classes: the leaderboard's reference."""
    vectors, labels = features.test()
    return {"dataset": dataset, "backbone": backbone, "metrics": retrieve(unit_rows(vectors), labels).metrics}


def pixel_vectors(table: ImageTable) -> NDArray[np.float32]:
    """Each image, scaled to 32 x 32 and less its mean, as a unit vector (N, 3 * 32 * 32) of its pixels."""
    rows = np.arange(len(table.labels))
    small = [
        np.asarray(
            Image.fromarray(table.decode(rows[i : i + 1])[0]).resize((PIXEL_SIDE, PIXEL_SIDE), Image.Resampling.BOX)
        )
        for i in rows
    ]
    vectors = np.stack(small).reshape(len(small), -1).astype(np.float32)
    return unit_rows(vectors - vectors.mean(axis=1, keepdims=True))


def baseline_table(table: ImageTable, features: Features) -> dict[str, dict[str, Retrieval]]:
    """What is found by raw pixels and by the frozen backbone's features, on training and on test classes."""
    test = table.labels >= num_training_classes(table.num_classes)
    vectors = {"raw pixels": pixel_vectors(table), "frozen backbone": unit_rows(features.features)}
    return {
        name: {
            part: retrieve(rows[mask], table.labels[mask], (MAIN_METRIC,))
            for part, mask in (("training classes", ~test), ("test classes", test))
        }
        for name, rows in vectors.items()
    }
