"""The loss in a trainer of pytorch-metric-learning, which gives it what a loss of that library gets."""

import logging

import torch
from pytorch_metric_learning.samplers import MPerClassSampler
from pytorch_metric_learning.trainers import MetricLossOnly
from torch import nn
from torch.utils.data import TensorDataset

from pfml import PotentialFieldLoss


def train(epochs: int = 10) -> list[float]:
    """Train a linear embedding of 20 noisy classes and give the value of every step."""
    logging.getLogger("pytorch_metric_learning").setLevel(logging.WARNING)
    torch.manual_seed(0)
    labels = torch.arange(20).repeat_interleave(12)
    images = torch.randn(20, 64)[labels] + torch.randn(240, 64)
    network = nn.Linear(64, 32)
    loss = PotentialFieldLoss(20, 32, 2, delta=0.5, embedding_lengths="normalize", scale="dimensionless")
    values: list[float] = []
    trainer = MetricLossOnly(
        models={"trunk": network},
        optimizers={
            "trunk_optimizer": torch.optim.AdamW(network.parameters(), lr=1e-3),
            "metric_loss_optimizer": torch.optim.AdamW(loss.parameters(), lr=1e-1),
        },
        batch_size=60,
        loss_funcs={"metric_loss": loss},
        dataset=TensorDataset(images, labels),
        sampler=MPerClassSampler(labels, 4, batch_size=60, length_before_new_iter=240),
        dataloader_num_workers=0,
        end_of_iteration_hook=lambda trainer: values.append(float(trainer.losses["metric_loss"])),
    )
    trainer.train(num_epochs=epochs)
    return values


if __name__ == "__main__":
    print(train())  # noqa: T201
