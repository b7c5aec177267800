"""The folder ``plan/``: written as a whole."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from suite.files import write_json
from suite.settings.params import Settings
from suite.settings.paths import PARAMS_FILE, PLAN_FOLDER
from suite.settings.plans import PlanKind, Planned, Regime, folder_of, plan_path, write_plan_file
from suite.training.batch_checks import unfit_for_studies
from suite.training.dataset_plan import DatasetPlan

Kinds = Mapping[PlanKind, Sequence[Sequence[Planned]]]


def write_all(data: Mapping[Path, dict[str, Any]], kinds: Kinds, regime: Regime = "frozen") -> None:
    """Write all plans of a regime in place of those that are there; where that fails, the old ones stay.

    Files that are no plans stay in any case.

    Args:
        data: plans of data sets by their path.
        kinds: plans of losses on them.
        regime: what learns.
    """
    folder = folder_of(regime)
    there = folder / f".{PLAN_FOLDER}.tmp"
    shutil.rmtree(there, ignore_errors=True)
    try:
        for path, plain in data.items():
            write_json(there / path, plain)
        for kind, files in kinds.items():
            for planned in files:
                write_plan_file(there / plan_path(kind, planned[0][0].dataset, planned[0][0].loss, regime), planned)
        new = {path.relative_to(there) for path in there.rglob("*.json")}
        for kind in ("datasets", "views", *get_args(PlanKind)):
            for old in sorted((folder / PLAN_FOLDER / kind).glob("*.json")):
                if old not in new:
                    old.unlink()
        for path in sorted(new):
            path.parent.mkdir(parents=True, exist_ok=True)
            (there / path).replace(path)
    finally:
        shutil.rmtree(there, ignore_errors=True)


def remarks_on(settings: Settings, datasets: Sequence[DatasetPlan]) -> list[str]:
    """Settings that are left out, that ask for more than there is, or that a study will refuse."""
    return (
        settings.unused
        + [
            f"{PARAMS_FILE}: datasets.{dataset.dataset}.max_classes = {dataset.max_classes}: it has no more than "
            f"{dataset.half.classes} training classes, so all are kept"
            for dataset in datasets
            if dataset.max_classes is not None and dataset.max_classes // 2 > dataset.half.classes
        ]
        + [line for dataset in datasets for line in unfit_for_studies(settings, dataset.dataset, dataset.half)]
    )
