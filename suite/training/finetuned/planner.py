"""Plans of the regime: for each data set what its views are made from, for each loss what is searched and run."""

import copy
import os
import time
from pathlib import Path

import torch
from torch import nn

from suite.data.noise import check_kind
from suite.errors import Problems, SuiteError
from suite.files import read_json
from suite.hashing import sha256_code
from suite.losses.registry import LossEntry
from suite.processes import limit_threads, worker_count
from suite.settings.finetuned import FinetunedRecipe, FinetunedSettings, SettingsOfRegime, ViewPlan
from suite.settings.params import Settings
from suite.settings.paths import FINETUNED_FILE, PARAMS_FILE, VIEW_PLAN
from suite.settings.plans import PlanKind, Planned, Regime
from suite.training.backbone import check_backbone, load_backbone
from suite.training.dataset_plan import DatasetPlan
from suite.training.finetuned import run
from suite.training.finetuned.images import has_gpu
from suite.training.finetuned.network import cut_backbone, whole_backbone
from suite.training.plan_checks import check_studied, extended_plans, for_all, sound_datasets, sound_losses
from suite.training.plan_files import remarks_on, write_all
from suite.training.planned_cost import cost, duration
from suite.training.planner import Planner
from suite.training.user_files import update_user_files

_SIDE = 96
"""Pixels of images at which a cut is tried."""
REGIME: Regime = "finetuned"
_WHOLE = f"{FINETUNED_FILE}: recipe.whole_network"
_TIMED = 60
"""Images by which the time of a run is estimated; in a step on a few, what a layer costs by itself counts too much."""


def finetuned_code_sha256() -> str:
    """Digest of the code that decides the outcome of runs on views, without that of their losses."""
    return sha256_code(Path(str(run.__file__)))


def write_finetuned_plans(settings: Settings, finetuned: FinetunedSettings) -> list[str]:
    """Check all settings, data, backbone and losses; then write the plans of all data sets and losses of ``params.yaml``.

    Returns:
        Remarks for the user.

    Raises:
        SuiteError: anything is wrong, all of it together; no plan was written then.
    """
    problems, remarks, timed = Problems(), list[str](), dict[str, float]()
    with problems:
        check_kind(settings.noise.kind, f"{PARAMS_FILE}: noise.kind")
        for kind in finetuned.extended.noise_kinds:
            check_kind(kind, f"{FINETUNED_FILE}: extended.noise_kinds")
    with problems:
        remarks = update_user_files(settings)
    mine = finetuned.within(settings)
    datasets = [] if problems.about("noise.kind") else sound_datasets(mine, problems)
    with problems:
        check_backbone(settings.backbone)
        timed = _check_network(mine, finetuned.recipe, datasets)
    losses, also = sound_losses(mine, problems)
    for entry in losses + also:
        with problems:
            _check_epochs(entry, mine, finetuned.recipe.warm_up_epochs)
    planner = Planner(mine, REGIME, finetuned_code_sha256())
    check_studied(losses + also, mine, problems)
    kinds: dict[PlanKind, list[list[Planned]]] = {
        "tuned": for_all(planner.tuned, datasets, losses, problems),
        "searches": for_all(planner.searched, datasets, losses + also, problems),
    }
    kinds["extended"] = extended_plans(planner.tuned, datasets, losses + also, mine, problems)
    problems.tell()
    views = {view_plan_path(dataset.dataset): _view_plan(mine, dataset).as_dict() for dataset in datasets}
    write_all(views, kinds, REGIME)
    notes = [
        *finetuned.unused(settings),
        *remarks_on(mine, datasets),
        *planner.not_varied(),
        *dict.fromkeys(planner.remarks),
    ]
    return [*remarks, *notes, cost(mine, datasets, kinds, timed)]


def _check_epochs(entry: LossEntry, settings: SettingsOfRegime, warm_up: int) -> None:
    """Check that blocks learn by the epochs that a loss has or searches in place of the recipe's.

    Raises:
        SuiteError: they would not.
    """
    mine = settings.all_losses[entry.name]
    searched = entry.space(mine).get("epochs", {})
    found = {
        "params": [mine.params["epochs"]] if "epochs" in mine.params else [],
        "search": searched.get("values", [searched["low"]] if "low" in searched else []),
    }
    for part, values in found.items():
        if short := [value for value in values if isinstance(value, int) and value <= warm_up]:
            raise SuiteError(
                f"{entry.place}.{part}.epochs = {short[0]}: no block would learn, since "
                f"recipe.warm_up_epochs of {FINETUNED_FILE} is {warm_up}; allowed: above {warm_up}"
            )


def _check_network(
    settings: SettingsOfRegime, recipe: FinetunedRecipe, datasets: list[DatasetPlan]
) -> dict[str, float]:
    """Check that the blocks that learn are there, and that this machine can train them.

    Returns:
        Seconds of a run on each data set by a step that is timed on this processor; empty where a GPU trains.

    Raises:
        SuiteError: they are not, or it cannot.
    """
    backbone = load_backbone(settings.backbone)
    sides = {each.dataset: backbone.side or settings.datasets[each.dataset].side for each in datasets}
    side = max(sides.values(), default=_SIDE)
    if recipe.whole_network:
        parts: tuple[nn.Module, nn.Module] = nn.Identity(), whole_backbone(backbone, side, _WHOLE)
    else:
        parts = cut_backbone(backbone, side, recipe.cut, f"{FINETUNED_FILE}: recipe.cut")
    _check_memory(settings, *parts, side)
    if recipe.whole_network and has_gpu():
        return {}
    seconds = _seconds_of_runs(settings, datasets, *parts, sides)
    if recipe.whole_network is True:
        raise SuiteError(_without_gpu(settings, seconds))
    return seconds


def _seconds_of_runs(
    settings: SettingsOfRegime,
    datasets: list[DatasetPlan],
    standing: nn.Module,
    blocks: nn.Module,
    sides: dict[str, int],
) -> dict[str, float]:
    """Seconds of a run on each data set on one core, without its loss and its test, by a step that is timed."""
    limit_threads()  # as runs have it: the time of threads that wait for each other counts, too
    blocks = copy.deepcopy(blocks).requires_grad_()
    an_image = {side: _seconds_of_image(standing, blocks, side) for side in set(sides.values())}
    return {
        each.dataset: len(each.half.labels) * settings.recipe_of(each.dataset).epochs * an_image[sides[each.dataset]]
        for each in datasets
    }


def _seconds_of_image(standing: nn.Module, blocks: nn.Module, side: int) -> float:
    with torch.inference_mode():
        maps = standing(torch.rand(_TIMED, 3, side, side))
    maps = maps.clone()
    blocks(maps).sum().backward()
    started = time.process_time()
    blocks(maps).sum().backward()
    return (time.process_time() - started) / _TIMED


def _without_gpu(settings: SettingsOfRegime, seconds: dict[str, float]) -> str:
    """Why the whole network is not trained here, and how long it would take."""
    runs = len(settings.losses) * len(settings.noise.levels) * settings.seeds
    each_run = ", ".join(f"{name} {duration(value)}" for name, value in seconds.items())
    whole = f"the {runs * len(seconds)} runs without their searches {duration(runs * sum(seconds.values()))}"
    return (
        f"{_WHOLE} = true needs a GPU, and this machine has none; on one core of its processor a run would take about "
        f"{each_run}, and {whole}; allowed: false, on_cpu, or a machine with a GPU"
    )


def _check_memory(settings: SettingsOfRegime, standing: nn.Module, blocks: nn.Module, side: int) -> None:
    """Check that this machine can hold what a step keeps: the output of each layer that learns, and its gradient.

    Raises:
        SuiteError: it cannot, with as many processes as work at a time.
    """
    counts: list[int] = []
    leaves = [layer for layer in blocks.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(lambda *given: counts.append(given[2].numel())) for layer in leaves]
    with torch.inference_mode():
        blocks(standing(torch.zeros(1, 3, side, side)))
    for hook in hooks:
        hook.remove()
    image, recipe = 2 * 4 * sum(counts), settings.recipe
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    recipes = [recipe, *map(settings.recipe_of, settings.datasets)]
    batch = max(each.classes_per_batch * each.samples_per_class for each in recipes)
    workers = worker_count(settings.seeds * len(settings.noise.levels))
    if workers * batch * image > memory:
        raise SuiteError(
            f"{FINETUNED_FILE}: recipe: a step on classes_per_batch x samples_per_class = {batch} images takes about "
            f"{batch * image / 1e9:.1f} GB in each of {workers} processes, this machine has {memory / 1e9:.1f}; allowed: up "
            f"to {memory // (workers * image)} images, or fewer processes (SUITE_WORKERS)"
        )


def _view_plan(settings: SettingsOfRegime, dataset: DatasetPlan) -> ViewPlan:
    recipe = settings.recipe_of(dataset.dataset)
    assert isinstance(recipe, FinetunedRecipe)
    chosen = recipe.model_dump(include={"cut", "views", "crop", "flip", "colour"})
    if recipe.whole_network:
        chosen |= {"cut": "", "views": 0}
    return ViewPlan(dataset.dataset, dataset.data_sha256, dataset.max_classes, dataset.backbone, **chosen)


def view_plan_path(dataset: str) -> Path:
    """Plan file of the views of a data set."""
    return Path(VIEW_PLAN.format(dataset=dataset))


def load_view_plan(dataset: str) -> ViewPlan:
    """Read the plan of the views of a data set.

    Raises:
        SuiteError: there is none, or it is damaged.
    """
    path = view_plan_path(dataset)
    again = f"name it in {PARAMS_FILE}, then: suite plan --regime {REGIME}"
    if not path.is_file():
        raise SuiteError(f"no plan for the views of {dataset!r} ({path}): {again}")
    try:
        return ViewPlan.from_dict(read_json(path))
    except (ValueError, KeyError, TypeError) as error:
        raise SuiteError(f"the plan {path} is damaged; {again}") from error
