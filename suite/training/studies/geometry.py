"""The geometry stage: losses with the same number of proxies a class, trained without label noise and then measured."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import nn

from pfml import PotentialFieldLoss
from suite.settings.plans import CellPlan, geometry_plan_path, read_cell
from suite.training.planner import with_values
from suite.errors import SuiteError
from suite.data.features import Features
from suite.files import write_lines
from suite.training.studies.condition import Decay
from suite.training.studies.proxy_places import by_class, measure
from suite.losses.registry import check_hyperparameters, load_target
from suite.randomness import stream
from suite.settings.folders import GEOMETRY_FOLDER
from suite.training.runs import run_all
from suite.training.cache import forget
from suite.training.loop import TrainingFailure
from suite.training.outcome import Outcome, Run
from suite.training.run import checked_embeddings, fit

_NOTHING: dict[str, Any] = {name: [] for name in ("size", "spread", "w2", "nearest")} | dict.fromkeys(
    ("condition", "minima_met", "minima_unmet")
)
"""The arrays of a run that failed."""


def run_geometry(dataset: str, loss: str, proxies_per_class: int, console: Console) -> Path:
    """Train and measure each seed of a loss at its tuned values but for the number of proxies; writes a row for each.

    Returns:
        The file written.

    Raises:
        SuiteError: the cell is not settled, or the loss has no ``proxies_per_class``.
    """
    name = f"geometry-{dataset}-{loss}"
    plan = _with_proxies(dataset, loss, proxies_per_class)
    runs = [Run(plan, 0.0, seed, label=loss) for seed in range(plan.seeds)]
    outcomes = run_all(name, runs, console, measure_run)
    path = GEOMETRY_FOLDER / f"{dataset}-{loss}.jsonl"
    write_lines(path, [outcome.record for outcome in outcomes])
    forget(name)
    return path


def _with_proxies(dataset: str, loss: str, count: int) -> CellPlan:
    plan, _ = read_cell(geometry_plan_path(dataset, loss))
    values = {"proxies_per_class": count}
    check_hyperparameters(load_target(loss, plan.target), values, f"params.yaml: geometry.losses.{loss}")
    return replace(with_values(plan, values), validation_epoch=None)


def measure_run(run: Run[CellPlan], features: Features, on_epoch: Callable[[int], None]) -> Outcome:
    """Train on the true labels and measure; a NaN or a collapse becomes a row with status ``failed`` and no arrays.

    Raises:
        SuiteError: the loss has no ``proxies`` and ``proxy_labels``.
    """
    started = time.perf_counter()
    plan = run.plan
    inputs, labels = features.training()
    curve: list[float] = []

    def after_epoch(epoch: int, value: float, _: nn.Module) -> None:
        curve.append(value)
        on_epoch(epoch)

    row: dict[str, Any] = {
        "dataset": plan.dataset,
        "loss": plan.loss,
        "seed": run.seed,
        "status": "ok",
        "failure": None,
        "proxies_per_class": plan.hyperparameters["proxies_per_class"],
        "delta": None,
        "alpha": None,
        "data_sha256": features.data_sha256,
    }
    entry = load_target(plan.loss, plan.target)
    try:
        head, loss = fit(plan, entry, inputs, labels, run.seed, int(labels.max()) + 1, after_epoch)
        embeddings = checked_embeddings(head, inputs)
    except TrainingFailure as error:
        row |= {"status": "failed", "failure": str(error)} | _NOTHING
    else:
        decay = Decay(loss.alpha, loss.delta) if isinstance(loss, PotentialFieldLoss) else None
        if decay is not None:
            row |= {"delta": decay.delta, "alpha": decay.alpha}
        rng = stream("geometry", plan.dataset, run.seed)
        row |= measure(by_class(embeddings, labels, *_proxies_of(loss, plan.loss)), decay, rng)
    return Outcome(row, curve, time.perf_counter() - started)


def _proxies_of(loss: nn.Module, name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Proxies (C * M, D) of a loss and their classes."""
    proxies, labels = getattr(loss, "proxies", None), getattr(loss, "proxy_labels", None)
    if not isinstance(proxies, torch.Tensor) or not isinstance(labels, torch.Tensor):
        raise SuiteError(f"params.yaml: geometry.losses.{name}: this loss has no .proxies and .proxy_labels to measure")
    return proxies.detach().numpy(), labels.numpy()
