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
from suite.training.studies.proxy_geometry import DIGITS, by_class, measure, spreads_of

AfterEpoch = Callable[[int, float, nn.Module], None]
Train = Callable[[int, AfterEpoch], tuple[nn.Module, nn.Module]]
"""Trains on a number of classes; gives the model and the loss."""
Embed = Callable[[nn.Module], NDArray[np.float32]]
"""From a model to its embeddings (N, D) of the training images."""


def measure_frozen(run: Run[FrozenPlan], features: Features) -> Outcome:
    """Train an embedding layer on frozen features, and measure, as ``measured`` does."""
    inputs, labels = features.training()

    def train(num_classes: int, after_epoch: AfterEpoch) -> tuple[nn.Module, nn.Module]:
        return fit(run.plan, inputs, labels, run.seed, num_classes, after_epoch)

    return measured(run, labels, features.data_sha256, train, lambda head: embed(head, inputs))


def measured(
    run: Run[SomePlan],
    labels: NDArray[np.int64],
    data_sha256: str,
    train: Train,
    embed_training: Embed,
    more: dict[str, Any] | None = None,
) -> Outcome:
    """Train on the true labels and measure; a NaN or a collapse becomes a failure, with empty lists.

    Args:
        run: the run.
        labels: (N,) true labels of the training images.
        data_sha256: digest of the data file that they come from.
        train: trains the regime's model.
        embed_training: embeds the training images.
        more: further fields of the record.

    Raises:
        SuiteError: the loss has no ``proxies`` and ``proxy_labels``.
    """
    use_one_thread()
    plan = run.plan
    curve: list[float] = []
    corruption = corrupt(labels, plan.dataset, plan.noise_kind, 0.0, run.seed)
    places: dict[str, Any] = {"proxies_per_class": plan.hyperparameters["proxies_per_class"]}
    spreads: list[NDArray[np.float64]] = []
    failure = None

    def after_epoch(_epoch: int, value: float, model: nn.Module) -> None:
        curve.append(value)
        spreads.append(spreads_of(embed_training(model), labels))

    try:
        model, loss = train(int(labels.max()) + 1, after_epoch)
        embeddings = embed_training(model)
        check_embeddings(embeddings)
    except TrainingFailure as error:
        failure = str(error)
    else:
        decay = Decay(loss.alpha, loss.delta) if isinstance(loss, PotentialFieldLoss) else None
        if decay is not None:
            places |= {"delta": decay.delta, "alpha": decay.alpha}
            places["wider_by_epoch"] = [round(float((each > decay.delta).mean()), DIGITS) for each in spreads]
        places["spread_by_epoch"] = [round(float(each.mean()), DIGITS) for each in spreads]
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
