"""The frozen backbone's metrics on the test classes: what a trained loss is worth is what it adds to them."""

from pathlib import Path

from suite.errors import SuiteError
from suite.evaluation.records import contradiction
from suite.evaluation.retrieval import MAIN_METRIC
from suite.files import read_json
from suite.settings.paths import FROZEN_METRICS, RESULTS_FOLDER


def backbone_file(dataset: str, root: Path = Path()) -> Path:
    """Metrics of a data set, as the features stage leaves them; where this checkout has none, those in git."""
    path = Path(FROZEN_METRICS.format(dataset=dataset))
    kept = root / RESULTS_FOLDER / path
    return kept if kept.is_file() and not (root / path).is_file() else root / path


def backbone_metrics(dataset: str, root: Path = Path()) -> dict[str, float]:
    """Metrics of the frozen backbone on a data set, as shares.

    Raises:
        SuiteError: the file is missing, damaged, or holds no such metrics.
    """
    path = backbone_file(dataset, root)
    if not path.is_file():
        raise SuiteError(f"file {path} is missing; run: dvc repro features@{dataset}")
    cure = f"delete it and run: dvc repro features@{dataset}"
    found = read_json(path, cure)
    metrics = found.get("metrics") if isinstance(found, dict) else None
    if not isinstance(metrics, dict) or MAIN_METRIC not in metrics:
        raise SuiteError(f"{path} holds no metrics of the frozen backbone; {cure}")
    if wrong := contradiction(metrics):
        raise SuiteError(f"{path}: {wrong}; {cure}")
    return metrics
