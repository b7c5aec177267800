"""Plans: what each cell of the grid runs, resolved from ``params.yaml``, tuned recipes and the losses' defaults.

A cell is a (data set, loss) pair. Its plan holds every value that its runs depend on besides noise and seed, so that DVC
reruns a cell when its plan changes and leaves the others alone. Writing the plans checks everything first: after an error
nothing has been written.
"""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from pydantic import ValidationError

from suite.config.own import update_own
from suite.config.settings import PARAMS_FILE, DatasetSettings, Recipe, Settings, explain
from suite.config.tuned import tuned_values
from suite.datasets.catalog import check_name, verified
from suite.datasets.table import cut_classes, num_training_classes
from suite.errors import SuiteError
from suite.features.weights import weights_path
from suite.files import write_json
from suite.losses.probe import probe
from suite.losses.registry import (
    TRAINING_SETTINGS,
    Hyperparameters,
    LossEntry,
    build_loss,
    check_hyperparameters,
    find_loss,
)

PLAN_FOLDER = Path("plan")


@dataclass(frozen=True, slots=True)
class DatasetPlan:
    """A verified data set.

    Attributes:
        dataset: its name.
        data_sha256: digest of its file.
        max_classes: the cut, or None for all classes.
    """

    dataset: str
    data_sha256: str
    max_classes: int | None


@dataclass(frozen=True, slots=True)
class CellPlan:
    """What the runs of one (data set, loss) cell share.

    Attributes:
        dataset: name of the data set.
        loss: name of the loss.
        target: where its class is found.
        source_sha256: digest of the code that defines it.
        hyperparameters: constructor arguments that differ from the class's defaults.
        tuned: whether a tuned recipe was used.
        recipe: training settings, learning rates resolved.
    """

    dataset: str
    loss: str
    target: str
    source_sha256: str
    hyperparameters: Hyperparameters
    tuned: bool
    recipe: Recipe

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {field: getattr(self, field) for field in self.__slots__} | {"recipe": self.recipe.model_dump()}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "CellPlan":
        """The inverse of ``as_dict``."""
        return cls(**value | {"recipe": Recipe.model_validate(value["recipe"])})


def dataset_plan_path(dataset: str) -> Path:
    """Plan file of a data set."""
    return PLAN_FOLDER / "datasets" / f"{dataset}.json"


def cell_plan_path(dataset: str, loss: str) -> Path:
    """Plan file of a cell."""
    return PLAN_FOLDER / "cells" / f"{dataset}-{loss}.json"


def write_plans(settings: Settings) -> list[str]:
    """Check all settings, data, backbone weights and losses; then write a plan for each data set and each cell.

    Returns:
        Remarks for the user, such as tuned recipes that are stale or copies among images of their own.

    Raises:
        SuiteError: anything is wrong; nothing was written then.
    """
    weights_path()
    remarks = update_own(settings)
    datasets = [plan_dataset(name, entry) for name, entry in settings.datasets.items()]
    losses = [find_loss(name, entry) for name, entry in settings.losses.items()]
    cells = [plan_cell(settings, dataset, entry, remarks) for dataset in datasets for entry in losses]
    shutil.rmtree(PLAN_FOLDER, ignore_errors=True)
    for dataset in datasets:
        write_json(dataset_plan_path(dataset.dataset), asdict(dataset))
    for cell in cells:
        write_json(cell_plan_path(cell.dataset, cell.loss), cell.as_dict())
    return remarks


def plan_dataset(name: str, settings: DatasetSettings) -> DatasetPlan:
    """Plan one data set, its file verified."""
    check_name(name, f"{PARAMS_FILE}: datasets")
    return DatasetPlan(name, verified(name).sha256, settings.max_classes)


def plan_cell(settings: Settings, dataset: DatasetPlan, entry: LossEntry, remarks: list[str]) -> CellPlan:
    """Plan one cell: class defaults, then the tuned recipe, then ``params`` of ``params.yaml``.

    Raises:
        SuiteError: an unknown or refused hyper-parameter, a batch that the data set cannot fill, or a loss that does not
            give a finite scalar.
    """
    by_hand = settings.losses[entry.name].by_hand
    check_hyperparameters(entry, by_hand, f"{PARAMS_FILE}: losses.{entry.name}.params")
    tuned = tuned_values(dataset, entry, settings.losses[entry.name].search, remarks)
    check_hyperparameters(entry, tuned or {}, f"tuned recipe of {entry.name} on {dataset.dataset}")
    values = {**(tuned or {}), **by_hand}
    recipe = with_learning_rates(settings.recipe, values, entry.name)
    num_classes = _check_batch(recipe, dataset)
    hyperparameters = {name: value for name, value in values.items() if name not in TRAINING_SETTINGS}
    probe(
        entry.name,
        build_loss(entry, hyperparameters, num_classes, recipe.embedding_dim),
        num_classes,
        recipe.embedding_dim,
    )
    return CellPlan(
        dataset.dataset, entry.name, entry.target, entry.source_sha256, hyperparameters, tuned is not None, recipe
    )


def with_learning_rates(recipe: Recipe, values: Hyperparameters, loss: str) -> Recipe:
    """The recipe with a loss's learning rates in place of the general ones.

    Raises:
        SuiteError: a learning rate is not a positive number.
    """
    rates = {name: values[name] for name in TRAINING_SETTINGS if name in values}
    try:
        return Recipe.model_validate(recipe.model_dump() | rates)
    except ValidationError as error:
        raise SuiteError(explain(error, Recipe, PARAMS_FILE, f"losses.{loss}.params")) from error


def _check_batch(recipe: Recipe, dataset: DatasetPlan) -> int:
    """Check that a P x K batch can be drawn; give the number of training classes."""
    labels = pq.read_table(verified(dataset.dataset).path, columns=["label"])["label"].to_numpy()
    num_classes = int(labels.max()) + 1
    if dataset.max_classes is not None:
        num_classes = len(cut_classes(num_classes, dataset.max_classes))
    training = num_training_classes(num_classes)
    largest = int(np.bincount(labels[labels < training]).max())
    where = f"{PARAMS_FILE}: recipe"
    if recipe.classes_per_batch > training:
        raise SuiteError(
            f"{where}.classes_per_batch = {recipe.classes_per_batch}: {dataset.dataset} has {training} training classes; "
            f"allowed: 2 to {training}"
        )
    if recipe.samples_per_class > largest:
        raise SuiteError(
            f"{where}.samples_per_class = {recipe.samples_per_class}: the largest training class of {dataset.dataset} has "
            f"{largest} images; allowed: 2 to {largest}"
        )
    return training
