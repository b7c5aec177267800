"""PRISM: leaves out the samples of a batch that are unlikely to be of their class, judged by a memory of past embeddings.

Source: Liu et al., "Noise-Resistant Deep Metric Learning with Ranking-based Instance Selection", CVPR 2021, Sec. 3. With
s the cosine and M_k the remembered embeddings of class k, the average similarity to a class and the posterior of a label
are

    T(z, k) = mean_{v in M_k} s(z, v)        P(i) = exp(T(z_i, y_i)) / sum_k exp(T(z_i, k))

The class's mean embedding gives T at once. Of each batch, Q is the ``noise_rate`` quantile of P, and the smooth threshold
is the mean of Q over the last ``window`` batches; samples whose P is above it count as clean. Only these enter the loss
and the memory. The loss is that of `baselines.cross_batch_memory`, contrastive with memory as in the paper; with a noise
rate of 0 it is that loss exactly. Readings and deviations:

- The sum over k is over the classes that the memory holds; a sample of another class counts as clean. In the authors'
  code a class that has never been seen counts as exp(0).
- Q is the floor(noise_rate B)-th smallest P of the batch, as in the authors' code, which fails where that number is 0.
  Here nothing is left out then.
- Where no sample is above the smooth threshold, that of the batch alone is taken; where none is above that, all count.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from baselines.cross_batch_memory import CrossBatchMemoryLoss
from pfml.checks import checked_batch, checked_integer, checked_number


class PRISMLoss(CrossBatchMemoryLoss):
    """A pair loss with memory on the samples of a batch that are likely to be of their class.

    Args:
        num_classes: C.
        embedding_dim: D.
        noise_rate: share of each batch that is taken for mislabelled, in [0, 1).
        window: batches over which the threshold is smoothed, >= 1.
        memory_size: length N of the queue, at least the size of a batch.
        margin: cosine from which negatives are pushed.
        loss: a loss of pytorch-metric-learning in place of the contrastive one.

    Attributes:
        thresholds: (window,), a buffer: Q of the last batches, the newest last; NaN where there was none yet.

    Raises:
        ValueError: an argument is out of range, or ``loss`` takes no pairs between two sets.
    """

    thresholds: Tensor

    formula: ClassVar[str] = (
        "contrastive with memory over samples with P > mean of the noise_rate quantiles of the last batches; "
        "P = softmax_k(mean_{v in M_k} s(z, v)) at k = y"
    )
    source: ClassVar[str] = (
        "Liu et al., Noise-Resistant Deep Metric Learning with Ranking-based Instance Selection, CVPR 2021, Sec. 3"
    )
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "noise_rate": {"low": 0.0, "high": 0.5, "log": False},
        **CrossBatchMemoryLoss.search_space,
    }
    paper_values: ClassVar[dict[str, Any]] = {"margin": 0.5, "window": 30, "learning_rate": 3e-5}
    undisclosed: ClassVar[tuple[str, ...]] = (
        "noise_rate where the level of noise is unknown: the paper sets it to the true one",
        "margin, window and learning rate are those of the authors' code for CARS-98N",
    )

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        noise_rate: float = 0.2,
        window: int = 30,
        memory_size: int = 1024,
        margin: float = 0.5,
        loss: nn.Module | None = None,
    ) -> None:
        super().__init__(embedding_dim, memory_size, margin, loss)
        self.num_classes = checked_integer("num_classes", num_classes, at_least=1)
        self.noise_rate = checked_number("noise_rate", noise_rate, at_least=0, at_most=1)
        if noise_rate == 1:
            raise ValueError("noise_rate = 1: allowed are finite numbers >= 0 and < 1")
        self.window = checked_integer("window", window, at_least=1)
        self.register_buffer("thresholds", torch.full((window,), torch.nan))

    def kept(self, embeddings: Tensor, labels: Tensor) -> Tensor | None:
        """Which rows of a batch count as clean, (B,) bool."""
        checked_batch(embeddings, labels, num_classes=self.num_classes)
        left_out = int(self.noise_rate * len(labels))
        if left_out == 0:
            return None
        posterior, known = self.posterior(embeddings, labels)
        posterior = torch.where(known, posterior, 1.0)
        quantile = posterior.sort().values[left_out - 1]
        if not known.any() or quantile == 1:
            return None
        self.thresholds = torch.cat([self.thresholds[1:], quantile[None].to(self.thresholds.dtype)])
        for threshold in (self.thresholds.nanmean(), quantile):
            clean = posterior > threshold
            if clean.any():
                return clean
        return None

    def posterior(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """P of unit embeddings (B, D) under labels (B,), and whether the memory holds their class, (B,) bool."""
        filled = self.memory_labels >= 0
        classes = self.memory_labels.clamp(min=0)
        memory = self.memory.to(embeddings.dtype)
        counts = memory.new_zeros(self.num_classes).index_add(0, classes, filled.to(memory.dtype))
        sums = memory.new_zeros(self.num_classes, self.embedding_dim).index_add(0, classes, memory)
        similarities = embeddings @ (sums / counts.clamp(min=1)[:, None]).T
        shares = similarities.masked_fill(counts == 0, -torch.inf).softmax(dim=1)
        return shares.gather(1, labels[:, None])[:, 0], (counts > 0)[labels]
