"""Checkpoints: of the right run, whole, and unable to run code."""

import os
import pickle
import resource
from pathlib import Path

import pytest
import torch
from torch import nn

from suite.errors import SuiteError
from suite.training.whole_network.checkpoint import Checkpoint


class Trap:
    """An object whose unpickling leaves a trace."""

    def __reduce__(self):
        return (os.mkdir, ("trapped",))


def parts(seed):
    torch.manual_seed(seed)
    return {"network": nn.Linear(3, 2)}


def test_parts_and_curve_come_back(tmp_path):
    checkpoint = Checkpoint(tmp_path / "run.pt", "key")
    saved, other = parts(0), parts(1)
    checkpoint.save([3.0, 2.0], saved)
    assert checkpoint.load(other) == [3.0, 2.0]
    assert torch.equal(saved["network"].weight, other["network"].weight)


@pytest.mark.parametrize("case", ["none", "another run", "cut short", "foreign"])
def test_nothing_else_is_taken_up(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    path = Path("run.pt")
    if case == "foreign":
        torch.save({"key": "key", "curve": [1.0], "network": Trap()}, path)
        with pytest.raises(pickle.UnpicklingError):
            torch.load(path, weights_only=True)
    elif case != "none":
        Checkpoint(path, "other" if case == "another run" else "key").save([1.0], parts(0))
    if case == "cut short":
        path.write_bytes(path.read_bytes()[:-200])
    mine = parts(1)
    before = mine["network"].weight.clone()
    assert Checkpoint(path, "key").load(mine) == []
    assert torch.equal(mine["network"].weight, before)
    assert not Path("trapped").exists()


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path):
    checkpoint = Checkpoint(tmp_path / "run.pt", "key")
    checkpoint.save([1.0], parts(0))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(SuiteError, match=r"checkpoint .*run\.pt cannot be written: "):
            checkpoint.save([1.0, 2.0], {"network": nn.Linear(100, 100)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]
    assert checkpoint.load(parts(1)) == [1.0]
