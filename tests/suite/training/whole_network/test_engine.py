"""Which devices are taken, and what is said where they are missing."""

import pytest
import torch

from suite.errors import SuiteError
from suite.training.whole_network.engine import Engine, Machine


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there():
    with pytest.raises(SuiteError, match="--accelerator gpu: torch finds no GPU on this machine; allowed: cpu or auto"):
        Engine(Machine("gpu"), "bfloat16", part_learns=False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_auto_takes_one_process_on_a_cpu():
    engine = Engine(Machine(), "float32", part_learns=False)
    assert (engine.device.type, engine.world, engine.rank) == ("cpu", 1, 0)


def test_more_devices_than_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(SuiteError, match="--devices 3: this machine has 2 GPUs; allowed: 1 to 2, 0 for all"):
        Engine(Machine(devices=3), "float32", part_learns=False)
