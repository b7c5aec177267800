"""HIST: hypergraph-induced semantic tuplets.

Source: Lim et al., "Hypergraph-Induced Semantic Tuplet Loss for Deep Metric Learning", CVPR 2022, and the authors' code
(ljin0429/HIST, code/hist.py). No library that is kept up has it. Each class c has a prototype distribution with mean mu_c of
unit norm and diagonal covariance Q_c; x_i is an embedding of unit norm, y_i its class, d the squared Mahalanobis distance:

    d_ic = (x_i - mu_c)^T Q_c^-1 (x_i - mu_c),    Q_c = diag(exp(relu6(v_c)))
    L_D  = mean_i -log( exp(-tau d_iy_i) / sum_c exp(-tau d_ic) )

The classes of the batch are the hyperedges (semantic tuplets). They hold their own images fully and every other image by
how near it is. Two layers of a hypergraph network classify the images (BN: batch normalisation):

    H_ic = 1 where c = y_i, else exp(-alpha d_ic);    Dv, De = row and column sums of H
    G    = Dv^-1/2 H De^-1 H^T Dv^-1/2
    out  = G linear_2(lrelu_.1(BN(G linear_1(z))))
    L    = L_D + lambda_s mean_i -log softmax_y_i(out_i)

Deviations from the authors' code:

- Their network ends in layer norm and L_D normalises that; here embeddings arrive with unit norm, as for every loss, and
  z_i = sqrt(D) x_i has the norm that layer norm would give.
- The logarithm is taken of the softmax at once: theirs leaves out embeddings whose probability is zero in float32.
- Distributions and network have learning rates of their own there; the suite has one for all parameters of a loss. The
  network's weights are therefore held divided by ``network_rate``: under Adam they then move at ``network_rate`` times the
  learning rate, as theirs do, from the same start.
- The batch's own mean and variance normalise always, and no running ones are kept: the network is not used after training.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, leaky_relu, normalize, relu6

from baselines.frame import ProxyLoss
from pfml.checks import checked_integer, checked_number

_SLOPE = 0.1
_EPSILON = 1e-5


class HISTLoss(ProxyLoss):
    """HIST with one distribution a class and a hypergraph network of two layers.

    Args:
        num_classes: C.
        embedding_dim: D.
        tau: scale of distances in the softmax over classes, > 0.
        alpha: how fast an image's part in another class's hyperedge falls with its distance, > 0.
        lambda_s: weight of the hypergraph network's cross-entropy, >= 0.
        hidden_dim: width of the hypergraph network.
        network_rate: learning rate of the hypergraph network as a multiple of that of the distributions, > 0.

    Raises:
        ValueError: an argument is out of range.
    """

    formula: ClassVar[str] = (
        "mean -log softmax_y(-tau d) + lambda_s mean -log softmax_y(HGNN(x, H)); "
        "d = (x - mu)' Q^-1 (x - mu), H = 1 for own images, else exp(-alpha d)"
    )
    source: ClassVar[str] = (
        "Lim et al., Hypergraph-Induced Semantic Tuplet Loss for Deep Metric Learning, CVPR 2022, and the authors' code"
    )
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "tau": {"low": 4.0, "high": 64.0, "log": True},
        "alpha": {"low": 0.3, "high": 4.0, "log": True},
        "lambda_s": {"low": 0.1, "high": 4.0, "log": True},
        "network_rate": {"low": 3e-3, "high": 1.0, "log": True},
        "learning_rate": {"low": 2e-4, "high": 2e-2, "log": True},
        "proxy_learning_rate": {"low": 1e-3, "high": 1.0, "log": True},
    }
    paper_values: ClassVar[dict[str, Any]] = {
        "tau": {"large_classes": 32.0, "small_classes": 16.0},
        "alpha": {"large_classes": 1.1, "small_classes": 2.0},
        "lambda_s": 1.0,
        "hidden_dim": 512,
        "network_rate": {"large_classes": 6e-3, "small_classes": 0.1},
        "learning_rate": {"large_classes": 1.2e-4, "small_classes": 1e-4},
        "proxy_learning_rate": {"large_classes": 0.1, "small_classes": 0.01},
    }
    undisclosed: ClassVar[tuple[str, ...]] = (
        "values are those of the authors' commands, CUB's for large classes (Cars: alpha .9, rates 1e-4, network 1e-3)",
        "the optimiser there is Adam with coupled weight decay on all parameters",
    )

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        tau: float = 32.0,
        alpha: float = 0.9,
        lambda_s: float = 1.0,
        hidden_dim: int = 512,
        network_rate: float = 0.01,
    ) -> None:
        super().__init__(num_classes, embedding_dim)
        self.tau = checked_number("tau", tau, above=0)
        self.alpha = checked_number("alpha", alpha, above=0)
        self.lambda_s = checked_number("lambda_s", lambda_s, at_least=0)
        self.hidden_dim = checked_integer("hidden_dim", hidden_dim, at_least=1)
        self.network_rate = checked_number("network_rate", network_rate, above=0)
        self.means = nn.Parameter(torch.empty(num_classes, embedding_dim))
        nn.init.kaiming_normal_(self.means, mode="fan_out")
        # A row for each class, as the means have, but no place in the embedding space: hence the axis between.
        self.spreads = nn.Parameter(torch.empty(num_classes, 1, embedding_dim))
        nn.init.kaiming_normal_(self.spreads[:, 0], mode="fan_out")
        self.network = HypergraphNetwork(embedding_dim, hidden_dim, num_classes, self.network_rate)

    @property
    def proxies(self) -> Tensor:
        """The means of the distributions as used, (C, D), unit norm, class by class."""
        return normalize(self.means)

    @property
    def variances(self) -> Tensor:
        """Diagonals of the covariances, (C, D), from 1 to e^6."""
        return relu6(self.spreads[:, 0]).exp()

    def value(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The formula above."""
        embeddings = normalize(embeddings)
        distances = self._distances(embeddings)
        to_distributions = cross_entropy(-self.tau * distances, labels)
        scores = self.network(self.embedding_dim**0.5 * embeddings, self._incidence(distances, labels))
        return to_distributions + self.lambda_s * cross_entropy(scores, labels)

    def _distances(self, embeddings: Tensor) -> Tensor:
        """Squared Mahalanobis distances (B, C), by the squares of both and their product: (B, C, D) would not fit."""
        means, precisions = self.proxies, self.variances.reciprocal()
        products = embeddings @ (means * precisions).T
        squares = embeddings.square() @ precisions.T + (means.square() * precisions).sum(dim=1)
        return (squares - 2 * products).clamp(min=0)

    def _incidence(self, distances: Tensor, labels: Tensor) -> Tensor:
        """H (B, E), a column for each class of the batch."""
        present = torch.bincount(labels, minlength=self.num_classes).nonzero().squeeze(1)
        own = (labels[:, None] == present).to(distances.dtype)
        incidence: Tensor = own + (1 - own) * (-self.alpha * distances[:, present]).exp()
        return incidence


class HypergraphNetwork(nn.Module):
    """Two layers of a hypergraph network (Feng et al., "Hypergraph Neural Networks", AAAI 2019, Eq. 11) with BN between.

    Args:
        inputs: width of what comes in.
        hidden: width between the layers.
        outputs: width of what comes out.
        rate: weights are held divided by it, so that Adam moves them by ``rate`` times its learning rate.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.layers = nn.ModuleList([nn.Linear(inputs, hidden), nn.Linear(hidden, outputs)])
        self.gain = nn.Parameter(torch.ones(hidden))
        self.shift = nn.Parameter(torch.zeros(hidden))
        with torch.no_grad():
            for weight in self.parameters():
                weight.div_(rate)

    def forward(self, nodes: Tensor, incidence: Tensor) -> Tensor:
        """Scores (B, outputs) of nodes (B, inputs) that share hyperedges (B, E) with positive row and column sums."""
        spread = incidence / incidence.sum(dim=1, keepdim=True).sqrt()
        gathered = (spread / incidence.sum(dim=0)).T
        first, second = self.layers
        nodes = spread @ (gathered @ self._applied(first, nodes))
        nodes = (nodes - nodes.mean(dim=0)) / (nodes.var(dim=0, correction=0) + _EPSILON).sqrt()
        nodes = leaky_relu(self.rate * (self.gain * nodes + self.shift), _SLOPE)
        return spread @ (gathered @ self._applied(second, nodes))

    def _applied(self, layer: nn.Module, nodes: Tensor) -> Tensor:
        scaled: Tensor = self.rate * layer(nodes)
        return scaled
