"""What losses of a batch alone share: checks of the batch, their precision, and soft ranks among the batch.

A file here that computes with pytorch-metric-learning imports it in its constructor: the library takes seconds to load.
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pfml.checks import checked_batch


class BatchLoss(nn.Module):
    """A loss of the embeddings of a batch and their labels. It has no parameters."""

    @abstractmethod
    def value(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The formula: a scalar, of embeddings (B, D), float32 or float64, and labels (B,)."""

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Loss of a batch.

        Args:
            embeddings: (B, D), rows of unit norm, B >= 1.
            labels: (B,) integers.

        Returns:
            Scalar, zero where the batch has nothing to compare; float64 if the embeddings are, else float32.

        Raises:
            ValueError: a shape or a type is not as above.
        """
        embeddings, labels = checked_batch(embeddings, labels)
        with torch.autocast(embeddings.device.type, enabled=False):
            return self.value(embeddings.to(torch.promote_types(embeddings.dtype, torch.float32)), labels)


class Ranks:
    """Every positive of every query, and how many others come before it, by a sigmoid in place of a step.

    Each embedding of the batch is a query; the others are ranked by their cosine to it.

    Args:
        embeddings: (B, D).
        labels: (B,).
        temperature: of the sigmoid, > 0: at 0 it would be a step.

    Attributes:
        query: (P,) row of the query of each positive pair; P may be 0.
        positives: (P,) how many positives that query has.
        before: (P,) soft number of others that come before the positive: sum_j sigmoid((s_qj - s_qx) / temperature).
        positives_before: (P,) the same over the other positives alone.
    """

    def __init__(self, embeddings: Tensor, labels: Tensor, temperature: float) -> None:
        cosines = (unit := normalize(embeddings)) @ unit.T
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        same = (labels[:, None] == labels) & ~itself
        self.query, positive = same.nonzero().unbind(1)
        self.positives = same.sum(dim=1)[self.query]
        ahead = ((cosines[self.query] - cosines[self.query, positive][:, None]) / temperature).sigmoid()
        ahead = ahead.masked_fill(itself[self.query] | itself[positive], 0.0)
        self.before = ahead.sum(dim=1)
        self.positives_before = (ahead * same[self.query]).sum(dim=1)

    def mean_over_queries(self, of_positives: Tensor) -> Tensor:
        """Sum what each positive pair has, (P,), over the positives of a query, and average over queries that have one."""
        mean: Tensor = of_positives.sum() / torch.unique(self.query).numel()
        return mean
