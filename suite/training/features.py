"""Features of a data set: its images through the frozen backbone, block by block, in parallel processes.

Blocks have a fixed size and each is computed by one thread, so that the bytes do not depend on the number of processes.
"""

import json
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from suite.training.planner import DatasetPlan, dataset_plan_path
from suite.data.catalog import verified
from suite.data.table import ImageTable, read_table
from suite.errors import SuiteError
from suite.evaluation.frozen import frozen_row
from suite.training.backbone import FEATURE_DIM, load_backbone, preprocess
from suite.settings.feature_paths import FROZEN_FOLDER, features_path
from suite.data.features import Features, load_features, save_features
from suite.files import write_lines
from suite.training.executors import in_parallel
from suite.training.progress import progress_bar
from suite.training.times import StageClock

_BLOCK = 64


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What workers share through the fork."""

    table: ImageTable
    model: torch.nn.Module


def load_dataset_plan(dataset: str) -> DatasetPlan:
    """Read a data set's plan.

    Raises:
        SuiteError: there is none.
    """
    path = dataset_plan_path(dataset)
    if not path.is_file():
        raise SuiteError(f"no plan for data set {dataset!r} ({path}): name it in params.yaml, then: suite plan")
    return DatasetPlan(**json.loads(path.read_text()))


def write_features(dataset: str, console: Console) -> None:
    """Compute and store the features of a planned data set and the frozen backbone's metrics on its test classes."""
    clock = StageClock()
    plan = load_dataset_plan(dataset)
    table = read_table(verified(dataset).path, plan.max_classes)
    path = features_path(dataset)
    save_features(path, Features(extract(table, dataset, console), table.labels, plan.data_sha256))
    write_lines(FROZEN_FOLDER / f"{dataset}.jsonl", [frozen_row(dataset, load_features(path))])
    clock.write(f"features-{dataset}")


def extract(table: ImageTable, name: str, console: Console) -> NDArray[np.float32]:
    """Features (N, 1280) of a table's images, with a progress bar."""
    inputs = _Inputs(table, load_backbone())
    blocks = [np.arange(start, min(start + _BLOCK, len(table.labels))) for start in range(0, len(table.labels), _BLOCK)]
    features = np.empty((len(table.labels), FEATURE_DIM), np.float32)
    with progress_bar(console, "images", f"features-{name}") as progress:
        bar = progress.add_task(f"features of {name}", total=len(table.labels))
        for rows, block in in_parallel(_features_of, inputs, blocks):
            features[rows] = block
            progress.update(bar, advance=len(rows), refresh=True)
    console.print(f"features of {name}: {len(table.labels)} images")
    return features


def _features_of(inputs: _Inputs, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    with torch.inference_mode():
        features: NDArray[np.float32] = inputs.model(preprocess(inputs.table.decode(rows))).numpy()
    return features
