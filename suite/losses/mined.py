"""A loss behind a miner: the miner picks the pairs or triplets of a batch on which the loss is taken."""

from torch import Tensor, nn


class MinedLoss(nn.Module):
    """``loss(embeddings, labels, miner(embeddings, labels))``, as pytorch-metric-learning combines the two.

    Args:
        loss: takes embeddings (B, D), labels (B,) and what the miner gives.
        miner: gives index tuples for embeddings and labels.
    """

    def __init__(self, loss: nn.Module, miner: nn.Module) -> None:
        super().__init__()
        self.loss = loss
        self.miner = miner

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss on the mined part of a batch: embeddings (B, D), labels (B,); gives a scalar."""
        value: Tensor = self.loss(embeddings, labels, self.miner(embeddings, labels))
        return value
