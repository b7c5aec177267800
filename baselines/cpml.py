"""CPML, the contrastive control: the paper's energy with potentials that do not decay.

Source: named in Bhatnagar & Ahuja, "Potential Field Based Deep Metric Learning", CVPR 2025, Sec. 3.4. Its
formula is not public. Declared reading: Eq. 6, the same sources and the same proxies, with the potentials of
the contrastive loss (Hadsell, Chopra & LeCun, CVPR 2006):

    psi_att(d) = d^2        psi_rep(d) = max(0, margin - d)^2

So the only difference from `pfml.PotentialFieldLoss` is how force depends on distance. Attraction is summed
in closed form: over a class of n points, sum_ij |x_i - x_j|^2 = 2 n sum_i |x_i - mean|^2.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from pfml.batch import checked_batch
from pfml.neighbours import NeighbourList
from pfml.pairwise import Batch, Proxies, pairwise_energy
from pfml.proxies import SphereProxies
from pfml.settings import checked_number


class CPMLLoss(nn.Module):
    """Contrastive potentials summed over the batch and all proxies, every unordered pair twice.

    Args:
        num_classes: C.
        embedding_dim: D.
        proxies_per_class: M >= 0.
        margin: distance beyond which points of different classes do not repel, > 0.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> loss = CPMLLoss(num_classes=2, embedding_dim=2, proxies_per_class=0)
        >>> loss(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.tensor([1, 1]))  # twice 2^2
        tensor(8.)
    """

    formula: ClassVar[str] = "Eq. 6 with psi_att(d) = d^2, psi_rep(d) = max(0, margin - d)^2"
    source: ClassVar[str] = (
        "Bhatnagar & Ahuja, Potential Field Based Deep Metric Learning, CVPR 2025, Sec. 3.4 (declared reading); "
        "potentials of Hadsell, Chopra & LeCun, CVPR 2006, Eq. 4"
    )
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "margin": {"low": 0.3, "high": 2.0, "log": False},
        "proxies_per_class": {"values": [0, 1, 2]},
        "learning_rate": {"low": 2e-4, "high": 2e-2, "log": True},
        "proxy_learning_rate": {"low": 1e-3, "high": 1.0, "log": True},
    }
    published: ClassVar[dict[str, Any]] = {}
    undisclosed: ClassVar[tuple[str, ...]] = (
        "everything: the paper names the loss and reports results, no formula or value",
    )

    def __init__(self, num_classes: int, embedding_dim: int, proxies_per_class: int = 15, margin: float = 0.5) -> None:
        super().__init__()
        self.margin = checked_number("margin", margin, above=0)
        self.field = SphereProxies(num_classes, embedding_dim, proxies_per_class)
        self._repulsion = _ContrastiveRepulsion(self.margin)
        self._neighbours = NeighbourList(self.margin)

    @property
    def proxies(self) -> Tensor:
        """The proxies as used, (C * M, D), unit norm, class by class."""
        proxies: Tensor = self.field()
        return proxies

    @property
    def proxy_labels(self) -> Tensor:
        """Class of each proxy, (C * M,) int64."""
        return self.field.labels

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Energy of a batch and all proxies.

        Args:
            embeddings: (B, D), rows of unit norm, B >= 1.
            labels: (B,) integers in [0, C).

        Returns:
            Scalar >= 0; float64 if the embeddings are, else float32.

        Raises:
            ValueError: a shape, a type or a label is out of range.
        """
        field = self.field
        embeddings, labels = checked_batch(
            embeddings, labels, num_classes=field.num_classes, embedding_dim=field.embedding_dim
        )
        with torch.autocast(embeddings.device.type, enabled=False):
            proxies = self.proxies
            dtype = torch.promote_types(torch.promote_types(embeddings.dtype, proxies.dtype), torch.float32)
            batch = Batch(embeddings.to(dtype), labels)
            sources = Proxies(proxies.to(dtype), self.proxy_labels, field.proxies_per_class, self._neighbours)
            repelled, _ = pairwise_energy(batch, sources, self._repulsion)
            return repelled + _same_class_squares(
                torch.cat([batch.embeddings, sources.points]),
                torch.cat([labels, self.proxy_labels]),
                field.num_classes,
            )

    def extra_repr(self) -> str:
        """Hyper-parameters, as printed with the module."""
        return f"margin={self.margin:g}"


def _same_class_squares(points: Tensor, classes: Tensor, num_classes: int) -> Tensor:
    """Sum of |x_i - x_j|^2 over ordered pairs of one class."""
    sizes = torch.bincount(classes, minlength=num_classes).to(points.dtype)
    sums = torch.zeros(num_classes, points.shape[1], dtype=points.dtype, device=points.device)
    means = sums.index_add(0, classes, points) / sizes.clamp(min=1)[:, None]
    return 2 * (sizes[classes] * (points - means[classes]).square().sum(dim=1)).sum()


@dataclass(frozen=True)
class _ContrastiveRepulsion:
    """max(0, margin - d)^2 between classes, as a `pfml.pairs.PairPotential`."""

    margin: float

    @property
    def reach(self) -> float:
        return self.margin

    def active(self, squared: Tensor, same: Tensor) -> Tensor:
        return (squared < self.margin**2) & ~same

    def value_and_slope(self, squared: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        # At d = 0 the force has a size and no direction; it is multiplied by a zero difference there.
        distance = squared.clamp(min=torch.finfo(squared.dtype).tiny).sqrt_()
        gap = (self.margin - distance).clamp_(min=0)
        return gap.square(), (gap / distance).neg_()

    def bounded(self, squared: Tensor) -> Tensor:
        return torch.zeros_like(squared, dtype=torch.bool)
