"""What the runs of a (data set, loss) share, as plain files between the stages.

``plan/cells/D-L.json`` says how a cell is to be run and, where no tuned recipe stands, what is to be searched first.
``tuned/D-L/plan.json`` and ``plan/published/D-L.json`` are complete: train stages depend on such a file and on the features
only, so it holds all else that their runs depend on, digests of code included.
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from suite.settings.params import Recipe
from suite.errors import SuiteError
from suite.files import write_json

PLAN_FOLDER = Path("plan")
TUNED_FOLDER = Path("tuned")

Hyperparameters = dict[str, Any]
Track = Literal["tuned", "published", "ablation"]
Origin = Literal["search", "params.yaml", "defaults", "published"]


R_co = TypeVar("R_co", bound=BaseModel, covariant=True)


@dataclass(frozen=True, slots=True)
class Plan(Generic[R_co]):
    """What the runs of one (track, data set, loss) share, whatever they train.

    Attributes:
        track: "tuned": values found with an equal budget; "published": the paper's as they stand; "ablation".
        dataset: name of the data set.
        loss: name of the loss.
        target: where its class is found.
        source_sha256: digest of the code that defines it.
        code_sha256: digest of the code that trains and evaluates it.
        noise_kind: kind of label noise.
        seeds: number of seeds.
        origin: where its hyper-parameters come from; "search" whether its recipe stands in git or was just found.
        hyperparameters: constructor arguments that differ from the class's defaults.
        recipe: training settings, learning rates resolved.
    """

    track: Track
    dataset: str
    loss: str
    target: str
    source_sha256: str
    code_sha256: str
    noise_kind: str
    seeds: int
    origin: Origin
    hyperparameters: Hyperparameters
    recipe: R_co

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return plain | {
            "hyperparameters": dict(sorted(self.hyperparameters.items())),
            "recipe": self.recipe.model_dump(mode="json"),
        }


@dataclass(frozen=True, slots=True)
class CellPlan(Plan[Recipe]):
    """A plan of heads trained on frozen features.

    Attributes:
        validation_epoch: the epoch that was best on validation classes during the search, None if nothing was searched.
    """

    validation_epoch: int | None = None

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "CellPlan":
        """The inverse of ``as_dict``."""
        return cls(**value | {"recipe": Recipe.model_validate(value["recipe"])})


@dataclass(frozen=True, slots=True)
class Search:
    """A search that a cell waits for.

    Attributes:
        space: hyper-parameters to search, as declared.
        by_hand: values that are set and not searched, learning rates included.
        trials: number of trials.
        folds: number of folds of the training classes.
        noise: label noise of the classes that train.
    """

    space: dict[str, dict[str, Any]]
    by_hand: Hyperparameters
    trials: int
    folds: int
    noise: float = 0.0


def cell_plan_path(dataset: str, loss: str) -> Path:
    """Plan file of a cell, before tuning."""
    return PLAN_FOLDER / "cells" / f"{dataset}-{loss}.json"


def search_plan_path(dataset: str, loss: str) -> Path:
    """Plan file of a search that is asked for by name."""
    return PLAN_FOLDER / "searches" / f"{dataset}-{loss}.json"


def tuned_plan_path(dataset: str, loss: str) -> Path:
    """Plan file of a cell of the tuned track, complete."""
    return TUNED_FOLDER / f"{dataset}-{loss}" / "plan.json"


def published_plan_path(dataset: str, loss: str) -> Path:
    """Plan file of a cell of the published track, complete."""
    return PLAN_FOLDER / "published" / f"{dataset}-{loss}.json"


def geometry_plan_path(dataset: str, loss: str) -> Path:
    """Plan file of a loss whose geometry is studied, complete."""
    return PLAN_FOLDER / "geometry" / f"{dataset}-{loss}.json"


def write_cell(path: Path, plan: CellPlan, search: Search | None = None) -> None:
    """Write a plan file."""
    write_json(path, {"plan": plan.as_dict(), "search": None if search is None else asdict(search)})


def read_cell(path: Path) -> tuple[CellPlan, Search | None]:
    """Read a plan file.

    Raises:
        SuiteError: it is missing.
    """
    if not path.is_file():
        raise SuiteError(f"plan {path} is missing: name its data set and loss in params.yaml, then run: dvc repro")
    value = json.loads(path.read_text())
    return CellPlan.from_dict(value["plan"]), None if value["search"] is None else Search(**value["search"])
