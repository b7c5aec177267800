"""Smooth Proxy-Anchor: Proxy-Anchor whose samples count by a learned confidence in their labels.

Source: Roig et al., "Smooth Proxy-Anchor Loss for Noisy Metric Learning", 2020 (arXiv 2006.05142). A confidence module
gives c_xp in (0, 1), how surely sample x is of the class of proxy p; a smoothing function w(c) = sigmoid(sharpness (c -
position)) turns it into a weight; with s the cosine, P all proxies, P+ those with a positive in the batch, X_p+ / X_p- the
batch's positives / negatives of p,

    L = 1/|P+| sum_{p in P+} log(1 + sum_{x in X_p+} w(c_xp) exp(-alpha (s(x, p) - margin)))
      + 1/|P|  sum_{p in P}  log(1 + sum_{x in X_p-} (1 - w(c_xp)) exp(alpha (s(x, p) + margin)))
      + mean binary cross-entropy of c_xp against the labels, in the first ``warm_up`` epochs

What is read, in the paper's abstract and slides: two phases, of which the first trains the module by binary cross-entropy
and the second trains the embeddings with the module held; the network below both stays frozen. The module relabels: its
confidences choose the positives of a proxy.

What is ours: a loss sees embeddings only, so the module is a linear layer with a sigmoid on them, through which no gradient
runs back. Before the first step each confidence is 1/C, the share of a class among C that are drawn alike: from confidences
about 1/2 a short warm-up at a low rate would teach it little but that share. It learns beside the embeddings
for ``warm_up`` epochs, in which all weights are 1: that is Proxy-Anchor. Then it is held as it stands: a module that learns
on would fit the given labels, wrong ones too, until all weights are 1 again. Embeddings go on moving under the held module,
as the paper's features do not. Labels choose the positives; a sample whose confidence for another class is high is not
pushed from it. Without an ``epoch``, the module learns and weighs at once.

The weights act under label noise alone, and on true labels a longer warm-up, which is Proxy-Anchor, does better. So the
warm-ups that are searched end at 4 epochs, half of the shortest training of `tuning.space`. A loss is not told how many
epochs there are, so that the warm-up is no share of them. The held module lies in buffers, and the cross-entropy stays with
a factor of 0: an optimiser's momentum moves parameters on, and processes that train together want a gradient of each.
"""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, linear, logsigmoid, normalize, one_hot

from baselines.frame import ProxyLoss
from pfml.checks import checked_integer, checked_number


class SmoothProxyAnchorLoss(ProxyLoss):
    """Proxy-Anchor with one proxy a class and a confidence for each sample and proxy.

    Args:
        num_classes: C.
        embedding_dim: D.
        alpha: scale of similarities, > 0.
        margin: margin on similarities, >= 0.
        sharpness: slope of the smoothing function, > 0.
        position: confidence at which a weight is 1/2, in [0, 1].
        warm_up: epochs in which the confidence module learns and all weights are 1, >= 1.

    Attributes:
        held_weight: (C, D), a buffer: weight of the confidence module at the end of the warm-up; zero before.
        held_bias: (C,), a buffer: its bias.
        is_held: bool scalar, a buffer: whether the two are set.

    Raises:
        ValueError: an argument is out of range.
    """

    held_weight: Tensor
    held_bias: Tensor
    is_held: Tensor

    formula: ClassVar[str] = (
        "mean_{P+} log(1 + sum_{X+} w exp(-alpha (s - margin))) + mean_P log(1 + sum_{X-} (1 - w) exp(alpha (s + margin))) "
        "+ BCE(c), w = sigmoid(sharpness (c - position)); first both weights are 1, then c is held and BCE left out"
    )
    source: ClassVar[str] = (
        "Roig et al., Smooth Proxy-Anchor Loss for Noisy Metric Learning, 2020 (arXiv 2006.05142), declared reading"
    )
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "alpha": {"low": 2.0, "high": 64.0, "log": True},
        "margin": {"low": 0.0, "high": 1.0, "log": False},
        "sharpness": {"low": 1.0, "high": 30.0, "log": True},
        "position": {"low": 0.0, "high": 0.5, "log": False},
        "warm_up": {"values": [1, 2, 4]},
        "learning_rate": {"low": 1e-4, "high": 3e-2, "log": True},
        "proxy_learning_rate": {"low": 1e-3, "high": 3.0, "log": True},
    }
    paper_values: ClassVar[dict[str, Any]] = {}
    undisclosed: ClassVar[tuple[str, ...]] = (
        "values for a module on the embeddings: the paper trains it on the features of a frozen network",
    )

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        alpha: float = 32.0,
        margin: float = 0.1,
        sharpness: float = 10.0,
        position: float = 0.2,
        warm_up: int = 2,
    ) -> None:
        super().__init__(num_classes, embedding_dim)
        self.alpha = checked_number("alpha", alpha, above=0)
        self.margin = checked_number("margin", margin, at_least=0)
        self.sharpness = checked_number("sharpness", sharpness, above=0)
        self.position = checked_number("position", position, at_least=0, at_most=1)
        self.warm_up = checked_integer("warm_up", warm_up, at_least=1)
        self.proxy_vectors = nn.Parameter(torch.empty(num_classes, embedding_dim))
        nn.init.kaiming_normal_(self.proxy_vectors, mode="fan_out")
        self.confidence = nn.Linear(embedding_dim, num_classes)
        nn.init.zeros_(self.confidence.weight)
        nn.init.constant_(self.confidence.bias, -math.log(max(num_classes - 1, 1)))
        self.register_buffer("held_weight", torch.zeros(num_classes, embedding_dim))
        self.register_buffer("held_bias", torch.zeros(num_classes))
        self.register_buffer("is_held", torch.tensor(False))  # noqa: FBT003 - the content of a tensor

    @property
    def proxies(self) -> Tensor:
        """The proxies as used, (C, D), unit norm, class by class."""
        return normalize(self.proxy_vectors)

    def forward(self, embeddings: Tensor, labels: Tensor, *, epoch: int | None = None) -> Tensor:
        """Loss of a batch; as `ProxyLoss.forward`.

        Args:
            embeddings: (B, D), rows of unit norm, B >= 1.
            labels: (B,) integers in [0, C).
            epoch: of the training, from 1; None where that is not known: the confidence module learns and weighs at once.
        """
        self._warms_up = epoch is not None and epoch <= self.warm_up
        self._holds = epoch is not None and not self._warms_up
        return super().forward(embeddings, labels)

    def value(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The formula above."""
        scores = self.confidence(embeddings.detach())
        own = one_hot(labels, self.num_classes)
        learned = binary_cross_entropy_with_logits(scores, own.to(scores.dtype))
        self._hold()
        if self._holds:
            scores = linear(embeddings.detach(), self.held_weight, self.held_bias)
            learned = 0 * learned
        slopes = self.sharpness * (scores.detach().sigmoid() - self.position)
        logs = (torch.zeros_like(slopes),) * 2 if self._warms_up else (logsigmoid(slopes), logsigmoid(-slopes))
        cosines = normalize(embeddings) @ self.proxies.T
        return proxy_anchor(cosines, own.bool(), logs, self.alpha, self.margin) + learned

    def _hold(self) -> None:
        """Keep the module as it is in the first batch after the warm-up."""
        if self._holds:
            self.held_weight = torch.where(self.is_held, self.held_weight, self.confidence.weight.detach())
            self.held_bias = torch.where(self.is_held, self.held_bias, self.confidence.bias.detach())
        self.is_held = torch.full_like(self.is_held, self._holds)


def proxy_anchor(cosines: Tensor, own: Tensor, logs: tuple[Tensor, Tensor], alpha: float, margin: float) -> Tensor:
    """The first two terms of the formula above.

    Args:
        cosines: (B, C).
        own: (B, C), whether the sample is of the proxy's class.
        logs: logarithms of the weights as a positive and as a negative, (B, C) each.
        alpha: scale.
        margin: margin.
    """
    pull = logs[0] - alpha * (cosines - margin)
    push = logs[1] + alpha * (cosines + margin)
    pulled = _log_one_plus_sum(pull.masked_fill(~own, -torch.inf))
    pushed = _log_one_plus_sum(push.masked_fill(own, -torch.inf))
    return pulled.sum() / torch.count_nonzero(own.any(dim=0)) + pushed.mean()


def _log_one_plus_sum(exponents: Tensor) -> Tensor:
    """log(1 + sum exp) over the rows of (B, C)."""
    return torch.cat([exponents, torch.zeros_like(exponents[:1])]).logsumexp(dim=0)
