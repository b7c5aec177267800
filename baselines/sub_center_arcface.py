"""Sub-center ArcFace, an angular margin and several proxies a class, through pytorch-metric-learning.

Source: Deng et al., "Sub-center ArcFace: Boosting Face Recognition by Large-scale Noisy Web Faces", ECCV 2020. A
second proxy of a class can take its mislabelled images, so that these do not pull at the first. With s the cosine, M
proxies p_{c,k} of class c and y the class of embedding z,

    S_c = max_k s(z, p_{c,k})        theta = arccos S_y
    L = mean -log( exp(scale f(theta)) / (exp(scale f(theta)) + sum_{c != y} exp(scale S_c)) )

f(theta) = cos(theta + margin), and S_y - margin sin(margin) where theta + margin > pi, so that f falls everywhere (as in
the authors' code). Proxies start as random directions of length about 1; the library's start has length sqrt(D).

The paper's second stage is left out: it drops the images that lie more than 75 degrees from the proxy which holds most of
their class, and trains anew with one proxy a class. A loss sees one training.

With one proxy a class this is ArcFace, and a search on true labels may well choose it. So 2 and the paper's 3 are searched.
Where a data set limits the proxies a class to 2 for all losses, as emoji does, the search has 2 alone.
"""

import math
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.functional import normalize

from baselines.frame import ProxyLoss
from pfml.checks import checked_number


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
    source: ClassVar[str] = "Deng et al., Sub-center ArcFace, ECCV 2020"
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "proxies_per_class": {"values": [2, 3]},
        "margin": {"low": 0.0, "high": 0.6, "log": False},
        "scale": {"low": 2.0, "high": 64.0, "log": True},
        "learning_rate": {"low": 1e-4, "high": 3e-2, "log": True},
        "proxy_learning_rate": {"low": 1e-3, "high": 3.0, "log": True},
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
        from pytorch_metric_learning.losses import SubCenterArcFaceLoss as LibraryLoss

        self.loss = LibraryLoss(
            num_classes=num_classes,
            embedding_size=embedding_dim,
            margin=math.degrees(self.margin),
            scale=self.scale,
            sub_centers=proxies_per_class,
        )
        nn.init.normal_(self.loss.W, std=embedding_dim**-0.5)

    @property
    def proxies(self) -> Tensor:
        """The proxies as used, (C * M, D), unit norm, class by class."""
        return normalize(self.loss.W.t())

    def value(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The formula above."""
        found: Tensor = self.loss(embeddings, labels)
        return found
