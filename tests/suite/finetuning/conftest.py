"""The command line in a folder with a small published data set."""

import sys
from dataclasses import dataclass

import pytest

from suite import cli
from tests.suite.finetuning import tiny


@dataclass
class Walk:
    """What a command gave."""

    status: int
    out: str
    err: str


@pytest.fixture
def command(workplace, monkeypatch, capsys, one_worker):
    """Run ``suite ARGUMENTS`` in this process."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["suite", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        output = capsys.readouterr()
        return Walk(caught.value.code, output.out, output.err)

    return run


@pytest.fixture
def finetuned(command, workplace):
    """Plan and fine-tune a row of the small data set, which must succeed; gives what was printed."""

    def run(row="pfml", level="0", *options):
        planned = command("plan", "--published")
        assert planned.status == 0, planned.err
        done = command("finetune", "cub", row, level, "--accelerator", "cpu", "--readers", "0", *options)
        assert done.status == 0, done.err
        return done.out

    return run


@pytest.fixture
def cub(workplace, one_worker):
    """The small data set."""
    tiny.data(workplace)
    return workplace
