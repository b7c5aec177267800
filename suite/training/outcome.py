"""What a run is and what it leaves behind; read and written by processes that train nothing and do not load torch."""

import json
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, TypeVar

from suite.settings.plans import Plan
from suite.settings.grid import RECORDS_NAME, Cell
from suite.hashing import sha256_value

VERSIONED = ("torch", "numpy", "faiss-cpu", "pytorch-metric-learning")

P_co = TypeVar("P_co", bound=Plan[Any], covariant=True)


@dataclass(frozen=True, slots=True)
class Run(Generic[P_co]):
    """One (noise level, seed) of a plan.

    Attributes:
        plan: what is trained, and how.
        noise_level: label noise of the training labels.
        seed: from 0.
        embeddings: where to keep the embeddings of the test classes, None to drop them.
        label: what tells it from other runs of its stage besides noise and seed, if anything.
    """

    plan: P_co
    noise_level: float
    seed: int
    embeddings: Path | None = None
    label: str = ""

    @property
    def group(self) -> str:
        """What the runs that differ in their seeds alone share, e.g. ``noise 0.2``."""
        return self.label or f"noise {self.noise_level:g}"

    @property
    def name(self) -> str:
        """A short name within its stage, e.g. ``noise 0.2 seed 3``."""
        return f"{self.group} seed {self.seed}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run leaves behind.

    Attributes:
        record: one row for the leaderboard: configuration, hashes, status, metrics.
        curve: mean training loss of each epoch.
        seconds: wall-clock time, kept apart from the record, which must not depend on it.
    """

    record: dict[str, Any]
    curve: list[float]
    seconds: float


def config_sha256(run: Run[Plan[Any]]) -> str:
    """Digest of all settings that a run depends on: how many other seeds there are is none of them."""
    plan = {name: value for name, value in run.plan.as_dict().items() if name not in {"seeds", "origin"}}
    return sha256_value([plan, run.noise_level, run.seed])


def versions() -> dict[str, str]:
    """Versions of Python and the libraries that a result depends on."""
    return {"python": platform.python_version()} | {name: version(name) for name in VERSIONED}


def is_done(cell: Cell, plan: Plan[Any]) -> bool:
    """Whether the records of a cell were made by this plan."""
    path = cell.folder / RECORDS_NAME
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    if len(lines) != plan.seeds:
        return False
    return bool(json.loads(lines[0])["config_sha256"] == config_sha256(Run(plan, cell.level, 0)))
