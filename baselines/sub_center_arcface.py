"""Sub-center ArcFace: an angular margin, and several proxies a class of which the nearest counts.

Source: Deng et al., "Sub-center ArcFace: Boosting Face Recognition by Large-scale Noisy Web Faces", ECCV 2020. A
second proxy of a class can take its mislabelled images, so that these do not pull at the first. With s the cosine, M
proxies p_{c,k} of class c and y the class of embedding z,

    S_c = max_k s(z, p_{c,k})        theta = arccos S_y
    L = mean -log( exp(scale f(theta)) / (exp(scale f(theta)) + sum_{c != y} exp(scale S_c)) )

f(theta) = cos(theta + margin), and S_y - margin sin(margin) where theta + margin > pi, so that f falls everywhere (as in
the authors' code). pytorch-metric-learning has this loss and is its oracle in the tests; it is written here because the
library's arccos has an infinite slope where an embedding meets a proxy. Deviation: cosines of the own class end 1e-6
before 1.
"""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from baselines.frame import ProxyLoss
from pfml.checks import checked_number

_NEAREST = 1 - 1e-6


class SubCenterArcFaceLoss(ProxyLoss):
    """ArcFace with M proxies a class.

    Args:
        num_classes: C.
        embedding_dim: D.
        proxies_per_class: M >= 1 (the paper's K sub-centers).
        margin: added to the angle to the own class, in radians, in [0, pi / 2].
        scale: of the cosines, > 0.

    Raises:
        ValueError: an argument is out of range.
    """

    formula: ClassVar[str] = (
        "mean -log softmax_y(scale S), S_c = max_k s(z, p_ck), with cos(arccos S_y + margin) in place of S_y"
    )
    source: ClassVar[str] = "Deng et al., Sub-center ArcFace, ECCV 2020, Eq. 2 and 3"
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "proxies_per_class": {"values": [1, 2, 3]},
        "margin": {"low": 0.0, "high": 0.6, "log": False},
        "scale": {"low": 4.0, "high": 64.0, "log": True},
        "learning_rate": {"low": 2e-4, "high": 2e-2, "log": True},
        "proxy_learning_rate": {"low": 1e-3, "high": 1.0, "log": True},
    }
    paper_values: ClassVar[dict[str, Any]] = {"proxies_per_class": 3, "margin": 0.5, "scale": 64.0}
    undisclosed: ClassVar[tuple[str, ...]] = ("a recipe for retrieval: the paper recognises faces, by SGD",)

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        proxies_per_class: int = 3,
        margin: float = 0.5,
        scale: float = 64.0,
    ) -> None:
        super().__init__(num_classes, embedding_dim, proxies_per_class)
        self.margin = checked_number("margin", margin, at_least=0, at_most=math.pi / 2)
        self.scale = checked_number("scale", scale, above=0)
        self.proxy_vectors = nn.Parameter(normalize(torch.randn(num_classes * proxies_per_class, embedding_dim)))

    @property
    def proxies(self) -> Tensor:
        """The proxies as used, (C * M, D), unit norm, class by class."""
        return normalize(self.proxy_vectors)

    def value(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The formula above."""
        cosines = normalize(embeddings) @ self.proxies.T
        nearest = cosines.view(len(labels), self.num_classes, self.proxies_per_class).amax(dim=2)
        own = nearest.gather(1, labels[:, None]).clamp(-_NEAREST, _NEAREST)
        angle = own.acos()
        shifted = torch.where(
            angle <= math.pi - self.margin, (angle + self.margin).cos(), own - self.margin * math.sin(self.margin)
        )
        return cross_entropy(self.scale * nearest.scatter(1, labels[:, None], shifted), labels)
