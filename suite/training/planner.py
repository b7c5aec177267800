"""Plans: what each cell of the grid runs, resolved from ``params.yaml``, tuned recipes and the losses' own values.

Everything is checked first; after an error nothing has been written.
"""

import itertools
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from pydantic import ValidationError

from suite.settings.plans import (
    PLAN_FOLDER,
    CellPlan,
    Search,
    cell_plan_path,
    geometry_plan_path,
    published_plan_path,
    search_plan_path,
    write_cell,
)
from suite.training.tuning.folds import least_training
from suite.training.user_files import update_own
from suite.settings.reading import explain
from suite.settings.params import PARAMS_FILE, DatasetSettings, LossSettings, Recipe, Settings
from suite.settings.tuned_recipes import applicable_recipe
from suite.data.catalog import check_name, verified
from suite.data.split import cut_classes, num_training_classes
from suite.errors import SuiteError, allowed
from suite.training.weights import weights_path
from suite.files import write_json
from suite.hashing import sha256_source, sha256_value
from suite.losses.probe import probe
from suite.losses.paper_values import published_values
from suite.losses.registry import (
    BUILT_IN,
    TRAINING_SETTINGS,
    Hyperparameters,
    LossEntry,
    build_loss,
    check_hyperparameters,
    find_loss,
)

_SUITE = Path(__file__).parents[1]
LEAST_CLASSES = 2
"""Of a batch: a loss that compares classes has nothing to do on one."""
RUN_CODE = (
    "training",
    "losses/registry.py",
    "losses/mined.py",
    "losses/signature.py",
    "losses/target.py",
    "randomness.py",
    "data/features.py",
    "data/noise.py",
    "data/split.py",
    "evaluation/retrieval.py",
)
"""Code below ``suite/`` that the outcome of a run depends on, besides that of its loss."""


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
class _Training:
    """The training half of a data set: number of classes, images a class on average and at most."""

    classes: int
    mean_images: float
    most_images: int


def dataset_plan_path(dataset: str) -> Path:
    """Plan file of a data set."""
    return PLAN_FOLDER / "datasets" / f"{dataset}.json"


def write_plans(settings: Settings) -> list[str]:
    """Check all settings, data, backbone weights and losses; then write a plan for each data set and each cell.

    Returns:
        Remarks for the user, such as tuned recipes that are stale or copies among images of their own.

    Raises:
        SuiteError: anything is wrong; nothing was written then.
    """
    weights_path()
    own = update_own(settings)
    datasets = [plan_dataset(name, entry) for name, entry in settings.datasets.items()]
    losses = [find_loss(name, entry) for name, entry in settings.losses.items()]
    also = [_find_also(name, entry) for name, entry in settings.tuning.also.items()]
    planner = Planner(settings)
    cells = [planner.tuned(dataset, entry) for dataset in datasets for entry in losses]
    searches = [planner.searched(dataset, entry) for dataset in datasets for entry in losses + also]
    geometry = [
        planner.tuned(dataset, entry)
        for dataset in datasets
        for entry in losses + also
        if entry.name in settings.geometry.losses
    ]
    published = [
        planner.published(dataset, entry)
        for dataset in datasets
        for entry in losses
        if entry.name in settings.published
    ]
    shutil.rmtree(PLAN_FOLDER, ignore_errors=True)
    for dataset in datasets:
        write_json(dataset_plan_path(dataset.dataset), asdict(dataset))
    for cell, search in cells:
        write_cell(cell_plan_path(cell.dataset, cell.loss), cell, search)
    for cell, _ in geometry:
        write_cell(geometry_plan_path(cell.dataset, cell.loss), cell)
    for cell, search in searches:
        write_cell(search_plan_path(cell.dataset, cell.loss), cell, search)
    for cell in published:
        write_cell(published_plan_path(cell.dataset, cell.loss), cell)
    return own + list(dict.fromkeys(planner.remarks))


def _find_also(name: str, settings: LossSettings) -> LossEntry:
    """A loss that the grid does not run; an unknown one is blamed on the setting that names it."""
    if settings.target is None and name not in BUILT_IN:
        raise SuiteError(
            f"{PARAMS_FILE}: tuning.also.{name}: unknown loss; allowed: {allowed(BUILT_IN)}, "
            "or an entry with target: module:Class or path/file.py:Class"
        )
    return find_loss(name, settings)


def plan_dataset(name: str, settings: DatasetSettings) -> DatasetPlan:
    """Plan one data set, its file verified."""
    check_name(name, f"{PARAMS_FILE}: datasets")
    return DatasetPlan(name, verified(name).sha256, settings.max_classes)


class Planner:
    """Plans cells of one ``params.yaml``.

    Attributes:
        remarks: what the user should know about the plans made so far.
    """

    def __init__(self, settings: Settings) -> None:
        self.remarks: list[str] = []
        self._settings = settings
        self._code_sha256 = sha256_value([sha256_source(_SUITE / part) for part in RUN_CODE])

    def tuned(self, dataset: DatasetPlan, entry: LossEntry) -> tuple[CellPlan, Search | None]:
        """Plan a cell of the tuned track: the tuned recipe, under ``params`` of ``params.yaml``.

        Without a recipe in git the search space is left to the stage ``tune``.

        Raises:
            SuiteError: an unknown or refused hyper-parameter, a batch that the data set cannot fill, or a loss that does
                not give a finite scalar.
        """
        mine = self._settings.all_losses[entry.name]
        recipe = applicable_recipe(dataset.dataset, dataset.data_sha256, entry, self._settings, self.remarks)
        if recipe is not None:
            values = {**recipe.best, **mine.by_hand}
            check_hyperparameters(entry, mine.by_hand, f"{PARAMS_FILE}: losses.{entry.name}.params")
            check_hyperparameters(entry, recipe.best, f"tuned recipe of {entry.name} on {dataset.dataset}")
            return self._cell("tuned", dataset, entry, values, "search", recipe.validation_epoch), None
        plan, search = self.searched(dataset, entry)
        if search is not None and entry.name in self._settings.losses:
            self._check_folds(plan, dataset, search)
        self.remarks.append(f"{entry.name} on {dataset.dataset} {self._without_recipe(dataset, entry, search)}")
        return plan, search

    def _check_folds(self, plan: CellPlan, dataset: DatasetPlan, search: Search) -> None:
        """Check that a batch can be drawn while a fold of the training classes is held out."""
        classes, folds = training_half(dataset).classes, search.folds
        left = least_training(classes, folds)
        if left < LEAST_CLASSES:
            needed = next(count for count in itertools.count(classes) if least_training(count, folds) >= LEAST_CLASSES)
            raise SuiteError(
                f"{PARAMS_FILE}: datasets.{dataset.dataset} has {classes} training classes, too few to search {plan.loss} "
                f"with tuning.folds = {folds}; allowed: {needed} training classes or more"
            )
        if plan.recipe.classes_per_batch > left:
            raise self._too_large(
                "classes_per_batch",
                dataset,
                f"a search of {plan.loss} with tuning.folds = {folds} trains on {left} of {classes} training classes",
                left,
            )

    def _check_batch(self, recipe: Recipe, dataset: DatasetPlan) -> int:
        """Check that a P x K batch can be drawn; give the number of training classes."""
        half = training_half(dataset)
        if recipe.classes_per_batch > half.classes:
            found = f"{dataset.dataset} has {half.classes} training classes"
            raise self._too_large("classes_per_batch", dataset, found, half.classes)
        if recipe.samples_per_class > half.most_images:
            found = f"the largest training class of {dataset.dataset} has {half.most_images} images"
            raise self._too_large("samples_per_class", dataset, found, half.most_images)
        return half.classes

    def _too_large(self, setting: str, dataset: DatasetPlan, found: str, most: int) -> SuiteError:
        name = dataset.dataset
        mine = getattr(self._settings.datasets[name], setting)
        where = "recipe" if mine is None else f"datasets.{name}"
        value = getattr(self._settings.recipe_of(name), setting)
        elsewhere = f", for this data set alone as datasets.{name}.{setting}" if mine is None else ""
        return SuiteError(f"{PARAMS_FILE}: {where}.{setting} = {value}: {found}; allowed: 2 to {most}{elsewhere}")

    def _without_recipe(self, dataset: DatasetPlan, entry: LossEntry, search: Search | None) -> str:
        if search is None:
            return "has nothing to search and runs as it is"
        if entry.name in self._settings.losses:
            return f"has no tuned recipe: {search.trials} trials will search one"
        search_one = f"dvc repro pipelines/tuning/dvc.yaml:search-also@{dataset.dataset}-{entry.name} && suite adopt"
        return f"has no tuned recipe and is studied as it is; search one: {search_one}"

    def searched(self, dataset: DatasetPlan, entry: LossEntry) -> tuple[CellPlan, Search | None]:
        """Plan a cell without a tuned recipe, and the search for one; None if there is nothing to search.

        Raises:
            SuiteError: as ``tuned``.
        """
        mine = self._settings.all_losses[entry.name]
        check_hyperparameters(entry, mine.by_hand, f"{PARAMS_FILE}: losses.{entry.name}.params")
        plan = self._cell("tuned", dataset, entry, mine.by_hand, "params.yaml" if mine.by_hand else "defaults", None)
        space = {name: item for name, item in entry.space(mine).items() if name not in mine.by_hand}
        check_hyperparameters(entry, space, f"search space of {entry.name}")
        tuning = self._settings.tuning
        return plan, Search(space, mine.by_hand, tuning.trials, tuning.folds, tuning.noise) if space else None

    def published(self, dataset: DatasetPlan, entry: LossEntry) -> CellPlan:
        """Plan a cell of the published track: the values of the loss's paper as they stand.

        Raises:
            SuiteError: the loss declares none.
        """
        values = published_values(entry, training_half(dataset).mean_images)
        if values is None:
            declaring = [
                name
                for name, item in self._settings.losses.items()
                if getattr(find_loss(name, item).cls, "published", None)
            ]
            raise SuiteError(
                f"{PARAMS_FILE}: published.{entry.name}: this loss declares no published values; "
                f"allowed: {', '.join(declaring) or 'none of the losses named'}"
            )
        return self._cell("published", dataset, entry, values, "published", None)

    def _cell(
        self,
        track: str,
        dataset: DatasetPlan,
        entry: LossEntry,
        values: Hyperparameters,
        origin: str,
        validation_epoch: int | None,
    ) -> CellPlan:
        recipe = with_learning_rates(self._settings.recipe_of(dataset.dataset), values, entry.name)
        num_classes = self._check_batch(recipe, dataset)
        hyperparameters = {name: value for name, value in values.items() if name not in TRAINING_SETTINGS}
        loss = build_loss(entry, hyperparameters, num_classes, recipe.embedding_dim)
        probe(entry.name, loss, num_classes, recipe.embedding_dim)
        return CellPlan(
            track=track,  # type: ignore[arg-type]
            dataset=dataset.dataset,
            loss=entry.name,
            target=entry.target,
            source_sha256=entry.source_sha256,
            code_sha256=self._code_sha256,
            noise_kind=self._settings.noise.kind,
            seeds=self._settings.seeds,
            origin=origin,  # type: ignore[arg-type]
            hyperparameters=hyperparameters,
            recipe=recipe,
            validation_epoch=validation_epoch,
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


def with_values(plan: CellPlan, values: Hyperparameters) -> CellPlan:
    """A plan with these hyper-parameters, learning rates included, on top of its own."""
    others = {name: value for name, value in values.items() if name not in TRAINING_SETTINGS}
    recipe = with_learning_rates(plan.recipe, values, plan.loss)
    return replace(plan, hyperparameters=plan.hyperparameters | others, recipe=recipe)


@cache
def training_half(dataset: DatasetPlan) -> _Training:
    """Sizes of the training half of a verified data set."""
    labels = pq.read_table(verified(dataset.dataset).path, columns=["label"])["label"].to_numpy()
    kept: Iterable[int] = range(int(labels.max()) + 1)
    if dataset.max_classes is not None:
        kept = cut_classes(int(labels.max()) + 1, dataset.max_classes)
    classes = np.asarray(list(kept))
    training = num_training_classes(len(classes))
    sizes = np.bincount(labels)[classes[:training]]
    return _Training(training, float(sizes.mean()), int(sizes.max()))
