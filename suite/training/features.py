"""Features of a data set: its images through the frozen backbone, block by block, in parallel processes.

Blocks have a fixed size and each is computed by one thread, so that the bytes do not depend on the number of processes.
oneDNN is held to AVX2, as its code for wider instructions, which only some processors have, gives other last bits.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from suite.data.catalog import verified
from suite.data.features import Features, load_features, save_features
from suite.data.split import num_training_classes
from suite.data.table import ImageTable, read_table
from suite.errors import SuiteError
from suite.evaluation.frozen import frozen_metrics
from suite.files import read_json, write_json
from suite.processes import in_parallel
from suite.progress import progress_bar
from suite.settings.params import BackboneSettings
from suite.settings.paths import FEATURES, FROZEN_METRICS, TIMES_FOLDER
from suite.training.backbone import Backbone, load_backbone
from suite.training.dataset_plan import DatasetPlan, dataset_plan_path

_BLOCK = 64


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What workers share through the fork."""

    table: ImageTable
    backbone: Backbone


def load_dataset_plan(dataset: str) -> DatasetPlan:
    """Read a data set's plan.

    Raises:
        SuiteError: there is none, or it is damaged.
    """
    path = dataset_plan_path(dataset)
    if not path.is_file():
        raise SuiteError(f"no plan for data set {dataset!r} ({path}): name it in params.yaml, then: suite plan")
    try:
        plain = read_json(path)
        return DatasetPlan(**plain | {"backbone": BackboneSettings.model_validate(plain["backbone"])})
    except (ValueError, KeyError, TypeError) as error:
        raise SuiteError(f"the plan {path} is damaged; delete it, then run: dvc repro") from error


def write_features(dataset: str, console: Console) -> None:
    """Compute and store the features of a planned data set and the frozen backbone's metrics on its test classes."""
    started = time.perf_counter()
    plan = load_dataset_plan(dataset)
    table = read_table(verified(dataset).path, plan.max_classes)
    path = Path(FEATURES.format(dataset=dataset))
    save_features(path, features_of(table, dataset, plan.data_sha256, plan.backbone, console))
    metrics = frozen_metrics(dataset, plan.backbone.name, load_features(path))
    write_json(Path(FROZEN_METRICS.format(dataset=dataset)), metrics)
    seconds = {"features": round(time.perf_counter() - started, 3)}
    write_json(TIMES_FOLDER / f"features-{dataset}.json", {"runs": seconds})


def features_of(
    table: ImageTable, name: str, data_sha256: str, settings: BackboneSettings, console: Console
) -> Features:
    """Features (N, F) of a table's images, with a progress bar."""
    backbone = load_backbone(settings)
    blocks = [np.arange(start, min(start + _BLOCK, len(table.labels))) for start in range(0, len(table.labels), _BLOCK)]
    features = np.empty((len(table.labels), backbone.feature_dim), np.float32)
    with progress_bar(console, "images") as progress:
        bar = progress.add_task(f"features of {name}", total=len(table.labels))
        places = range(len(blocks))
        for place, block in in_parallel(_features_of, (_Inputs(table, backbone), blocks), places):
            features[blocks[place]] = block
            progress.update(bar, advance=len(block), refresh=True)
    console.print(f"features of {name}: {len(table.labels)} images")
    return Features(features, table.labels, num_training_classes(table.num_classes), data_sha256)


def _features_of(shared: tuple[_Inputs, list[NDArray[np.int64]]], place: int) -> NDArray[np.float32]:
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")  # read at the first convolution of this worker
    inputs, blocks = shared
    return inputs.backbone.features(inputs.table.decode(blocks[place]))
