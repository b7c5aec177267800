"""What all tests share: the stored data sets, and the browser."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from suite.data import catalog
from suite.errors import SuiteError
from suite.settings.paths import DATA_FOLDER
from tests.helpers.browser import browser  # noqa: F401 - a fixture
from tests.helpers.paths import ROOT


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with the three parquet files; fetched with DVC from the repository itself where they are not there."""
    folder = ROOT / DATA_FOLDER
    try:
        for name in catalog.EMBEDDED:
            catalog.verified(name, folder)
    except SuiteError:
        subprocess.run([sys.executable, "-m", "dvc", "pull", "-q", "data.dvc"], cwd=ROOT, check=True)
    return folder


def pytest_xdist_auto_num_workers() -> int:
    """What ``-n auto`` means: half as many workers again as cores, as many tests wait for what they have started."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + (cores + 1) // 2


def pytest_collection_finish() -> None:
    """What was imported and collected stays: the collector of garbage need not look through it again and again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pipelines first: their files take longest, so where workers share the files none waits at the end for one of them."""
    items.sort(key=lambda item: not item.path.is_relative_to(ROOT / "tests" / "pipeline"))
