"""The geometry study: losses with the same number of proxies a class, trained without label noise and then measured."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import nn

from pfml import PotentialFieldLoss
from suite.data.features import Features
from suite.data.noise import corrupt
from suite.errors import SuiteError
from suite.evaluation.records import write_records
from suite.losses.registry import check_hyperparameters, load_target
from suite.randomness import stream
from suite.settings.paths import GEOMETRY, PARAMS_FILE, STUDY_OUTPUTS
from suite.settings.plans import FrozenPlan, Run, SomePlan, plan_path, read_plan_file, seeds_of
from suite.training.hyperparameters import with_values
from suite.training.run.frozen import Outcome, check_embeddings, embed, fit, use_one_thread
from suite.training.run.loop import TrainingFailure
from suite.training.stage import run_frozen_stage
from suite.training.studies.minima import Decay
from suite.training.studies.proxy_geometry import by_class, measure


def run_geometry(dataset: str, loss: str, proxies_per_class: int, console: Console) -> Path:
    """Train and measure each seed of a loss with its tuned values, except for the number of proxies; write their records.

    Returns:
        The file written.

    Raises:
        SuiteError: there is no plan, or the loss has no ``proxies_per_class``.
    """
    plans = [_with_proxies(plan, proxies_per_class) for plan, _ in read_plan_file(plan_path("geometry", dataset, loss))]
    runs = [Run(plan, 0.0, seed, label=f"geometry of {loss}") for plan in plans for seed in seeds_of(plan)]
    _, finished = run_frozen_stage(f"geometry-{dataset}-{loss}", runs, console, measure_run)
    path = STUDY_OUTPUTS / GEOMETRY / f"{dataset}-{loss}.jsonl"
    write_records(path, [each.record for each in finished])
    return path


def _with_proxies(plan: SomePlan, count: int) -> SomePlan:
    values = {"proxies_per_class": count}
    check_hyperparameters(load_target(plan.loss, plan.target), values, f"{PARAMS_FILE}: geometry.losses.{plan.loss}")
    return replace(with_values(plan, values), validation_epoch=None)


def measure_run(run: Run[FrozenPlan], features: Features) -> Outcome:
    """Train on the true labels and measure; a NaN or a collapse becomes a failure, with empty lists.

    Raises:
        SuiteError: the loss has no ``proxies`` and ``proxy_labels``.
    """
    use_one_thread()
    plan = run.plan
    inputs, labels = features.training()
    curve: list[float] = []
    corruption = corrupt(labels, plan.dataset, plan.noise_kind, 0.0, run.seed)
    places: dict[str, Any] = {"proxies_per_class": plan.hyperparameters["proxies_per_class"]}
    failure = None

    def after_epoch(_epoch: int, value: float, _head: nn.Module) -> None:
        curve.append(value)

    try:
        head, loss = fit(plan, inputs, labels, run.seed, int(labels.max()) + 1, after_epoch)
        embeddings = embed(head, inputs)
        check_embeddings(embeddings)
    except TrainingFailure as error:
        failure = str(error)
    else:
        decay = Decay(loss.alpha, loss.delta) if isinstance(loss, PotentialFieldLoss) else None
        if decay is not None:
            places |= {"delta": decay.delta, "alpha": decay.alpha}
        rng = stream("geometry", plan.dataset, run.seed)
        places |= measure(by_class(embeddings, labels, *_proxies_of(loss, plan.loss)), decay, rng)
    return Outcome(
        data_sha256=features.data_sha256,
        noise_sha256=corruption.sha256,
        noise_realised=corruption.realised,
        curve=curve,
        failure=failure,
        more={"proxies": places},
    )


def _proxies_of(loss: nn.Module, name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Proxies (C * M, D) of a loss and their classes."""
    proxies, labels = getattr(loss, "proxies", None), getattr(loss, "proxy_labels", None)
    if not isinstance(proxies, torch.Tensor) or not isinstance(labels, torch.Tensor):
        raise SuiteError(
            f"{PARAMS_FILE}: geometry.losses.{name}: this loss has no attributes proxies and proxy_labels; "
            "only losses with proxies can be studied"
        )
    return proxies.detach().numpy(), labels.numpy()
