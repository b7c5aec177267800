"""What the losses here share: checks of a batch, the precision that they run in, and what a loss with proxies has.

A file here that computes with pytorch-metric-learning imports it in its constructor: the library takes seconds to load.
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from pfml.checks import checked_batch, checked_integer


class MinedPairsLoss(nn.Module):
    """A loss of the library on what its miner picks from a batch; a subclass sets both. It has no parameters."""

    miner: nn.Module
    loss: nn.Module

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Loss of a batch.

        Args:
            embeddings: (B, D), rows of unit norm, B >= 1.
            labels: (B,) integers.

        Returns:
            Scalar, zero if nothing is picked; float64 if the embeddings are, else float32.

        Raises:
            ValueError: a shape or a type is not as above.
        """
        embeddings, labels = checked_batch(embeddings, labels)
        with torch.autocast(embeddings.device.type, enabled=False):
            embeddings = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
            value: Tensor = self.loss(embeddings, labels, self.miner(embeddings, labels))
        return value


class ProxyLoss(nn.Module):
    """A loss with proxies, which are its parameters.

    Args:
        num_classes: C >= 1.
        embedding_dim: D >= 1.
        proxies_per_class: M >= 1.

    Raises:
        ValueError: an argument is out of range.
    """

    proxy_labels: Tensor

    def __init__(self, num_classes: int, embedding_dim: int, proxies_per_class: int = 1) -> None:
        super().__init__()
        self.num_classes = checked_integer("num_classes", num_classes, at_least=1)
        self.embedding_dim = checked_integer("embedding_dim", embedding_dim, at_least=1)
        self.proxies_per_class = checked_integer("proxies_per_class", proxies_per_class, at_least=1)
        self.register_buffer("proxy_labels", torch.arange(num_classes).repeat_interleave(proxies_per_class))

    @property
    @abstractmethod
    def proxies(self) -> Tensor:
        """The proxies as used, (C * M, D), unit norm, class by class."""

    @abstractmethod
    def value(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The formula: a scalar, of embeddings (B, D) in the type of the proxies and labels (B,) in [0, C)."""

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Loss of a batch.

        Args:
            embeddings: (B, D), rows of unit norm, B >= 1.
            labels: (B,) integers in [0, C).

        Returns:
            Scalar in the type of the proxies.

        Raises:
            ValueError: a shape, a type or a label is out of range.
        """
        embeddings, labels = checked_batch(
            embeddings, labels, num_classes=self.num_classes, embedding_dim=self.embedding_dim
        )
        # The library would cast its proxies to the type of the embeddings.
        with torch.autocast(embeddings.device.type, enabled=False):
            return self.value(embeddings.to(next(self.parameters()).dtype), labels)
