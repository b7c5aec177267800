"""SuperLoss over proxies: each image counts as much as its label can be trusted, by how far it lies from its proxy.

Source: Castells, Weinzaepfel & Revaud, "SuperLoss: A Generic Loss for Robust Curriculum Learning", NeurIPS 2020.
With l_i the loss of image i, tau the running average of losses, W the Lambert function and a confidence through which no
gradient runs,

    sigma_i = exp(-W(max(-2/e, (l_i - tau) / regularization) / 2))
    L = mean_i (l_i - tau) sigma_i + regularization (log sigma_i)^2

sigma_i minimises what it stands in, so that the gradient is that of sum_i sigma_i l_i: above 1 for images that fit (at
most e), falling to 0 for those that do not. l_i is the normalised softmax of `baselines.normalized_softmax`, the distance
of an image from its class's proxy among all proxies.

The larger the regularization, the more alike the weights. A search on true labels would take it where all are about 1 and
the method is off. So its search space ends at 1. The same holds of the temperature, which divides the losses: at 1 they
differ too little to be told apart. Its search space ends at 0.3.
"""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from baselines.frame import ProxyLoss
from pfml.checks import checked_number

_STEPS = 12
_BRANCH_POINT = -1 / math.e
_BESIDE = 1e-12


class SuperLoss(ProxyLoss):
    """Normalised softmax with one proxy a class, weighed image by image.

    Args:
        num_classes: C.
        embedding_dim: D.
        temperature: of the softmax, > 0.
        regularization: the paper's lambda, > 0: the larger, the more alike the weights.
        momentum: share of the old value in the running average tau, in [0, 1].

    Attributes:
        average: tau, a buffer; NaN before the first batch.

    Raises:
        ValueError: an argument is out of range.
    """

    average: Tensor

    formula: ClassVar[str] = (
        "mean_i (l_i - tau) sigma_i + lambda (log sigma_i)^2, sigma_i = exp(-W(max(-2/e, (l_i - tau) / lambda) / 2)); "
        "l_i = -log softmax_y(s(z_i, p) / temperature)"
    )
    source: ClassVar[str] = "Castells, Weinzaepfel & Revaud, SuperLoss, NeurIPS 2020, on a proxy loss"
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "temperature": {"low": 0.01, "high": 0.3, "log": True},
        "regularization": {"low": 0.01, "high": 1.0, "log": True},
        "learning_rate": {"low": 1e-4, "high": 3e-2, "log": True},
        "proxy_learning_rate": {"low": 1e-3, "high": 3.0, "log": True},
    }
    paper_values: ClassVar[dict[str, Any]] = {"momentum": 0.9}
    undisclosed: ClassVar[tuple[str, ...]] = (
        "values for a proxy loss: for retrieval the paper weighs the pairs of a contrastive loss",
        "lambda: the paper's for retrieval was not looked up; code of others quotes 1 for CIFAR-10 and 0.25 for CIFAR-100",
    )

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        temperature: float = 0.05,
        regularization: float = 1.0,
        momentum: float = 0.9,
    ) -> None:
        super().__init__(num_classes, embedding_dim)
        self.temperature = checked_number("temperature", temperature, above=0)
        self.regularization = checked_number("regularization", regularization, above=0)
        self.momentum = checked_number("momentum", momentum, at_least=0, at_most=1)
        self.proxy_vectors = nn.Parameter(normalize(torch.randn(num_classes, embedding_dim)))
        self.register_buffer("average", torch.tensor(math.nan))

    @property
    def proxies(self) -> Tensor:
        """The proxies as used, (C, D), unit norm, class by class."""
        return normalize(self.proxy_vectors)

    def value(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The formula above; the running average takes the batch in first."""
        cosines = normalize(embeddings) @ self.proxies.T
        losses = cross_entropy(cosines / self.temperature, labels, reduction="none")
        now = losses.detach().mean()
        followed = self.momentum * self.average + (1 - self.momentum) * now
        self.average = torch.where(self.average.isnan(), now, followed)
        excess = losses - self.average
        confidence = confidences(excess.detach() / self.regularization)
        return (excess * confidence + self.regularization * confidence.log().square()).mean()


def confidences(excess: Tensor) -> Tensor:
    """The weights sigma of losses above tau, over the regularization; any shape; in (0, e]."""
    wanted = excess.clamp(min=2 * _BRANCH_POINT).double() / 2
    return (-lambert(wanted)).exp().to(excess.dtype)


def lambert(x: Tensor) -> Tensor:
    """The main branch of W(x) exp(W(x)) = x for x >= -1/e, any shape, float64, by Halley's method.

    Source: Corless et al., "On the Lambert W function", Advances in Computational Mathematics 5, 1996, Eq. 5.9.
    """
    x = x.clamp(min=_BRANCH_POINT + _BESIDE)
    root = (2 * (math.e * x + 1)).clamp(min=0).sqrt()
    w = torch.where(x < 0, -1 + root - root.square() / 3, x.clamp(min=0).log1p())
    for _ in range(_STEPS):
        power = w.exp()
        error = w * power - x
        w = w - error / (power * (w + 1) - (w + 2) * error / (2 * w + 2))
    return w
