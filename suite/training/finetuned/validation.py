"""Folds of a search in which the network learns."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from suite.evaluation.retrieval import Retrieval
from suite.training.finetuned.run import evaluate, fit
from suite.training.finetuned.views import Source
from suite.training.tuning.validation import AfterEpoch, Fold, Labels, validate


class FinetunedLearner:
    """The regime in which late blocks of the backbone learn too, as ``suite.training.tuning.validation.Learner``."""

    def __init__(self, views: Source) -> None:
        self._views = views
        self.features = views.features
        self.labels = views.labels[views.training_rows]
        self.test_labels = views.labels[views.test_rows]

    def fit(
        self, plan: Any, chosen: NDArray[np.bool_], given: Labels, name: str, num_classes: int, after_epoch: AfterEpoch
    ) -> nn.Module:
        """A network trained on the chosen images, in as many steps as a run takes."""
        places = np.flatnonzero(chosen)
        network, _ = fit(plan, self._views, places, given, name, num_classes, after_epoch, len(self.labels))
        return network

    def judge(self, model: nn.Module, chosen: NDArray[np.bool_], answers: Labels) -> Retrieval:
        """Retrieval among the chosen images by labels for these."""
        return evaluate(model, self._views, self._views.training_rows[chosen], answers)


def validate_finetuned(views: Source, fold: Fold) -> list[float]:
    """Scores of a fold on views, as ``validate`` gives them."""
    return validate(FinetunedLearner(views), fold)
