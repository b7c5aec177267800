"""Two processes with gathered embeddings take the step that one process takes."""

from pathlib import Path

import pytest
import torch
import torch.distributed.nn
import torch.multiprocessing
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.parallel import DistributedDataParallel

from pfml import PotentialFieldLoss

WORLD, SIZE = 2, 12


def parts(proxies: int) -> tuple[nn.Linear, PotentialFieldLoss, Tensor, Tensor]:
    """The same network, loss and batch in every process."""
    torch.manual_seed(0)
    network = nn.Linear(6, 5, dtype=torch.float64)
    loss = PotentialFieldLoss(4, 5, proxies, alpha=2.0, delta=0.8, scale="dimensionless").double()
    return network, loss, torch.randn(SIZE, 6, dtype=torch.float64), torch.arange(SIZE) % 4


def gradients(*modules: nn.Module) -> list[Tensor]:
    return [weight.grad for module in modules for weight in module.parameters() if weight.grad is not None]


def work(rank: int, folder: str, proxies: int) -> None:
    """One process: embed its half of the batch, gather all embeddings, step on the loss of the whole batch."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=WORLD)
    network, loss, inputs, labels = parts(proxies)
    network_ddp = DistributedDataParallel(network)
    # A module without parameters needs no wrapper, and DistributedDataParallel refuses it.
    loss_ddp = DistributedDataParallel(loss) if proxies else loss
    mine = slice(rank * SIZE // WORLD, (rank + 1) * SIZE // WORLD)
    gathered = torch.distributed.nn.functional.all_gather(normalize(network_ddp(inputs[mine])))
    value = loss_ddp(torch.cat(list(gathered)), labels)
    value.backward()
    torch.save((value.detach(), gradients(network, loss)), Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="torch was built without gloo")
@pytest.mark.parametrize("proxies", [2, 0])
def test_two_processes_take_the_step_of_one(tmp_path: Path, proxies: int) -> None:
    network, loss, inputs, labels = parts(proxies)
    value = loss(normalize(network(inputs)), labels)
    value.backward()
    expected = gradients(network, loss)
    assert len(expected) == 2 + (proxies > 0)
    torch.multiprocessing.spawn(work, args=(str(tmp_path), proxies), nprocs=WORLD)
    for rank in range(WORLD):
        found_value, found = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(found_value, value.detach(), rtol=1e-12, atol=0)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
