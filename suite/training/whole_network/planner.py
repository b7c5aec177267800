"""Plans of whole networks: what each row of ``pipelines/benchmarks/params.yaml`` runs, resolved from its recipe."""

from pathlib import Path

from pydantic import ValidationError

from suite.data.noise import KINDS, OF_FEATURES
from suite.data.noise_lists import LISTED_KINDS, load_noise_list
from suite.errors import SuiteError, allowed
from suite.files import read_json, write_json
from suite.hashing import sha256_code
from suite.losses.build import TRAINING_SETTINGS
from suite.losses.probe import probe
from suite.losses.registry import LossEntry, check_hyperparameters, load_target, target_of
from suite.settings.benchmarks import Benchmark, BenchmarkSettings, WholeNetworkPlan, benchmark_plan_path
from suite.settings.paper_recipes import PaperRecipe, RecipeSettings, find_paper_recipe
from suite.settings.params import LossSettings
from suite.settings.paths import BENCHMARKS_FILE
from suite.settings.reading import damage
from suite.training.user_files import update_benchmark_files
from suite.training.whole_network import run
from suite.training.whole_network.networks import check_architecture

_PROBED_CLASSES = 4


def network_code_sha256() -> str:
    """Digest of the code that decides the outcome of runs of whole networks, without that of their losses."""
    return sha256_code(Path(str(run.__file__)))


def write_benchmark_plans(settings: BenchmarkSettings) -> None:
    """Check all recipes and losses, then write a plan for each row.

    Raises:
        SuiteError: anything is wrong; no plan was written then.
    """
    _check_noise_kind(settings.noise.kind)
    update_benchmark_files(settings)
    plans = [plan_benchmark(settings, dataset, name) for dataset, name in settings.named_rows]
    for plan in plans:
        write_json(benchmark_plan_path(plan.dataset, plan.loss), plan.as_dict())


def read_benchmark_plan(dataset: str, row: str) -> WholeNetworkPlan:
    """Read the plan of a row.

    Raises:
        SuiteError: it is missing or damaged.
    """
    path = benchmark_plan_path(dataset, row)
    if not path.is_file():
        raise SuiteError(
            f"plan {path} is missing: name its data set and row in {BENCHMARKS_FILE}, then: suite plan --benchmarks"
        )
    cure = "delete it, then run: suite plan --benchmarks"
    try:
        plan = WholeNetworkPlan.from_dict(read_json(path, cure))
    except ValidationError as error:
        raise SuiteError(f"plan {path} is damaged: {damage(error)}; {cure}") from error
    if (plan.dataset, plan.loss) != (dataset, row):
        raise SuiteError(f"plan {path} is damaged: it is of {plan.loss} on {plan.dataset}; {cure}")
    return plan


def plan_benchmark(settings: BenchmarkSettings, dataset: str, name: str) -> WholeNetworkPlan:
    """Resolve one row.

    Raises:
        SuiteError: the recipe is not for this data set or cannot be run, or the loss refuses its hyper-parameters.
    """
    row = settings.row(dataset, name)
    where = f"{BENCHMARKS_FILE}: benchmarks.{dataset}.{name}"
    try:
        recipe = _resolve(row, find_paper_recipe(row.recipe), dataset, name)
        check_architecture(recipe.backbone)
    except SuiteError as error:
        raise SuiteError(f"{where}: {error}") from error
    entry = _entry(row, recipe, name, where)
    check_hyperparameters(entry, recipe.loss.hyperparameters, f"{where}.params")
    for setting in TRAINING_SETTINGS:
        if setting in recipe.loss.hyperparameters:
            raise SuiteError(
                f"{where}.params.{setting}: learning rates belong in the recipe; "
                "params takes the loss's hyper-parameters only"
            )
    loss = entry.build(recipe.loss.hyperparameters, _PROBED_CLASSES, recipe.backbone.embedding_dim)
    if recipe.optimiser.proxy_learning_rate_factor is None and any(True for _ in loss.parameters()):
        raise SuiteError(
            f"{where}: loss {entry.target} has parameters, such as proxies, and recipe {row.recipe} has "
            "optimiser.proxy_learning_rate_factor: null; allowed: a recipe with a number above 0 there"
        )
    probe(entry.place, loss, _PROBED_CLASSES, recipe.backbone.embedding_dim)
    return WholeNetworkPlan(
        regime="published",
        track="paper_values",
        dataset=dataset,
        backbone=recipe.backbone.name,
        loss=name,
        target=entry.target,
        loss_sha256=entry.sha256,
        code_sha256=network_code_sha256(),
        noise_kind=settings.noise.kind,
        noise_levels=settings.noise.levels,
        seeds=settings.seeds,
        hyperparameter_source="paper",
        hyperparameters=dict(recipe.loss.hyperparameters),
        recipe=recipe,
        recipe_name=row.recipe,
        precision=settings.precision,
        noise_lists=_noise_lists(settings, dataset),
    )


def _check_noise_kind(kind: str) -> None:
    can = [*sorted(KINDS.keys() - OF_FEATURES), *LISTED_KINDS]
    if kind not in can:
        why = ": benchmarks have no frozen features" if kind in OF_FEATURES else " is no noise kind"
        raise SuiteError(f"{BENCHMARKS_FILE}: noise.kind = {kind!r}{why}; allowed: {allowed(can)}")


def _noise_lists(settings: BenchmarkSettings, dataset: str) -> dict[str, str]:
    """Digests of the lists that a data set's labels come from, by level; none where noise is drawn."""
    if settings.noise.kind not in LISTED_KINDS:
        return {}
    try:
        return {
            f"{level:g}": load_noise_list(dataset, settings.noise.kind, level).labels_sha256
            for level in settings.noise.levels
            if level
        }
    except SuiteError as error:
        raise SuiteError(f"{BENCHMARKS_FILE}: {error}") from error


def _resolve(row: Benchmark, recipe: PaperRecipe, dataset: str, name: str) -> RecipeSettings:
    settings = recipe.for_dataset(dataset)
    if row.target is None and not row.params:
        return settings
    base = {} if row.target else settings.loss.hyperparameters
    loss = {"name": name if row.target else settings.loss.name, "hyperparameters": base | row.params}
    return RecipeSettings.model_validate(settings.model_dump(mode="json") | {"loss": loss})


def _entry(row: Benchmark, recipe: RecipeSettings, name: str, where: str) -> LossEntry:
    if row.target is not None:
        return load_target(name, row.target, f"{where}.target")
    return load_target(recipe.loss.name, target_of(recipe.loss.name, LossSettings()), entry=where)
