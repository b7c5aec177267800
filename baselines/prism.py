"""PRISM: leaves out the samples of a batch that are unlikely to be of their class, judged by a memory of past embeddings.

Source: Liu et al., "Noise-Resistant Deep Metric Learning with Ranking-based Instance Selection", CVPR 2021, Sec. 3. With
s the cosine and M_k the remembered embeddings of class k, the average similarity to a class and the posterior of a label
are

    T(z, k) = mean_{v in M_k} s(z, v)        P(i) = exp(T(z_i, y_i)) / sum_k exp(T(z_i, k))

The class's mean embedding, its centre, gives T at once. Of each batch, Q is the ``noise_rate`` quantile of P, and the
smooth threshold is the mean of Q over the last ``window`` batches; samples whose P is above it count as clean. Only these
enter the loss and the memory. A centre is renewed from the memory when samples of its class join it, and stays when the
memory holds none of them any more, as in the authors' code (memory_contrastive_loss_w_PRISM.py): a memory may be shorter
than the batches in which each class comes up once. The loss is that of `baselines.cross_batch_memory`; with a noise rate of
0 it is that loss exactly. Readings and deviations:

- The loss. The authors add two contrastive losses: of the samples kept among themselves, and of these against the memory
  before the batch joins it, each a sum over pairs divided by the number of images. Here it is one, against the memory with
  the batch in it, of means over the terms that are not zero.
- The sum over k is over the classes that have a centre; a sample of another class counts as clean. In the authors' code a
  class that has never been seen counts as exp(0).
- Q is the floor(noise_rate B)-th smallest P of the batch, as in the authors' code, which fails where that number is 0.
  Here nothing is left out then.
- Where Q is that of a sample whose class has no centre, it says nothing and does not join the window. Where no sample is
  above the smooth threshold, that of the batch alone is taken, and the window begins anew. Both are the authors'. Where none
  is above that, or there is no threshold yet, all count; in the authors' code those of the lowest P do not.
- A sample that has joined the memory before is part of its class's centre and vouches for itself there, as in the authors'
  code. The embeddings that it left there are no positives in the loss, where ``indices`` are given.

``noise_rate`` acts under label noise alone, and a search on true labels would set it to 0, where the method is off. So its
search space begins at 0.1.
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
        centres: (C, D), a buffer: mean embedding of each class in the memory when it last joined; zero before.
        filled: (C,) bool, a buffer: whether the class has ever joined the memory.

    Raises:
        ValueError: an argument is out of range, or ``loss`` takes no pairs between two sets.
    """

    thresholds: Tensor
    centres: Tensor
    filled: Tensor

    formula: ClassVar[str] = (
        "contrastive with memory over samples with P > mean of the noise_rate quantiles of the last batches; "
        "P = softmax_k(mean_{v in M_k} s(z, v)) at k = y"
    )
    source: ClassVar[str] = (
        "Liu et al., Noise-Resistant Deep Metric Learning with Ranking-based Instance Selection, CVPR 2021, Sec. 3"
    )
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "noise_rate": {"low": 0.1, "high": 0.5, "log": False},
        **CrossBatchMemoryLoss.search_space,
    }
    paper_values: ClassVar[dict[str, Any]] = {
        "noise_rate": 0.5,
        "window": 30,
        "memory_size": 9500,
        "margin": 0.5,
        "learning_rate": 3e-5,
    }
    undisclosed: ClassVar[tuple[str, ...]] = (
        "values for other data: these are those of the authors' code for CARS-98N, whose level of noise is unknown",
        "noise_rate where the level of noise is known: under synthetic noise the paper sets it to the true one",
        "the length of the memory for other data: 9,500 is about the number of training images of CARS-98N",
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
        self.register_buffer("centres", torch.zeros(num_classes, embedding_dim))
        self.register_buffer("filled", torch.zeros(num_classes, dtype=torch.bool))

    def kept(self, embeddings: Tensor, labels: Tensor) -> Tensor | None:
        """Which rows of a batch count as clean, (B,) bool."""
        checked_batch(embeddings, labels, num_classes=self.num_classes)
        left_out = int(self.noise_rate * len(labels))
        if left_out == 0:
            return None
        posterior = self.posterior(embeddings, labels)
        quantile = posterior.sort().values[left_out - 1]
        newest = quantile[None].to(self.thresholds.dtype)
        if quantile < 1:
            self.thresholds = torch.cat([self.thresholds[1:], newest])
        if self.thresholds.isnan().all():
            return None
        clean = posterior > self.thresholds.nanmean()
        if not clean.any():
            self.thresholds = torch.cat([torch.full_like(self.thresholds[1:], torch.nan), newest])
            clean = posterior > quantile
        return clean if clean.any() else None

    def posterior(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """P of unit embeddings (B, D) under labels (B,), (B,); 1 where the class has no centre."""
        similarities = embeddings @ self.centres.to(embeddings.dtype).T
        shares = similarities.masked_fill(~self.filled, -torch.inf).softmax(dim=1)
        return torch.where(self.filled[labels], shares.gather(1, labels[:, None])[:, 0], 1.0)

    def remember(self, embeddings: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        """As the base loss does; renews the centres of the classes that join."""
        rows = super().remember(embeddings, labels, images)
        classes = self.memory_labels.clamp(min=0)  # rows not yet filled are zero, and add nothing
        counts = self.memory.new_zeros(self.num_classes).index_add(
            0, classes, (self.memory_labels >= 0).to(self.memory)
        )
        sums = torch.zeros_like(self.centres).index_add(0, classes, self.memory)
        joined = torch.zeros_like(self.filled).index_fill(0, labels, value=True)
        self.centres = torch.where(joined[:, None], sums / counts.clamp(min=1)[:, None], self.centres)
        self.filled = self.filled | joined
        return rows
