"""The command line in a folder with a small published data set."""

import pytest

from tests.suite.training.whole_network import tiny


@pytest.fixture
def finetuned(command, workplace, one_worker):
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
