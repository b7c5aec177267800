"""``pipelines/published/params.yaml``: what is fine-tuned on the published data sets, and the plans that follow from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from suite.config.cells import Plan
from suite.config.grid import Cell
from suite.config.plan import RUN_CODE
from suite.config.published import Backbone, PublishedRecipe, PublishedSettings, find_published
from suite.config.settings import Count, LossSettings, Name, NoiseSettings, Scalar, Strict, explain
from suite.errors import SuiteError, allowed
from suite.files import read_json, write_json
from suite.hashing import sha256_source, sha256_value
from suite.losses.probe import probe
from suite.losses.registry import (
    TRAINING_SETTINGS,
    LossEntry,
    build_loss,
    check_hyperparameters,
    find_loss,
    load_target,
)
from suite.vision.backbones import check_architecture

BENCHMARKS_FILE = Path("pipelines/published/params.yaml")
BENCHMARKS_FOLDER = Path("published")
"""Holds what the pipeline of the published data sets leaves: plans, records, curves, times."""
PLANS_FOLDER = BENCHMARKS_FOLDER / "plans"
FINETUNING_CODE = (
    *(part for part in RUN_CODE if part not in {"features/store.py", "datasets/split.py"}),
    "finetuning",
    "vision",
    "features/backbone.py",
    "archives/cache.py",
    "archives/dataset.py",
)
"""Code below ``suite/`` that the outcome of a fine-tuning depends on, besides that of its loss."""

_SUITE = Path(__file__).parents[1]
_PROBED_CLASSES = 4


class Benchmark(Strict):
    """A row of the leaderboard: a recipe, and the loss if it is another one than the recipe's."""

    recipe: str
    """Name of a published recipe, or path of a .yaml file like those."""
    target: str | None = None
    """A loss in place of the recipe's: ``module:Class`` or ``path/file.py:Class``."""
    params: dict[str, Scalar] = Field(default_factory=dict)
    """Hyper-parameters of that loss, or those that differ from the recipe's."""


class BenchmarkSettings(Strict):
    """The whole of the file."""

    benchmarks: Annotated[dict[Literal["cub", "cars", "sop"], dict[Name, Benchmark]], Field(min_length=1)]
    """By data set, by name on the leaderboard."""
    noise: NoiseSettings
    seeds: Count
    precision: Literal["bfloat16", "float32"]
    """Of the network; the loss is in float32 always."""

    @field_validator("benchmarks", mode="before")
    @classmethod
    def _empty_entries(cls, entries: Any) -> Any:
        if isinstance(entries, dict):
            return {name: {} if value is None else value for name, value in entries.items()}
        return entries

    def rows(self, dataset: str) -> dict[str, Benchmark]:
        """The rows of a data set by name.

        Raises:
            SuiteError: there is none.
        """
        for name, rows in self.benchmarks.items():
            if name == dataset and rows:
                return rows
        raise SuiteError(f"{BENCHMARKS_FILE}: benchmarks has no row for {dataset!r}; allowed: {allowed(self.datasets)}")

    def row(self, dataset: str, name: str) -> Benchmark:
        """One row.

        Raises:
            SuiteError: there is none.
        """
        rows = self.rows(dataset)
        if name not in rows:
            raise SuiteError(f"{BENCHMARKS_FILE}: benchmarks.{dataset} has no {name!r}; allowed: {allowed(rows)}")
        return rows[name]

    @property
    def datasets(self) -> list[str]:
        """Data sets with a row."""
        return [dataset for dataset, rows in self.benchmarks.items() if rows]

    @property
    def losses(self) -> list[str]:
        """Names of all rows."""
        return list(dict.fromkeys(name for rows in self.benchmarks.values() for name in rows))


@dataclass(frozen=True, slots=True)
class FinetunePlan(Plan[PublishedSettings]):
    """What the runs of one (data set, row) share.

    Attributes:
        recipe_name: name or path of the recipe.
        backbone: name of the network and its dimension, as claims call it.
        precision: of the network.
    """

    recipe_name: str
    backbone: str
    precision: Literal["bfloat16", "float32"]

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "FinetunePlan":
        """The inverse of ``as_dict``."""
        return cls(**value | {"recipe": PublishedSettings.model_validate(value["recipe"])})


def load_benchmarks(path: Path = BENCHMARKS_FILE) -> BenchmarkSettings:
    """Read and check the settings file.

    Raises:
        SuiteError: it is missing, no YAML, or a setting is unknown or out of range.
    """
    if not path.is_file():
        raise SuiteError(f"settings file {path} is missing; run from the project's root")
    try:
        return BenchmarkSettings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise SuiteError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise SuiteError(explain(error, BenchmarkSettings, path)) from error


def benchmark_cells(settings: BenchmarkSettings) -> list[Cell]:
    """All train stages, in the order of the file."""
    return [
        benchmark_cell(dataset, name, level)
        for dataset, rows in settings.benchmarks.items()
        for name in rows
        for level in settings.noise.levels
    ]


def benchmark_cell(dataset: str, name: str, level: float) -> Cell:
    """The train stage of a row at one noise level."""
    return Cell(f"{dataset}-{name}-{level:g}", PLANS_FOLDER / f"{dataset}-{name}.json", (level,))


def write_benchmark_plans(settings: BenchmarkSettings) -> None:
    """Check all recipes and losses, then write a plan for each row.

    Raises:
        SuiteError: anything is wrong; nothing was written then.
    """
    plans = [plan_benchmark(settings, dataset, name) for dataset, rows in settings.benchmarks.items() for name in rows]
    for plan in plans:
        write_json(benchmark_cell(plan.dataset, plan.loss, 0).plan, plan.as_dict())


def read_benchmark_plan(path: Path) -> FinetunePlan:
    """Read a plan file.

    Raises:
        SuiteError: it is missing.
    """
    if not path.is_file():
        raise SuiteError(
            f"plan {path} is missing: name its data set and row in {BENCHMARKS_FILE}, then: suite plan --published"
        )
    return FinetunePlan.from_dict(read_json(path))


def plan_benchmark(settings: BenchmarkSettings, dataset: str, name: str) -> FinetunePlan:
    """Resolve one row.

    Raises:
        SuiteError: the recipe is not for this data set or cannot be run, or the loss refuses its hyper-parameters.
    """
    row = settings.row(dataset, name)
    where = f"{BENCHMARKS_FILE}: benchmarks.{dataset}.{name}"
    try:
        recipe = _resolve(row, find_published(row.recipe), dataset, name)
        check_architecture(recipe.backbone)
    except SuiteError as error:
        raise SuiteError(f"{where}: {error}") from error
    entry = _entry(row, recipe, name, where)
    check_hyperparameters(entry, recipe.loss.hyperparameters, f"{where}.params")
    for setting in TRAINING_SETTINGS:
        if setting in recipe.loss.hyperparameters:
            raise SuiteError(f"{where}.params.{setting}: learning rates stand in the recipe; allowed: the loss's own")
    loss = build_loss(entry, recipe.loss.hyperparameters, _PROBED_CLASSES, recipe.backbone.embedding_dim)
    probe(name, loss, _PROBED_CLASSES, recipe.backbone.embedding_dim)
    return FinetunePlan(
        track="published",
        dataset=dataset,
        loss=name,
        target=entry.target,
        source_sha256=entry.source_sha256,
        code_sha256=sha256_value([sha256_source(_SUITE / part) for part in FINETUNING_CODE]),
        noise_kind=settings.noise.kind,
        seeds=settings.seeds,
        origin="published",
        hyperparameters=dict(recipe.loss.hyperparameters),
        recipe=recipe,
        recipe_name=row.recipe,
        backbone=backbone_name(recipe.backbone),
        precision=settings.precision,
    )


def _resolve(row: Benchmark, recipe: PublishedRecipe, dataset: str, name: str) -> PublishedSettings:
    settings = recipe.for_dataset(dataset)
    if row.target is None and not row.params:
        return settings
    base = {} if row.target else settings.loss.hyperparameters
    loss = {"name": name if row.target else settings.loss.name, "hyperparameters": base | row.params}
    return PublishedSettings.model_validate(settings.model_dump(mode="json") | {"loss": loss})


def _entry(row: Benchmark, recipe: PublishedSettings, name: str, where: str) -> LossEntry:
    if row.target is not None:
        return load_target(name, row.target, f"{where}.target")
    return find_loss(recipe.loss.name, LossSettings())


def backbone_name(settings: Backbone) -> str:
    """Name of a network with its dimension, as claims and the paper's tables have it, e.g. ``resnet50_512``."""
    names = {"vit_small_patch16_224": "vits16"}
    name = names.get(settings.architecture, settings.architecture)
    of_dino = settings.weights is not None and settings.weights.endswith(".dino")
    return f"{'dino_' if of_dino else ''}{name}_{settings.embedding_dim}"
