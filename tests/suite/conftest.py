"""An empty working directory for tests that read and write the suite's folders, and the command line in it."""

import sys
from pathlib import Path
from typing import NamedTuple

import pytest


@pytest.fixture
def workplace(tmp_path, monkeypatch) -> Path:
    """A temporary folder that is the current one during a test; data sets of other folders are forgotten."""
    from suite.training.batch_checks import training_half

    training_half.cache_clear()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def one_worker(monkeypatch) -> None:
    """Tasks run in one worker process."""
    monkeypatch.setenv("SUITE_WORKERS", "1")


class Ended(NamedTuple):
    """What a command gave."""

    status: int
    out: str
    err: str


@pytest.fixture
def command(workplace, monkeypatch, capsys):
    """Run ``suite ARGUMENTS`` in this process in an empty folder; gives exit status, stdout, stderr."""
    from suite.cli.main import main

    def typed(*arguments):
        monkeypatch.setattr(sys, "argv", ["suite", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        return Ended(caught.value.code, *capsys.readouterr())

    return typed
