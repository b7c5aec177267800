"""The loss with DistributedDataParallel: every process embeds its part of a batch and sees the loss of the whole.

Pairs reach across processes, so embeddings are gathered, with gradients, before the loss. Each process then has the same
value; the gradient of the proxies is the same everywhere, and that of the network adds up to the one of a single process.
"""

import tempfile
from pathlib import Path

import torch
import torch.distributed.nn
import torch.multiprocessing
from torch import nn
from torch.nn.functional import normalize
from torch.nn.parallel import DistributedDataParallel

from pfml import PotentialFieldLoss

WORLD = 2


def work(rank: int, folder: str, steps: int) -> None:
    """One process."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=WORLD)
    torch.manual_seed(0)
    centres = torch.randn(20, 64)
    network = DistributedDataParallel(nn.Linear(64, 32))
    loss = DistributedDataParallel(PotentialFieldLoss(20, 32, 2, delta=0.5, scale="dimensionless"))
    optimizer = torch.optim.AdamW(
        [{"params": network.parameters(), "lr": 1e-3}, {"params": loss.parameters(), "lr": 1e-1}]
    )
    values = []
    for _ in range(steps):
        labels = torch.randint(20, (15,)).repeat_interleave(4)
        images = (centres[labels] + torch.randn(60, 64)).chunk(WORLD)[rank]
        gathered = torch.distributed.nn.functional.all_gather(normalize(network(images)))
        value = loss(torch.cat(list(gathered)), labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    torch.save(values, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def train(steps: int = 30) -> list[float]:
    """Train in two processes and give the value of every step, which is the same in both."""
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(work, args=(folder, steps), nprocs=WORLD)
        first, second = (torch.load(Path(folder) / f"{rank}.pt") for rank in range(WORLD))
    assert first == second
    return list(first)


if __name__ == "__main__":
    print(train())  # noqa: T201
