"""An empty working directory for tests that read and write the suite's folders."""

from pathlib import Path

import pytest


@pytest.fixture
def workplace(tmp_path, monkeypatch) -> Path:
    """A temporary folder that is the current one during a test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def one_worker(monkeypatch) -> None:
    """Tasks run in one worker process."""
    monkeypatch.setenv("SUITE_WORKERS", "1")
