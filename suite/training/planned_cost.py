"""What plans cost, told before anything runs: runs, seconds by what was measured before, memory of a run."""

import csv
import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from types import MappingProxyType

from suite.errors import SuiteError
from suite.processes import worker_count
from suite.settings.params import Recipe, Settings
from suite.settings.paths import FINETUNED_RESULTS, TIMES_FILE
from suite.settings.plans import PlanKind, Planned, Search, seeds_of
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


def trainings_of(search: Search | None) -> int:
    """How often a search trains: each trial and, last, the best values once more, on each fold that validates."""
    return 0 if search is None else (search.trials + 1) * (search.held_out or search.folds)


def cost(
    settings: Settings, datasets: Sequence[DatasetPlan], kinds: Kinds, timed: Mapping[str, float] = MappingProxyType({})
) -> str:
    """How many runs and trainings of searches the grid has, how much memory and how long they take, in a line.

    Args:
        settings: of the regime.
        datasets: what is run on.
        kinds: the plans.
        timed: seconds of a run on each data set by a step that was timed here, for where no run was measured yet.
    """
    tuned = [planned for files in kinds["tuned"] for planned in files]
    runs = [len(plan.noise_levels) * len(seeds_of(plan)) for plan, _ in tuned]
    searched = [trainings_of(search) for _, search in tuned]
    before = f", after {sum(searched):,} trainings of searches" if any(searched) else ""
    workers = worker_count(sum(runs) + sum(searched) or 1)
    told = f"planned: {sum(runs):,} runs{before}; those in the run cache are not run again; {workers} at a time"
    file = FINETUNED_RESULTS / TIMES_FILE.name
    if settings.recipe.file == Recipe.file:
        sizes = [memory_of(settings.recipe_of(each.dataset), len(each.half.labels)) for each in datasets]
        told += f", about {_size(max(sizes, default=0))} each besides what the loss keeps"
        file = TIMES_FILE
    known = _seconds(file)
    usual = mean(known.values()) if known else 0.0
    each = [known.get((plan.dataset, plan.loss), usual) if known else timed.get(plan.dataset, 0.0) for plan, _ in tuned]
    seconds = sum((run + search) * one for run, search, one in zip(runs, searched, each, strict=True))
    if not seconds:
        return told
    source = (
        f"{file}, which may be of other settings or another machine" if known else "a step of the network timed here"
    )
    alone = f" ({duration(seconds)} in one process)" if workers > 1 else ""
    return f"{told}; all about {duration(seconds / workers)}{alone} by {source}"


def _seconds(path: Path) -> dict[tuple[str, str], float]:
    """Mean seconds of a run by data set and loss, as far as they were measured; an estimate needs no sound file."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {
                (row["dataset"], row["loss"]): seconds
                for row in csv.DictReader(file)
                if row["loss"] and 0 <= (seconds := float(row["mean_seconds"])) < float("inf")
            }
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}


def duration(seconds: float) -> str:
    """Seconds as people read them, e.g. ``12 min``."""
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 1 else f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def _size(count: float) -> str:
    return f"{count / 1e6:,.0f} MB" if count < 1e9 else f"{count / 1e9:,.1f} GB"
