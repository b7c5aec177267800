"""A run of the geometry study: trained on true labels, then measured where its proxies lie."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pfml import PotentialFieldLoss
from suite.data.features import Features
from suite.data.noise import corrupt
from suite.errors import SuiteError
from suite.randomness import stream
from suite.settings.plans import PLANS, FrozenPlan, Run, SomePlan
from suite.training.run.frozen import Outcome, check_embeddings, embed, fit, use_one_thread
from suite.training.run.loop import TrainingFailure
from suite.training.studies.minima import Decay
from suite.training.studies.proxy_geometry import by_class, measure

AfterEpoch = Callable[[int, float, nn.Module], None]
Train = Callable[[int, AfterEpoch], tuple[NDArray[np.float32], nn.Module]]
"""Trains on a number of classes; gives the embeddings (N, D) of the training images, and the loss."""


def measure_frozen(run: Run[FrozenPlan], features: Features) -> Outcome:
    """Train an embedding layer on frozen features, and measure, as ``measured`` does."""
    inputs, labels = features.training()

    def train(num_classes: int, after_epoch: AfterEpoch) -> tuple[NDArray[np.float32], nn.Module]:
        head, loss = fit(run.plan, inputs, labels, run.seed, num_classes, after_epoch)
        return embed(head, inputs), loss

    return measured(run, labels, features.data_sha256, train)


def measured(
    run: Run[SomePlan],
    labels: NDArray[np.int64],
    data_sha256: str,
    train: Train,
    more: dict[str, Any] | None = None,
) -> Outcome:
    """Train on the true labels and measure; a NaN or a collapse becomes a failure, with empty lists.

    Args:
        run: the run.
        labels: (N,) true labels of the training images.
        data_sha256: digest of the data file that they come from.
        train: trains the regime's model.
        more: further fields of the record.

    Raises:
        SuiteError: the loss has no ``proxies`` and ``proxy_labels``.
    """
    use_one_thread()
    plan = run.plan
    curve: list[float] = []
    corruption = corrupt(labels, plan.dataset, plan.noise_kind, 0.0, run.seed)
    places: dict[str, Any] = {"proxies_per_class": plan.hyperparameters["proxies_per_class"]}
    failure = None

    def after_epoch(_epoch: int, value: float, _model: nn.Module) -> None:
        curve.append(value)

    try:
        embeddings, loss = train(int(labels.max()) + 1, after_epoch)
        check_embeddings(embeddings)
    except TrainingFailure as error:
        failure = str(error)
    else:
        decay = Decay(loss.alpha, loss.delta) if isinstance(loss, PotentialFieldLoss) else None
        if decay is not None:
            places |= {"delta": decay.delta, "alpha": decay.alpha}
        rng = stream("geometry", plan.dataset, run.seed)
        places |= measure(by_class(embeddings, labels, *_proxies_of(loss, plan)), decay, rng)
    return Outcome(
        data_sha256=data_sha256,
        noise_sha256=corruption.sha256,
        noise_realised=corruption.realised,
        curve=curve,
        failure=failure,
        more=(more or {}) | {"proxies": places},
    )


def _proxies_of(loss: nn.Module, plan: SomePlan) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Proxies (C * M, D) of a loss and their classes."""
    proxies, labels = getattr(loss, "proxies", None), getattr(loss, "proxy_labels", None)
    if not isinstance(proxies, torch.Tensor) or not isinstance(labels, torch.Tensor):
        raise SuiteError(
            f"{PLANS[plan.regime][1].file}: geometry.losses.{plan.loss}: this loss has no attributes proxies and "
            "proxy_labels; only losses with proxies can be studied"
        )
    return proxies.detach().cpu().numpy(), labels.cpu().numpy()
