"""What plans cost, told before anything runs: runs, seconds by what was measured before, memory of a run."""

import csv
import itertools
import os
from collections.abc import Mapping, Sequence
from statistics import mean

from suite.errors import SuiteError
from suite.processes import worker_count
from suite.settings.params import Recipe, Settings
from suite.settings.paths import TIMES_FILE
from suite.settings.plans import PlanKind, Planned, seeds_of
from suite.training.dataset_plan import DatasetPlan

Kinds = Mapping[PlanKind, Sequence[Sequence[Planned]]]
_FEATURES = 2048
"""F, where the network was not built yet: as many as large ones give."""
_FLOAT = 4
_COPIES = 4
"""Of each weight under AdamW: itself, its gradient and two moments."""
_STEP = 2
"""What a step keeps of each activation: itself and its gradient."""


def memory_of(recipe: Recipe, images: int) -> int:
    """Bytes of a run on frozen features, roughly: head and optimiser, a step's activations, features and embeddings.

    Args:
        recipe: of the run.
        images: of the larger half of the data set.
    """
    widths = [_FEATURES, *([recipe.hidden_dim] if recipe.hidden_dim else []), recipe.embedding_dim]
    weights = sum(first * second for first, second in itertools.pairwise(widths))
    batch = recipe.classes_per_batch * recipe.samples_per_class
    step = _STEP * batch * (sum(widths) + batch)
    return _FLOAT * (_COPIES * weights + step + images * (_FEATURES + 2 * recipe.embedding_dim))


def check_size(settings: Settings, datasets: Sequence[DatasetPlan]) -> None:
    """Check that this machine can hold a run on each data set.

    Raises:
        SuiteError: it cannot.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for dataset in datasets:
        recipe = settings.recipe_of(dataset.dataset)
        needed = memory_of(recipe, len(dataset.half.labels))
        if needed > memory:
            sizes = f"hidden_dim {recipe.hidden_dim} and embedding_dim {recipe.embedding_dim}"
            raise SuiteError(
                f"{settings.recipe.file}: recipe: with {sizes} a run on {dataset.dataset} takes about {_size(needed)}; "
                f"allowed: what fits into the {_size(memory)} of this machine"
            )


def cost(settings: Settings, datasets: Sequence[DatasetPlan], kinds: Kinds) -> str:
    """How many runs and trials the grid has, how much memory and how long they take, in a line."""
    tuned = [planned for files in kinds["tuned"] for planned in files]
    runs = [len(plan.noise_levels) * len(seeds_of(plan)) for plan, _ in tuned]
    trials = [0 if search is None else search.trials * (search.held_out or search.folds) for _, search in tuned]
    before = f", after {sum(trials):,} trainings of searches" if any(trials) else ""
    told = f"planned: {sum(runs):,} runs{before}; those in the run cache are not run again"
    if settings.recipe.file != Recipe.file:
        return told  # another regime: its seconds and memory are those of its blocks
    workers = worker_count(sum(runs) + sum(trials) or 1)
    largest = max((memory_of(settings.recipe_of(each.dataset), len(each.half.labels)) for each in datasets), default=0)
    told += f"; {workers} at a time, about {_size(largest)} each besides what the loss keeps"
    known = _seconds()
    if not known:
        return told
    usual = mean(known.values())
    each = [known.get((plan.dataset, plan.loss), usual) for plan, _ in tuned]
    seconds = sum((run + trial) * one for run, trial, one in zip(runs, trials, each, strict=True))
    return f"{told}; all about {_time(seconds / workers)} by {TIMES_FILE}, which may be of other settings or another machine"


def _seconds() -> dict[tuple[str, str], float]:
    """Mean seconds of a run by data set and loss, as far as they were measured; an estimate needs no sound file."""
    try:
        with TIMES_FILE.open(encoding="utf-8", newline="") as file:
            return {
                (row["dataset"], row["loss"]): seconds
                for row in csv.DictReader(file)
                if row["loss"] and 0 <= (seconds := float(row["mean_seconds"])) < float("inf")
            }
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}


def _time(seconds: float) -> str:
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 1 else f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def _size(count: float) -> str:
    return f"{count / 1e6:,.0f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"
