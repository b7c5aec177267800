"""A loss with a state in buffers, trained by two processes over gloo: both see one state, that of one process."""

import os
import socket
from pathlib import Path
from typing import ClassVar

import pytest
import torch.distributed
import torch.multiprocessing
from torch import nn

from baselines.prism import PRISMLoss
from baselines.smooth_proxy_anchor import SmoothProxyAnchorLoss
from baselines.super_loss import SuperLoss
from suite.data.archives.dataset import CachedImages
from suite.training.whole_network.engine import Engine, Machine
from suite.training.whole_network.fit import finetune
from tests.suite.training.whole_network import tiny

pytestmark = pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="torch was built without gloo")
WORLD = 2


class Watched(nn.Module):
    """Keeps the buffers that each forward pass begins with."""

    seen: ClassVar[list] = []

    def forward(self, embeddings, labels, **more):
        self.seen.append({name: value.clone() for name, value in self.named_buffers()})
        return super().forward(embeddings, labels, **more)


class Prism(Watched, PRISMLoss):
    """With a memory."""


class Super(Watched, SuperLoss):
    """With proxies, too."""


class Smooth(Watched, SmoothProxyAnchorLoss):
    """With parameters that learn in the first epoch alone."""

    def forward(self, embeddings, labels, *, epoch):
        return super().forward(embeddings, labels, epoch=epoch)


class Sum(nn.Module):
    """A state that comes out otherwise in each process, as rounding may on GPUs."""

    def __init__(self, num_classes, embedding_dim):
        super().__init__()
        self.register_buffer("total", torch.zeros(2, 3).T)  # not contiguous

    def forward(self, embeddings, labels):
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        self.total = self.total + 1 + 0.5 * rank
        return embeddings[:, 0].mean()


class Drifting(Watched, Sum):
    pass


LOSSES = {Prism: {"memory_size": 20, "noise_rate": 0.3, "window": 3}, Super: {}, Smooth: {"warm_up": 1}, Drifting: {}}


def states(folder, machine):
    """The buffers before each step, by loss; batches of 9 cannot be halved."""
    engine, images = Engine(machine, "float32", part_learns=False), CachedImages("cub", "training", folder=folder)
    found = {}
    for loss, values in LOSSES.items():
        Watched.seen.clear()
        changes = {"loss__hyperparameters": values, "batches__size": 9, "batches__samples_per_class": 3}
        settings = tiny.settings_of(tiny.recipe_file(folder / f"{engine.rank}.yaml", **changes))
        target, classes = f"{__name__}:{loss.__name__}", images.num_training_classes
        finetune(engine, settings, target, images, images.labels, classes, ("cub", 0))
        found[loss.__name__] = list(Watched.seen)
    return found


def work(rank, folder, port):
    """One process, as ``torchrun`` would start it."""
    torch.set_num_threads(1)
    shared = {"WORLD_SIZE": WORLD, "LOCAL_WORLD_SIZE": WORLD, "GROUP_RANK": 0, "TORCHELASTIC_RUN_ID": "none"}
    own = {"RANK": rank, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in (shared | own).items()}
    found = states(Path(folder) / "benchmarks", Machine("cpu", devices=WORLD, workers=0))
    torch.save(found, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """States of one process, and of each of two."""
    folder = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("SUITE_WORKERS", "1")
        tiny.data(folder)
        alone = states(folder / "benchmarks", Machine("cpu", workers=0))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        torch.multiprocessing.spawn(work, args=(str(folder), port), nprocs=WORLD)
    return [alone, *(torch.load(folder / f"{rank}.pt") for rank in range(WORLD))]


@pytest.mark.parametrize("loss", [loss.__name__ for loss in LOSSES])
def test_two_processes_keep_one_state_which_is_that_of_one(found, loss):
    alone, *both = (each[loss] for each in found)
    assert len(alone) == 4
    assert any(not torch.equal(value, alone[0][name]) for name, value in alone[-1].items())
    for expected, first, second in zip(alone, *both, strict=True):
        for name, value in expected.items():
            assert torch.equal(first[name].nan_to_num(), second[name].nan_to_num()), name
            torch.testing.assert_close(first[name], value, rtol=1e-4, atol=1e-5, equal_nan=True)
