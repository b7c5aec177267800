"""The study of class splits: a loss under other halves of the classes, searched anew on each split's training classes."""

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from suite.data.features import load_features
from suite.errors import SuiteError
from suite.evaluation.records import write_records
from suite.settings.paths import FEATURES, SPLITS, STUDY_OUTPUTS
from suite.settings.plans import Run, SomePlan, plan_path, read_plan_file
from suite.settings.studies import SplitSettings
from suite.training.stage import check_code, code_sha256, run_frozen_stage
from suite.training.studies.parts import Part


def run_splits(dataset: str, loss: str, splits: SplitSettings, console: Console) -> Path:
    """Run or resume a loss under further splits; writes a record for each split, noise level and seed.

    Values that were tuned on the stored split saw classes that another split tests. So each split has a search of its own,
    on true labels of its training classes, with as many trials for every loss.

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
    check_code(parts[0].plan, code_sha256())
    features = load_features(Path(FEATURES.format(dataset=dataset)))
    runs = [run for part in parts for run in part.complete(lambda: features, console)]
    _, finished = run_frozen_stage(f"splits-{dataset}-{loss}", runs, console)
    path = STUDY_OUTPUTS / SPLITS / f"{dataset}-{loss}.jsonl"
    write_records(path, [each.record for each in finished])
    return path


def split_parts(dataset: str, loss: str, splits: SplitSettings) -> list[Part]:
    """A search and its runs for each split.

    Raises:
        SuiteError: as ``run_splits``.
    """
    plan, declared = read_plan_file(plan_path("searches", dataset, loss))[0]
    if declared is None:
        raise SuiteError(
            f"losses.{loss} has no search space; declare search_space in its class, or search in params.yaml"
        )
    search = replace(declared, trials=splits.trials, folds=splits.folds, held_out=None)
    return [
        Part(replace(plan, split=split), _runs, search, f"split {split}", "splits")
        for split in range(1, splits.count + 1)
    ]


def _runs(plan: SomePlan) -> list[Run[SomePlan]]:
    found = replace(plan, validation_epoch=None)
    return [
        Run(found, level, seed, label=f"split {plan.split} noise {level:g}")
        for level in plan.noise_levels
        for seed in range(plan.seeds)
    ]
