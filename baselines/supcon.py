"""Supervised contrastive loss, through pytorch-metric-learning.

Source: Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, Eq. 2. With s the cosine, A(i) all of the batch but
i and P(i) the positives of i,

    L = mean_i  -1/|P(i)| sum_{p in P(i)} log( exp(s_ip / temperature) / sum_{a in A(i)} exp(s_ia / temperature) )

over the anchors that have a positive. Deviations: the mean in place of the sum over anchors; of the library: a batch
without positives or without negatives has loss zero. The library's own mean leaves out anchors whose loss is zero, and in
float32 that of an anchor far from all others is, at low temperatures. Here they count.
"""

from typing import Any, ClassVar

from torch import Tensor

from baselines.pairs import BatchLoss
from pfml.checks import checked_number


class SupConLoss(BatchLoss):
    """Supervised contrastive loss over the batch.

    Args:
        temperature: of the softmax, > 0.

    Raises:
        ValueError: the temperature is out of range.
    """

    formula: ClassVar[str] = "mean_i -mean_{p in P(i)} log softmax_{a != i}(s_ia / temperature) at a = p"
    source: ClassVar[str] = "Khosla et al., Supervised Contrastive Learning, NeurIPS 2020, Eq. 2"
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "temperature": {"low": 0.01, "high": 1.0, "log": True},
        "learning_rate": {"low": 1e-4, "high": 3e-2, "log": True},
    }
    paper_values: ClassVar[dict[str, Any]] = {"temperature": 0.1}
    undisclosed: ClassVar[tuple[str, ...]] = ("a recipe for retrieval: the paper classifies ImageNet",)

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = checked_number("temperature", temperature, above=0)
        from pytorch_metric_learning.losses import SupConLoss as LibraryLoss
        from pytorch_metric_learning.reducers import MeanReducer

        self.loss = LibraryLoss(self.temperature, reducer=MeanReducer())

    def value(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The formula above."""
        over_all: Tensor = self.loss(embeddings, labels)  # zero for an anchor without a positive
        anchors = ((labels[:, None] == labels).sum(dim=1) > 1).sum()
        return over_all * len(labels) / anchors.clamp(min=1)
