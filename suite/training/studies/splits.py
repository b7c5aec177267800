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
from suite.training.tuning.resolve import with_recipe
from suite.training.tuning.search import search_recipe


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
    planned = read_plan_file(plan_path("searches", dataset, loss))
    plan, declared = planned[0]
    if declared is None:
        raise SuiteError(
            f"losses.{loss} has no search space; declare search_space in its class, or search in params.yaml"
        )
    check_code(plan, code_sha256())
    features = load_features(Path(FEATURES.format(dataset=dataset)))
    search = replace(declared, trials=splits.trials, folds=splits.folds, held_out=None)
    runs: list[Run[SomePlan]] = []
    for split in range(1, splits.count + 1):
        mine = replace(plan, split=split)
        recipe = search_recipe(mine, search, features, console, keep_trials=True, label=f"split {split}")
        found = replace(with_recipe(mine, search, recipe), validation_epoch=None)
        runs += [
            Run(found, level, seed, label=f"split {split} noise {level:g}")
            for level in plan.noise_levels
            for seed in range(plan.seeds)
        ]
    _, finished = run_frozen_stage(f"splits-{dataset}-{loss}", runs, console)
    path = STUDY_OUTPUTS / SPLITS / f"{dataset}-{loss}.jsonl"
    write_records(path, [each.record for each in finished])
    return path
