"""The loss with Lightning Fabric: a module beside the network, set up with the optimiser that trains its proxies."""

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn.functional import normalize

from pfml import PotentialFieldLoss


class EmbeddingWithLoss(nn.Module):
    """Network and loss as one module, so that whoever moves, wraps or saves the one does so with the other."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Linear(64, 32)
        self.loss = PotentialFieldLoss(20, 32, proxies_per_class=2, delta=0.5, scale="dimensionless")

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The loss of a batch."""
        value: torch.Tensor = self.loss(normalize(self.network(images)), labels)
        return value


def train(steps: int = 30) -> list[float]:
    """Train a linear embedding of 20 noisy classes and give the value of every step."""
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    fabric.launch()
    torch.manual_seed(0)
    centres = torch.randn(20, 64)
    model = EmbeddingWithLoss()
    rates = [
        {"params": model.network.parameters(), "lr": 1e-3},
        {"params": model.loss.parameters(), "lr": 1e-1},
    ]
    module, optimizer = fabric.setup(model, torch.optim.AdamW(rates))
    values = []
    for _ in range(steps):
        labels = torch.randint(20, (15,)).repeat_interleave(4)
        value = module(centres[labels] + torch.randn(60, 64), labels)
        optimizer.zero_grad()
        fabric.backward(value)
        optimizer.step()
        values.append(value.item())
    return values


if __name__ == "__main__":
    print(train())  # noqa: T201
