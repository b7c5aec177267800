"""Proxy-NCA++, through pytorch-metric-learning.

Source: Teh et al., "ProxyNCA++: Revisiting and Revitalizing Proxy Neighborhood Component Analysis", ECCV 2020: Proxy-NCA as
the probability of a proxy among all proxies, the own one included, at a low temperature T. With x an embedding and p_c the
proxy of class c, both of unit norm, and y the class of x,

    L = mean_x -log( exp(-|x - p_y|^2 / T) / sum_c exp(-|x - p_c|^2 / T) )

The authors' code gives the loss a ``scale`` of 3 = sqrt(1 / T), T = 1/9; the library calls 1 / T ``softmax_scale``. Proxies
and distances are the library's. Its loss is not: it takes the logarithm of the probability and leaves out embeddings whose
probability is zero in float32; here, as in the authors' code, it is taken of the softmax at once. Proxies start as in the
authors' code, normal with deviation 1/8, which decides how fast they turn. The paper's other parts (maximum pooling, layer
norm, rates) belong to the network and its training.
"""

from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from baselines.frame import ProxyLoss
from pfml.checks import checked_number

_START = 1 / 8


class ProxyNCAPlusPlusLoss(ProxyLoss):
    """Proxy-NCA++ with one proxy a class.

    Args:
        num_classes: C.
        embedding_dim: D.
        temperature: divisor T of squared distances, > 0.

    Raises:
        ValueError: an argument is out of range.
    """

    formula: ClassVar[str] = "mean -log softmax_y(-|x - p|^2 / temperature) over all proxies p"
    source: ClassVar[str] = (
        "Teh et al., ProxyNCA++: Revisiting and Revitalizing Proxy Neighborhood Component Analysis, ECCV 2020"
    )
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "temperature": {"low": 0.02, "high": 1.0, "log": True},
        "learning_rate": {"low": 2e-4, "high": 2e-2, "log": True},
        "proxy_learning_rate": {"low": 1e-3, "high": 1.0, "log": True},
    }
    paper_values: ClassVar[dict[str, Any]] = {"temperature": 1 / 9}
    undisclosed: ClassVar[tuple[str, ...]] = (
        "learning rates for AdamW: the authors' code has 4e-3 and, for proxies, 4e2 on CUB, under Adam with epsilon 1",
    )

    def __init__(self, num_classes: int, embedding_dim: int, temperature: float = 1 / 9) -> None:
        super().__init__(num_classes, embedding_dim)
        self.temperature = checked_number("temperature", temperature, above=0)
        from pytorch_metric_learning.losses import ProxyNCALoss as LibraryLoss

        self.loss = LibraryLoss(num_classes, embedding_dim)
        nn.init.normal_(self.loss.proxies, std=_START)

    @property
    def proxies(self) -> Tensor:
        """The proxies as used, (C, D), unit norm, class by class."""
        return normalize(self.loss.proxies)

    def value(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The formula above."""
        squared: Tensor = self.loss.get_logits(embeddings)
        return cross_entropy(-squared / self.temperature, labels)
