"""The grid: what the train stages run, and where they leave it."""

from dataclasses import dataclass
from pathlib import Path

from suite.settings.plans import tuned_plan_path
from suite.settings.params import Settings

RUNS_FOLDER = Path("runs")
"""Holds a folder for each train stage."""
RECORDS_NAME = "records.jsonl"
"""A row for each run."""
CURVES_NAME = "curves.jsonl"
"""The mean training loss of each epoch of each run."""
EMBEDDINGS_NAME = "embeddings.safetensors"
"""The embeddings of the test classes, of the first seed."""


def runs_folder(name: str, root: Path = Path()) -> Path:
    """Folder of what the runs of a stage of that name left below ``root``."""
    return root / RUNS_FOLDER / name


@dataclass(frozen=True, slots=True)
class Cell:
    """A train stage of the tuned track: one data set, loss and noise level, all seeds."""

    dataset: str
    loss: str
    level: float

    @property
    def name(self) -> str:
        """Of its outputs, e.g. ``emoji-pfml-0.2``."""
        return f"{self.dataset}-{self.loss}-{self.level:g}"

    @property
    def plan(self) -> Path:
        """File of its plan."""
        return tuned_plan_path(self.dataset, self.loss)

    @property
    def folder(self) -> Path:
        """What its runs left."""
        return runs_folder(self.name)


def cells_of(settings: Settings) -> list[Cell]:
    """All train stages, in the order of ``params.yaml``."""
    return [
        Cell(dataset, loss, level)
        for dataset in settings.datasets
        for loss in settings.losses
        for level in settings.noise.levels
    ]
