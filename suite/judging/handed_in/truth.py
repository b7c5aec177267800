"""What every run on a data set must agree with: data, wrong labels and sizes of test classes, all computed anew here."""

from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from suite.data.catalog import verified
from suite.data.features import load_features
from suite.data.noise import OF_FEATURES, Corruption, corrupt
from suite.data.split import num_training_classes
from suite.data.table import read_labels
from suite.settings.params import DatasetSettings
from suite.settings.paths import FEATURES
from suite.settings.plans import Regime


class Truth:
    """Of one data set as a board has it.

    Args:
        dataset: its name.
        settings: its entry in ``params.yaml``.

    Raises:
        SuiteError: its file is missing or was altered.
    """

    def __init__(self, dataset: str, settings: DatasetSettings) -> None:
        self.dataset = dataset
        data = verified(dataset)
        self.data_sha256 = data.sha256
        labels = read_labels(data.path, settings.max_classes)
        training = num_training_classes(int(labels.max()) + 1)
        self._labels = labels[labels < training]
        sizes = np.bincount(labels[labels >= training] - training)
        self.items = int(sizes.sum())
        self.class_queries: list[int] = np.where(sizes > 1, sizes, 0).tolist()
        self._mask = lru_cache(None)(self._corrupted)

    def noise(self, kind: str, level: float, seed: int, regime: Regime) -> Corruption | None:
        """The wrong labels of a run; None where they follow from features that are not here."""
        if kind in OF_FEATURES and regime != "frozen":
            return None
        return self._mask(kind, level, seed)

    def _corrupted(self, kind: str, level: float, seed: int) -> Corruption:
        return corrupt(self._labels, self.dataset, kind, level, seed, self._features if kind in OF_FEATURES else None)

    @cached_property
    def _features(self) -> NDArray[np.float32]:
        return load_features(Path(FEATURES.format(dataset=self.dataset))).training()[0]
