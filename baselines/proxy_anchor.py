"""Proxy-Anchor, through pytorch-metric-learning.

Source: Kim et al., "Proxy Anchor Loss for Deep Metric Learning", CVPR 2020, Eq. 4. With s the cosine, P all
proxies, P+ those with a positive in the batch and X_p+ / X_p- the batch's positives / negatives of p,

    L = 1/|P+| sum_{p in P+} log(1 + sum_{x in X_p+} exp(-alpha (s(x, p) - margin)))
      + 1/|P|  sum_{p in P}  log(1 + sum_{x in X_p-} exp(alpha (s(x, p) + margin)))

The paper calls the margin delta; the authors' code, this file and the library call it margin. Proxies start
as in the authors' code: Kaiming normal, fan out.
"""

from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.functional import normalize

from baselines.frame import ProxyLoss
from pfml.checks import checked_number


class ProxyAnchorLoss(ProxyLoss):
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
        "margin": {"low": 0.0, "high": 1.0, "log": False},
        "learning_rate": {"low": 1e-4, "high": 3e-2, "log": True},
        "proxy_learning_rate": {"low": 1e-3, "high": 3.0, "log": True},
    }
    paper_values: ClassVar[dict[str, Any]] = {
        "alpha": 32.0,
        "margin": 0.1,
        "learning_rate": {"large_classes": 1e-4, "small_classes": 6e-4},
        "proxy_learning_rate": {"large_classes": 1e-2, "small_classes": 6e-2},
    }
    undisclosed: ClassVar[tuple[str, ...]] = (
        "a ResNet-50 recipe for SOP: the rates for small classes are of BN-Inception",
    )

    def __init__(self, num_classes: int, embedding_dim: int, alpha: float = 32.0, margin: float = 0.1) -> None:
        super().__init__(num_classes, embedding_dim)
        self.alpha = checked_number("alpha", alpha, above=0)
        self.margin = checked_number("margin", margin, at_least=0)
        from pytorch_metric_learning.losses import ProxyAnchorLoss as LibraryLoss

        self.loss = LibraryLoss(num_classes, embedding_dim, margin=self.margin, alpha=self.alpha)
        nn.init.kaiming_normal_(self.loss.proxies, mode="fan_out")

    @property
    def proxies(self) -> Tensor:
        """The proxies as used, (C, D), unit norm, class by class."""
        return normalize(self.loss.proxies)

    def value(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The formula above."""
        found: Tensor = self.loss(embeddings, labels)
        return found
