"""Where features lie. Stages that only look for them do not load what reads them."""

from pathlib import Path

from suite.errors import SuiteError

FEATURES_FOLDER = Path("features")
FROZEN_FOLDER = Path("frozen")
"""Metrics of the frozen backbone on the test classes, one file a data set."""


def features_path(dataset: str, folder: Path = FEATURES_FOLDER) -> Path:
    """Path of a data set's feature file."""
    return folder / f"{dataset}.safetensors"


def require(path: Path) -> Path:
    """The path of a feature file that is there.

    Raises:
        SuiteError: it is missing.
    """
    if not path.is_file():
        raise SuiteError(f"feature file {path} is missing; compute it with: dvc repro features@{path.stem}")
    return path
