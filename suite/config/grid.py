"""The grid: what the train stages run, and the names of their record files."""

from dataclasses import dataclass
from pathlib import Path

from suite.config.cells import tuned_plan_path
from suite.config.settings import Settings

RECORDS_FOLDER = Path("records")
"""Records of the runs, one file a train stage."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A train stage.

    Attributes:
        name: of its outputs, e.g. ``emoji-pfml-0.2``.
        plan: file of its plan.
        levels: noise levels that it runs, with all seeds.
    """

    name: str
    plan: Path
    levels: tuple[float, ...]


def tuned_cell(dataset: str, loss: str, level: float) -> Cell:
    """The tuned track: one stage a noise level."""
    return Cell(f"{dataset}-{loss}-{level:g}", tuned_plan_path(dataset, loss), (level,))


def cells_of(settings: Settings) -> list[Cell]:
    """All train stages, in the order of ``params.yaml``."""
    return [
        tuned_cell(dataset, loss, level)
        for dataset in settings.datasets
        for loss in settings.losses
        for level in settings.noise.levels
    ]
