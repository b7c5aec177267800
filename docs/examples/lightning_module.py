"""The loss in a module of Lightning, whose trainer moves its proxies and saves them with the network."""

import logging
import warnings

import lightning
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.utils.data import DataLoader, TensorDataset

from pfml import PotentialFieldLoss


class Embedding(lightning.LightningModule):
    """A linear embedding with the loss as a part of it."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Linear(64, 32)
        self.loss = PotentialFieldLoss(20, 32, proxies_per_class=2, delta=0.5, scale="dimensionless")
        self.values: list[float] = []

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        """The loss of a batch."""
        images, labels = batch
        value: Tensor = self.loss(normalize(self.network(images)), labels)
        self.values.append(value.item())
        return value

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """A rate of its own for the proxies."""
        network = {"params": self.network.parameters(), "lr": 1e-3}
        return torch.optim.AdamW([network, {"params": self.loss.parameters(), "lr": 1e-1}])


def train(epochs: int = 8) -> list[float]:
    """Train a linear embedding of 20 noisy classes and give the value of every step."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers")
    torch.manual_seed(0)
    labels = torch.arange(20).repeat_interleave(12)
    images = torch.randn(20, 64)[labels] + torch.randn(240, 64)
    module = Embedding()
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = lightning.Trainer(accelerator="cpu", max_epochs=epochs, **quiet)
    trainer.fit(module, DataLoader(TensorDataset(images, labels), batch_size=60, shuffle=True))
    return module.values


if __name__ == "__main__":
    print(train())  # noqa: T201
