"""Normalised softmax, through pytorch-metric-learning.

Source: Zhai & Wu, "Classification is a Strong Baseline for Deep Metric Learning", BMVC 2019 (without its layer
normalisation and class-balanced batches, which belong to the network and the sampler). With s the cosine and p_c the proxy
of class c,

    L = mean_i -log( exp(s(z_i, p_{y_i}) / temperature) / sum_c exp(s(z_i, p_c) / temperature) )

Proxies start as random directions of length about 1; the library's start has length sqrt(D), where a step turns them less.
"""

from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.functional import normalize

from baselines.frame import ProxyLoss
from pfml.checks import checked_number


class NormalizedSoftmaxLoss(ProxyLoss):
    """Normalised softmax with one proxy a class.

    Args:
        num_classes: C.
        embedding_dim: D.
        temperature: of the softmax, > 0.

    Raises:
        ValueError: an argument is out of range.
    """

    formula: ClassVar[str] = "mean_i -log softmax_c(s(z_i, p_c) / temperature) at c = y_i"
    source: ClassVar[str] = "Zhai & Wu, Classification is a Strong Baseline for Deep Metric Learning, BMVC 2019"
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "temperature": {"low": 0.01, "high": 1.0, "log": True},
        "learning_rate": {"low": 1e-4, "high": 3e-2, "log": True},
        "proxy_learning_rate": {"low": 1e-3, "high": 3.0, "log": True},
    }
    paper_values: ClassVar[dict[str, Any]] = {"temperature": 0.05}
    undisclosed: ClassVar[tuple[str, ...]] = ("learning rates for AdamW: the paper trains by SGD",)

    def __init__(self, num_classes: int, embedding_dim: int, temperature: float = 0.05) -> None:
        super().__init__(num_classes, embedding_dim)
        self.temperature = checked_number("temperature", temperature, above=0)
        from pytorch_metric_learning.losses import NormalizedSoftmaxLoss as LibraryLoss

        self.loss = LibraryLoss(num_classes, embedding_dim, self.temperature)
        nn.init.normal_(self.loss.W, std=embedding_dim**-0.5)

    @property
    def proxies(self) -> Tensor:
        """The proxies as used, (C, D), unit norm, class by class."""
        return normalize(self.loss.W.t())

    def value(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The formula above."""
        found: Tensor = self.loss(embeddings, labels)
        return found
