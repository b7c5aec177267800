"""The command line in a folder with a small published data set."""

import pytest

from tests.suite.training.whole_network import tiny


@pytest.fixture
def trained(command, workplace, one_worker):
    """Plan and train a row of the small data set, which must succeed; gives what was printed."""

    def run(row="pfml", *options):
        planned = command("plan", "--benchmarks")
        assert planned.status == 0, planned.err
        done = command("train-network", "cub", row, "--accelerator", "cpu", "--readers", "0", *options)
        assert done.status == 0, done.err
        return done.out

    return run


@pytest.fixture
def cub(workplace, one_worker):
    """The small data set."""
    tiny.data(workplace)
    return workplace
