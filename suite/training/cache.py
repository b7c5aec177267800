"""The run cache: each finished run under a key that covers all that it depends on.

The key is a digest of configuration, data, code and library versions. An interrupted stage, one more noise
level, one more seed, another machine: each runs only what is not in the cache. Each run is one file, written as a whole, so
a killed process leaves a finished run or none.
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from rich.console import Console
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from suite.errors import SuiteError
from suite.evaluation.records import Record
from suite.files import alone, read_json, replacing, write_json
from suite.files import clear as delete_files
from suite.hashing import sha256_value
from suite.settings.paths import LOCKS_FOLDER, RUN_CACHE_FOLDER
from suite.settings.plans import P_co, Regime, Run, TunedPlan, folder_of
from suite.training.run.frozen import Outcome

VERSIONED = ("torch", "numpy", "faiss-cpu", "pytorch-metric-learning")
"""Libraries that a result on frozen features depends on."""

Arrays = dict[str, NDArray[np.generic]]


def versions(*more: str) -> dict[str, str]:
    """Versions of Python and the libraries that a result depends on, ``more`` of them included."""
    return {"python": platform.python_version()} | {name: version(name) for name in (*VERSIONED, *more)}


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished run.

    Attributes:
        record: what goes on record.
        curve: mean training loss of each epoch.
        seconds: wall-clock time, kept apart from the record, which must not depend on it.
        processor: kind of processor that it ran on, kept apart likewise; empty if unknown.
    """

    record: Record
    curve: list[float]
    seconds: float
    processor: str = ""


@dataclass(frozen=True, slots=True)
class CachedRun(Generic[P_co]):
    """A run and its place in the cache.

    Attributes:
        run: the run.
        key: digest of all that it depends on.
        versions: of the libraries that it is computed with.
    """

    run: Run[P_co]
    key: str
    versions: dict[str, str]

    @property
    def path(self) -> Path:
        """File of the finished run."""
        plan = self.run.plan
        return _folder(plan.dataset, plan.loss, plan.regime) / f"{self.key}.json"

    @property
    def embeddings_path(self) -> Path:
        """File of its embeddings, if it keeps them."""
        return self.path.with_suffix(".safetensors")

    def find(self) -> Finished | None:
        """The finished run, if it is in the cache, whole, and this run's."""
        try:
            found = read_json(self.path)
            if self.run.keeps_embeddings:
                with safe_open(self.embeddings_path, framework="numpy"):
                    pass
            record = Record.model_validate(found["record"])
            mine = self.run.config_sha256, self.run.noise_level, self.run.seed
            if (record.config_sha256, record.noise_level, record.seed) != mine:
                return None  # another run's file
            record = record.model_copy(update=_asked_for_now(self.run))
            curve = [float(value) for value in found["curve"]]
            seconds = float(found["seconds"])
            if not 0 <= seconds < float("inf"):
                return None
            return Finished(record, curve, seconds, str(found.get("processor", "")))
        except (OSError, ValueError, KeyError, TypeError, ValidationError, SafetensorError, SuiteError):
            return None

    def add(self, outcome: Outcome, seconds: float, processor: str = "") -> Finished:
        """Put an outcome on record and into the cache."""
        record = record_of(self.run, outcome, self.versions)
        if outcome.embeddings is not None:
            with replacing(self.embeddings_path) as temporary:
                save_file(outcome.embeddings, temporary)
        entry = {
            "record": record.model_dump(mode="json"),
            "curve": outcome.curve,
            "seconds": round(seconds, 3),
            "processor": processor,
        }
        write_json(self.path, entry)
        return Finished(record, outcome.curve, seconds, processor)


def record_of(run: Run[Any], outcome: Outcome, libraries: dict[str, str]) -> Record:
    """What goes on record of a run: its settings, what it measured, and the versions that it was computed with."""
    plan, found = run.plan, outcome.found
    return Record.model_validate(
        {
            "regime": plan.regime,
            "track": plan.track,
            "dataset": plan.dataset,
            "backbone": plan.backbone,
            "loss": plan.loss,
            "noise_kind": plan.noise_kind,
            "noise_level": run.noise_level,
            "seed": run.seed,
            "split": plan.split if isinstance(plan, TunedPlan) else 0,
            "status": "failed" if outcome.failure else "ok",
            "failure": outcome.failure,
            "metrics": found.metrics if found else {},
            "validation_epoch": outcome.validation_epoch,
            "class_hits": found.class_hits if found else [],
            "class_queries": found.class_queries if found else [],
            "hubness": found.hubness if found else None,
            "noise_realised": outcome.noise_realised,
            "noise_sha256": outcome.noise_sha256,
            "data_sha256": outcome.data_sha256,
            "config_sha256": run.config_sha256,
            "loss_sha256": plan.loss_sha256,
            "target": plan.target,
            "hyperparameters": dict(sorted(plan.hyperparameters.items())),
            "recipe": plan.recipe.model_dump(mode="json"),
            "versions": libraries,
        }
        | _asked_for_now(run)
        | (outcome.more or {})
    )


def _asked_for_now(run: Run[Any]) -> dict[str, Any]:
    plan = run.plan
    return {
        "hyperparameter_source": plan.hyperparameter_source,
        "search": plan.search if isinstance(plan, TunedPlan) else None,
    }


def cached_runs(runs: Iterable[Run[P_co]], data: str, code: str, versions: dict[str, str]) -> list[CachedRun[P_co]]:
    """The places of runs in the cache.

    Args:
        runs: the runs.
        data: digest of the data that they read.
        code: digest of the code that computes them.
        versions: of the libraries that they are computed with.
    """
    return [CachedRun(run, sha256_value([data, code, versions, run.config_sha256]), versions) for run in runs]


Execute = Callable[[Sequence[int]], Iterator[tuple[int, Outcome, float, str]]]
"""Runs the runs with these numbers; yields number, outcome, seconds and kind of processor of each as it ends."""


def run_missing(
    places: Sequence[CachedRun[Any]], execute: Execute, on_finished: Callable[[int, Finished], None]
) -> list[Finished]:
    """Take finished runs from the cache, and run the others.

    Args:
        places: all runs of a stage.
        execute: runs those of these numbers.
        on_finished: called with the number of a run and what it left, as soon as it is in the cache.

    Returns:
        What each left, in their order.
    """
    finished = {number: found for number, place in enumerate(places) if (found := place.find()) is not None}
    missing = [number for number in range(len(places)) if number not in finished]
    for number, outcome, seconds, processor in execute(missing):
        finished[number] = places[number].add(outcome, seconds, processor)
        on_finished(number, finished[number])
    return [finished[number] for number in range(len(places))]


def alone_in_runs(name: str, places: Sequence[CachedRun[Any]], console: Console) -> AbstractContextManager[None]:
    """The runs of a stage that no other process computes at the same time; nothing is waited for where all are cached."""
    missing = [place.run.plan.regime for place in places if not place.path.is_file()]
    return alone(folder_of(missing[0]) / LOCKS_FOLDER / f"{name}.lock", console) if missing else nullcontext()


def clear(dataset: str, loss: str, regime: Regime = "frozen") -> None:
    """Delete what the cache holds of a loss on a data set, so that it is run anew."""
    delete_files(_folder(dataset, loss, regime), "*.json", "*.safetensors")


def _folder(dataset: str, loss: str, regime: Regime) -> Path:
    return folder_of(regime) / RUN_CACHE_FOLDER / f"{dataset}-{loss}"
