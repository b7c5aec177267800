"""The grid: one cell a (data set, loss, noise level), all seeds inside."""

from dataclasses import dataclass
from pathlib import Path

from suite.config.settings import Settings

RECORDS_FOLDER = Path("records")
"""Records of the runs, one file a cell."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A place in the grid."""

    dataset: str
    loss: str
    noise_level: float

    @property
    def name(self) -> str:
        """File name of its outputs, e.g. ``emoji-pfml-0.2``."""
        return f"{self.dataset}-{self.loss}-{self.noise_level:g}"


def cells_of(settings: Settings) -> list[Cell]:
    """All cells, in the order of ``params.yaml``."""
    return [
        Cell(dataset, loss, level)
        for dataset in settings.datasets
        for loss in settings.losses
        for level in settings.noise.levels
    ]
