"""Plans of fine-tuning: what each row of ``pipelines/published/params.yaml`` runs, resolved from its recipe."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from suite.settings.benchmarks import BENCHMARKS_FILE, Benchmark, BenchmarkCell, BenchmarkSettings
from suite.settings.plans import Plan
from suite.training.planner import RUN_CODE
from suite.settings.paper_recipes import Backbone, PublishedRecipe, PublishedSettings, find_published
from suite.settings.params import LossSettings
from suite.errors import SuiteError
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
from suite.training.whole_network.networks import check_architecture

FINETUNING_CODE = (
    *(part for part in RUN_CODE if part not in {"data/features.py", "data/split.py"}),
    "data/archives/cache.py",
    "data/archives/dataset.py",
)
"""Code below ``suite/`` that the outcome of a fine-tuning depends on, besides that of its loss."""

_SUITE = Path(__file__).parents[2]
_PROBED_CLASSES = 4


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


def write_benchmark_plans(settings: BenchmarkSettings) -> None:
    """Check all recipes and losses, then write a plan for each row.

    Raises:
        SuiteError: anything is wrong; nothing was written then.
    """
    plans = [plan_benchmark(settings, dataset, name) for dataset, name in settings.named_rows]
    for plan in plans:
        write_json(BenchmarkCell(plan.dataset, plan.loss, 0).plan, plan.as_dict())


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
