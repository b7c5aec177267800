"""The loss in a plain training loop: a rate of its own for the proxies, autocast, gradients summed over two batches."""

import torch
from torch import nn
from torch.nn.functional import normalize

from pfml import PotentialFieldLoss


def train(steps: int = 30) -> list[float]:
    """Train a linear embedding of 20 noisy classes and give the value of every step."""
    torch.manual_seed(0)
    centres = torch.randn(20, 64)
    network = nn.Linear(64, 32)
    loss = PotentialFieldLoss(num_classes=20, embedding_dim=32, proxies_per_class=2, delta=0.5, scale="dimensionless")
    optimizer = torch.optim.AdamW(
        [{"params": network.parameters(), "lr": 1e-3}, {"params": loss.parameters(), "lr": 1e-1}], weight_decay=1e-4
    )
    values = []
    for step in range(steps):
        labels = torch.randint(20, (15,)).repeat_interleave(4)
        images = centres[labels] + torch.randn(60, 64)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            embeddings = normalize(network(images))
        value = loss(embeddings, labels)  # in float32, whatever the autocast
        (value / 2).backward()
        if step % 2 == 1:  # two batches a step
            optimizer.step()
            optimizer.zero_grad()
        values.append(value.item())
    return values


if __name__ == "__main__":
    print(train())  # noqa: T201
