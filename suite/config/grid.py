"""The grid: what the train stages run, and the names of their record files."""

from dataclasses import dataclass
from pathlib import Path

from suite.config.cells import tuned_plan_path
from suite.config.settings import Settings

RECORDS_FOLDER = Path("records")
"""Records of the runs, one file a train stage."""


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


def cells_of(settings: Settings) -> list[Cell]:
    """All train stages, in the order of ``params.yaml``."""
    return [
        Cell(dataset, loss, level)
        for dataset in settings.datasets
        for loss in settings.losses
        for level in settings.noise.levels
    ]
