"""CPML, the contrastive control: the paper's energy with potentials that do not decay.

Source: named in Bhatnagar & Ahuja, "Potential Field Based Deep Metric Learning", CVPR 2025, Sec. 3.4. Its
formula is not public. Declared reading: Eq. 6, the same sources and the same proxies, with the potentials of
the contrastive loss (Hadsell, Chopra & LeCun, CVPR 2006):

    psi_att(d) = d^2        psi_rep(d) = max(0, margin - d)^2

It differs from `pfml.PotentialFieldLoss` in how force depends on distance, and has no dead zone: attraction acts at every
distance, and repulsion falls linearly to zero at the margin. `baselines.constant_force` is the control with PFML's radii.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from pfml.checks import checked_number
from pfml.pairwise import PairwiseLoss


class CPMLLoss(PairwiseLoss):
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
        "proxies_per_class": {"values": [0, 1, 2, 5]},
        "learning_rate": {"low": 1e-4, "high": 3e-2, "log": True},
        "proxy_learning_rate": {"low": 1e-3, "high": 3.0, "log": True},
    }
    paper_values: ClassVar[dict[str, Any]] = {}
    undisclosed: ClassVar[tuple[str, ...]] = (
        "everything: the paper names the loss and reports results, no formula or value",
    )

    def __init__(self, num_classes: int, embedding_dim: int, proxies_per_class: int = 15, margin: float = 0.5) -> None:
        margin = checked_number("margin", margin, above=0)
        super().__init__(num_classes, embedding_dim, proxies_per_class, _Contrastive(margin))
        self.margin = margin

    def extra_repr(self) -> str:
        """Hyper-parameters, as printed with the module."""
        return f"margin={self.margin:g}"


@dataclass(frozen=True)
class _Contrastive:
    """d^2 within a class, max(0, margin - d)^2 between classes, as a `pfml._kernel.PairPotential`."""

    margin: float

    @property
    def repulsion_radius(self) -> float:
        return self.margin

    @property
    def smooth_attraction(self) -> bool:
        return True

    def active(self, squared: Tensor, *, same: bool) -> Tensor:
        return torch.ones_like(squared, dtype=torch.bool) if same else squared < self.margin**2

    def value_and_slope(self, squared: Tensor, *, same: bool) -> tuple[Tensor, Tensor]:
        if same:
            return squared.clone(), torch.ones_like(squared)
        # At d = 0 the force has a size and no direction; it is multiplied by a zero difference there.
        inverse = squared.clamp(min=torch.finfo(squared.dtype).tiny).rsqrt_()
        gap = (inverse * squared).neg_().add_(self.margin)
        return gap.square(), -(inverse * gap)

    def bounded(self, squared: Tensor) -> Tensor:
        return torch.zeros_like(squared, dtype=torch.bool)
