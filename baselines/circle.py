"""Circle loss, through pytorch-metric-learning.

Source: Sun et al., "Circle Loss: A Unified Perspective of Pair Similarity Optimization", CVPR 2020. With s the
cosine, P(i) the positives and N(i) the negatives of anchor i, O_p = 1 + m, O_n = -m, and weights a through which no
gradient runs,

    a_p = max(0, O_p - s_ip)        a_n = max(0, s_in - O_n)
    L = mean_i log(1 + sum_{N(i)} exp(gamma a_n (s_in - m)) sum_{P(i)} exp(-gamma a_p (s_ip - 1 + m)))

over the anchors that have a positive and a negative. Circle stands here rather than the margin loss of Wu et al. (ICCV
2017): that one is a loss, a sampler of negatives by distance and a threshold learned for each class in one, so that a
comparison would not tell which of them counts. Deviation, of the library: anchors whose loss is zero are left out of the
mean.
"""

from typing import Any, ClassVar

from torch import Tensor

from baselines.pairs import BatchLoss
from pfml.checks import checked_number


class CircleLoss(BatchLoss):
    """Circle loss on all pairs of the batch.

    Args:
        m: relaxation factor: positives shall reach a cosine of 1 - m, negatives one of m.
        gamma: scale, > 0.

    Raises:
        ValueError: an argument is out of range.
    """

    formula: ClassVar[str] = (
        "mean_i log(1 + sum_{N(i)} exp(gamma [s + m]+ (s - m)) sum_{P(i)} exp(-gamma [1 + m - s]+ (s - 1 + m)))"
    )
    source: ClassVar[str] = "Sun et al., Circle Loss, CVPR 2020"
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "m": {"low": 0.0, "high": 0.8, "log": False},
        "gamma": {"low": 2.0, "high": 256.0, "log": True},
        "learning_rate": {"low": 1e-4, "high": 3e-2, "log": True},
    }
    paper_values: ClassVar[dict[str, Any]] = {"m": 0.4, "gamma": 80.0}
    undisclosed: ClassVar[tuple[str, ...]] = ("the learning rate on CUB-200-2011, Cars-196 and SOP",)

    def __init__(self, m: float = 0.4, gamma: float = 80.0) -> None:
        super().__init__()
        self.m = checked_number("m", m, above=-1, at_most=1)
        self.gamma = checked_number("gamma", gamma, above=0)
        from pytorch_metric_learning.losses import CircleLoss as LibraryLoss

        self.loss = LibraryLoss(self.m, self.gamma)

    def value(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The formula above."""
        found: Tensor = self.loss(embeddings, labels)
        return found
