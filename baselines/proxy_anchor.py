"""Proxy-Anchor, through pytorch-metric-learning.

Source: Kim et al., "Proxy Anchor Loss for Deep Metric Learning", CVPR 2020, Eq. 4. With s the cosine, P all
proxies, P+ those with a positive in the batch and X_p+ / X_p- the batch's positives / negatives of p,

    L = 1/|P+| sum_{p in P+} log(1 + sum_{x in X_p+} exp(-alpha (s(x, p) - margin)))
      + 1/|P|  sum_{p in P}  log(1 + sum_{x in X_p-} exp(alpha (s(x, p) + margin)))

The paper calls the margin delta; the authors' code, this file and the library call it margin. Proxies start
as in the authors' code: Kaiming normal, fan out.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pfml.batch import checked_batch
from pfml.settings import checked_integer, checked_number


class ProxyAnchorLoss(nn.Module):
    """Proxy-Anchor with one proxy a class.

    Args:
        num_classes: C.
        embedding_dim: D.
        alpha: scale of similarities, > 0.
        margin: margin on similarities, >= 0.

    Raises:
        ValueError: an argument is out of range.
    """

    formula: ClassVar[str] = (
        "mean_{P+} log(1 + sum_{X+} exp(-alpha (s - margin))) + mean_P log(1 + sum_{X-} exp(alpha (s + margin)))"
    )
    source: ClassVar[str] = "Kim et al., Proxy Anchor Loss for Deep Metric Learning, CVPR 2020, Eq. 4"
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "alpha": {"low": 2.0, "high": 64.0, "log": True},
        "margin": {"low": 0.0, "high": 0.8, "log": False},
        "learning_rate": {"low": 2e-4, "high": 2e-2, "log": True},
        "proxy_learning_rate": {"low": 1e-3, "high": 1.0, "log": True},
    }
    published: ClassVar[dict[str, Any]] = {
        "alpha": 32.0,
        "margin": 0.1,
        "learning_rate": {"large_classes": 1e-4, "small_classes": 6e-4},
        "proxy_learning_rate": {"large_classes": 1e-2, "small_classes": 6e-2},
    }
    undisclosed: ClassVar[tuple[str, ...]] = (
        "a ResNet-50 recipe for SOP: the rates for small classes are of BN-Inception",
    )

    proxy_labels: Tensor

    def __init__(self, num_classes: int, embedding_dim: int, alpha: float = 32.0, margin: float = 0.1) -> None:
        super().__init__()
        self.num_classes = checked_integer("num_classes", num_classes, at_least=1)
        self.embedding_dim = checked_integer("embedding_dim", embedding_dim, at_least=1)
        self.alpha = checked_number("alpha", alpha, above=0)
        self.margin = checked_number("margin", margin, at_least=0)
        # Imported here because the library takes seconds to load.
        from pytorch_metric_learning.losses import ProxyAnchorLoss as LibraryLoss

        self.loss = LibraryLoss(num_classes, embedding_dim, margin=self.margin, alpha=self.alpha)
        nn.init.kaiming_normal_(self.loss.proxies, mode="fan_out")
        self.register_buffer("proxy_labels", torch.arange(num_classes))

    @property
    def proxies(self) -> Tensor:
        """The proxies as used, (C, D), unit norm, class by class."""
        return normalize(self.loss.proxies)

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
            value: Tensor = self.loss(embeddings.to(self.loss.proxies.dtype), labels)
        return value
