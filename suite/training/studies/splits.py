"""The study of class splits: a loss under other halves of the classes, searched anew on each split's training classes."""

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from suite.errors import SuiteError
from suite.settings.paths import SPLITS
from suite.settings.plans import Run, SomePlan, plan_path, read_plan_file
from suite.settings.studies import SplitSettings
from suite.training.studies.parts import Part, run_parts, tuned_on_true_labels

_APART = 1000
"""The search of a split and the seeds of its runs are numbered from so many times its own number."""


def run_splits(dataset: str, loss: str, splits: SplitSettings, console: Console) -> Path:
    """Run or resume a loss under further splits; writes a record for each split, noise level and seed.

    Values that were tuned on the stored split saw classes that another split tests. So each split has a search of its own,
    on true labels of its training classes, with as many trials for every loss. Its search and its runs have random streams
    that neither the grid nor another split has: else a loss with an unlucky draw would be behind under all of them.

    Args:
        dataset: name of the data set.
        loss: name of the loss.
        splits: how many splits, and their searches.
        console: where progress is shown.

    Returns:
        The file written.

    Raises:
        SuiteError: there is no plan, or the loss has nothing to search.
    """
    parts = split_parts(dataset, loss, splits)
    return run_parts(f"splits-{dataset}-{loss}", f"{SPLITS}/{dataset}-{loss}.jsonl", parts, console)


def split_parts(dataset: str, loss: str, splits: SplitSettings) -> list[Part]:
    """A search and its runs for each split.

    Raises:
        SuiteError: as ``run_splits``.
    """
    plan, declared = tuned_on_true_labels(read_plan_file(plan_path("searches", dataset, loss)), "frozen")[0]
    if declared is None:
        raise SuiteError(
            f"{loss} has no search space; declare search_space in its class, or search in its entry of params.yaml"
        )
    search = replace(declared, trials=splits.trials, folds=splits.folds, held_out=None)
    return [
        Part(replace(plan, split=split), _runs, replace(search, number=_APART * split), f"split {split}", "splits")
        for split in range(1, splits.count + 1)
    ]


def _runs(plan: SomePlan) -> list[Run[SomePlan]]:
    found = replace(plan, validation_epoch=None)
    return [
        Run(found, level, seed, label=f"split {plan.split} noise {level:g}")
        for level in plan.noise_levels
        for seed in range(_APART * plan.split, _APART * plan.split + plan.seeds)
    ]
