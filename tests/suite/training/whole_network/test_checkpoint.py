"""Checkpoints: of the right run, whole, and unable to run code."""

import os
import pickle
import resource
from pathlib import Path

import pytest
import torch
from torch import nn

from suite.errors import SuiteError
from suite.losses.build import offered_to
from suite.losses.registry import find_loss
from suite.settings.params import LossSettings
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


@pytest.mark.parametrize("name", ["cross_batch_memory", "prism", "super_loss", "smooth_proxy_anchor"])
def test_a_run_with_a_memory_goes_on_bit_by_bit(tmp_path, name):
    """Half a run, a checkpoint and the other half in a new process, beside a run in one piece."""

    def fresh():
        torch.manual_seed(0)
        loss = find_loss(name, LossSettings()).build({}, num_classes=6, embedding_dim=8)
        network = nn.Linear(5, 8)
        return {"network": network, "loss": loss, "optimizer": torch.optim.SGD([*network.parameters()], lr=0.1)}

    def train(parts, steps):
        values = []
        for step in steps:
            generator = torch.Generator().manual_seed(step)
            labels = torch.randint(6, (40,), generator=generator)
            inputs = torch.eye(6)[labels, :5] + 0.5 * torch.randn(40, 5, generator=generator)
            embeddings = nn.functional.normalize(parts["network"](inputs), dim=1)
            value = parts["loss"](embeddings, labels, **offered_to(parts["loss"])(torch.arange(40), 1 + step // 4))
            parts["optimizer"].zero_grad()
            value.backward()
            parts["optimizer"].step()
            values.append(value.item())
        return values

    whole, first, second = fresh(), fresh(), fresh()
    expected = train(whole, range(16))
    checkpoint = Checkpoint(tmp_path / "run.pt", "key")
    assert train(first, range(8)) == expected[:8]
    checkpoint.save([1.0], first)
    assert checkpoint.load(second) == [1.0]
    assert train(second, range(8, 16)) == expected[8:]
    assert torch.equal(whole["network"].weight, second["network"].weight)
