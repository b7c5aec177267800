"""The geometry study: losses with the same number of proxies a class, trained without label noise and then measured."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import nn

from pfml import PotentialFieldLoss
from suite.data.features import Features, load_features
from suite.data.noise import corrupt
from suite.errors import SuiteError
from suite.evaluation.record_parts import AblationPoint
from suite.evaluation.records import write_records
from suite.losses.registry import check_hyperparameters, load_target
from suite.randomness import stream
from suite.settings.paths import FEATURES, GEOMETRY, PARAMS_FILE, STUDY_OUTPUTS
from suite.settings.plans import FrozenPlan, Run, Search, SomePlan, plan_path, read_plan_file, seeds_of
from suite.settings.studies import GeometrySettings
from suite.training.hyperparameters import with_values
from suite.training.run.frozen import Outcome, check_embeddings, embed, fit, use_one_thread
from suite.training.run.loop import TrainingFailure
from suite.training.stage import check_code, code_sha256, run_frozen_stage
from suite.training.studies.ablation import ABLATED, vary
from suite.training.studies.minima import Decay
from suite.training.studies.parts import Part
from suite.training.studies.proxy_geometry import by_class, measure


def run_geometry(dataset: str, loss: str, geometry: GeometrySettings, console: Console) -> Path:
    """Train and measure a loss with the study's number of proxies, its other values searched; write the records.

    Each tuned search of the grid has one here, on true labels, with that number held. pfml is studied at each delta of
    ``geometry.deltas`` as well, its other values searched anew: a theorem whose premise no model meets at the delta that
    retrieves best says nothing there.

    Returns:
        The file written.

    Raises:
        SuiteError: there is no plan, or the loss has no ``proxies_per_class``.
    """
    parts = geometry_parts(dataset, loss, geometry)
    check_code(parts[0][1].plan, code_sha256())
    features = load_features(Path(FEATURES.format(dataset=dataset)))
    points = [(delta, run) for delta, part in parts for run in part.complete(lambda: features, console)]
    _, finished = run_frozen_stage(f"geometry-{dataset}-{loss}", [run for _, run in points], console, measure_run)
    path = STUDY_OUTPUTS / GEOMETRY / f"{dataset}-{loss}.jsonl"
    write_records(
        path,
        [
            each.record if delta is None else each.record.model_copy(update={"ablation": _held_at(delta)})
            for each, (delta, _) in zip(finished, points, strict=True)
        ],
    )
    return path


def geometry_parts(dataset: str, loss: str, geometry: GeometrySettings) -> list[tuple[float | None, Part]]:
    """A search and its runs for each tuned search of the grid; then the same for each delta that is held, which comes first.

    Raises:
        SuiteError: as ``run_geometry``.
    """
    planned = read_plan_file(plan_path("searches", dataset, loss))
    number_of_proxies = {"proxies_per_class": geometry.proxies_per_class}
    check_hyperparameters(
        load_target(planned[0][0].loss, planned[0][0].target),
        number_of_proxies,
        f"{PARAMS_FILE}: geometry.losses.{loss}",
    )
    deltas: list[float | None] = [None, *(geometry.deltas if loss == ABLATED else ())]
    return [
        (delta, _part(with_values(plan, number_of_proxies), search, delta, geometry))
        for delta in deltas
        for plan, search in planned
        if plan.track == "tuned"
    ]


def _part(plan: SomePlan, declared: Search | None, delta: float | None, geometry: GeometrySettings) -> Part:
    held, label = {"proxies_per_class"}, "geometry"
    if delta is not None:
        plan = replace(vary(plan, "delta", delta), track="tuned")
        held, label = held | {"delta", "delta_repulsion"}, f"geometry delta {delta:g}"
    search = declared and replace(
        declared,
        space={name: item for name, item in declared.space.items() if name not in held},
        by_hand={name: value for name, value in declared.by_hand.items() if name not in held},
        trials=geometry.trials,
        folds=geometry.folds,
        held_out=None,
    )
    return Part(plan, partial(_runs, label, delta), search if search and search.space else None, label)


def _runs(label: str, delta: float | None, plan: SomePlan) -> list[Run[SomePlan]]:
    found = replace(plan, track=plan.track if delta is None else "ablation", validation_epoch=None)
    return [Run(found, 0.0, seed, label=f"{label} of {plan.loss}") for seed in seeds_of(plan)]


def _held_at(delta: float) -> AblationPoint:
    return AblationPoint(axis="delta", value=float(delta))


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
