"""One fold of a search: classes that train, classes that validate, and what the model scores on the latter.

What a regime trains and how it is judged is given as a ``Learner``; all else is the same for every regime.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from suite.data.features import Features
from suite.data.noise import corrupt
from suite.evaluation.retrieval import Retrieval
from suite.processes import guarded
from suite.settings.plans import Search, SomePlan
from suite.training.batch_checks import fold_name
from suite.training.run.frozen import evaluate, fit, use_one_thread
from suite.training.run.loop import TrainingFailure

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fold:
    """One fold of one trial.

    Attributes:
        plan: what is trained.
        search: what is searched.
        held_out: first of the classes to validate on, and the first one after them.
        every_epoch: whether to validate after every epoch.
    """

    plan: SomePlan
    search: Search
    held_out: tuple[int, int]
    every_epoch: bool = False


class TrainingData(Protocol):
    """What a regime learns from: features, views."""

    @property
    def data_sha256(self) -> str:
        """Digest of the data file that they come from."""

    @property
    def num_training_classes(self) -> int:
        """Number of classes that train."""


Validate = Callable[[Any, Fold], list[float]]
"""Gives the scores of a fold from the data of a regime, as ``validate_frozen`` does."""
AfterEpoch = Callable[[int, float, nn.Module], None]


class Learner(Protocol):
    """How a regime trains on some of the training images, and judges on others.

    Attributes:
        features: (N, F) of the training images, which some kinds of noise need.
        labels: (N,) true labels of the training images.
        test_labels: labels of the test images, for the check that no class is shared.
    """

    features: NDArray[np.floating[Any]]
    labels: Labels
    test_labels: Labels

    def fit(
        self, plan: Any, chosen: NDArray[np.bool_], given: Labels, name: str, num_classes: int, after_epoch: AfterEpoch
    ) -> nn.Module:
        """A model trained on the chosen (N,) images with their given labels, in as many steps as a run takes."""

    def judge(self, model: nn.Module, chosen: NDArray[np.bool_], answers: Labels) -> Retrieval:
        """Retrieval among the chosen (N,) images by labels for these."""


class FrozenLearner:
    """The regime in which an embedding layer learns on frozen features."""

    def __init__(self, features: Features) -> None:
        self.features, self.labels = features.training()
        self.test_labels = features.test()[1]

    def fit(
        self, plan: Any, chosen: NDArray[np.bool_], given: Labels, name: str, num_classes: int, after_epoch: AfterEpoch
    ) -> nn.Module:
        """As ``Learner``."""
        head, _ = fit(plan, self.features[chosen], given, name, num_classes, after_epoch, len(self.labels))
        return head

    def judge(self, model: nn.Module, chosen: NDArray[np.bool_], answers: Labels) -> Retrieval:
        """As ``Learner``."""
        return evaluate(model, self.features[chosen], answers)


def validate_frozen(features: Features, fold: Fold) -> list[float]:
    """Scores of a fold on frozen features, as ``validate`` gives them."""
    return validate(FrozenLearner(features.under_split(fold.plan.split)), fold)


def validate(learner: Learner, fold: Fold) -> list[float]:
    """MAP@R on the classes that validate, after the last epoch or after every one; none if training failed."""
    plan = fold.plan
    trained = f"tuning {plan.loss} ({plan.target}) on {plan.dataset} in {plan.recipe.epochs} epochs"
    where = f"{trained} with {plan.hyperparameters}"
    with guarded(where):
        return _scores_of(learner, fold)


def _scores_of(learner: Learner, fold: Fold) -> list[float]:
    use_one_thread()
    plan, search, name = fold.plan, fold.search, fold_name(fold.plan.track, fold.search, fold.held_out[0])
    labels = learner.labels
    held_out = (labels >= fold.held_out[0]) & (labels < fold.held_out[1])
    kept, codes = np.unique(labels[~held_out], return_inverse=True)
    _assert_disjoint(kept, labels[held_out], learner.test_labels)

    def wrong(true: Labels, chosen: NDArray[np.bool_], words: str) -> Labels:
        features = learner.features[chosen].astype(np.float32)
        return corrupt(true, plan.dataset, plan.noise_kind, search.noise, words, features).labels

    given = wrong(codes, ~held_out, name)
    answers = labels[held_out]
    if search.noisy_validation:
        answers = wrong(answers - fold.held_out[0], held_out, f"{name}, validation")
    scores: list[float] = []

    def score(model: nn.Module) -> None:
        scores.append(learner.judge(model, held_out, answers).metrics["map_at_r"])

    def after_epoch(epoch: int, _loss: float, model: nn.Module) -> None:
        if fold.every_epoch and epoch < plan.recipe.epochs:
            score(model)

    try:
        score(learner.fit(plan, ~held_out, given, name, len(kept), after_epoch))
    except TrainingFailure:
        return []
    return scores


def _assert_disjoint(training: Labels, validation: Labels, test: Labels) -> None:
    """Training, validation and test classes share no class; checked on every run."""
    parts = [set(training.tolist()), set(validation.tolist()), set(test.tolist())]
    if len(set.union(*parts)) != sum(map(len, parts)):
        raise AssertionError("training, validation and test classes overlap")
