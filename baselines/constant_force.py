"""The matched control of PFML: its energy, radii, dead zone and proxies, with forces that do not decay.

Source: Eq. 6 of Bhatnagar & Ahuja, "Potential Field Based Deep Metric Learning", CVPR 2025, with other potentials; the
control is this project's own. With d the distance and p = 1 (a constant force) or p = 2 (a force that grows with distance),

    psi_att(d) = max(d, delta)^p        psi_rep(d) = -min(d, delta_rep)^p

These are Eq. 1 and 2 at alpha = -p with the sign reversed. So attraction acts beyond delta only and repulsion within
delta_rep only, as in `pfml.PotentialFieldLoss`, and nothing differs from it but how force depends on distance: the same
sources, the same proxies from the same random draws, the same floor, the same scale. `baselines.cpml` is another control: it
has no dead zone, and its repulsion falls linearly to zero at its radius.

Repulsion at coinciding points is bounded as in `pfml.potential`: for d < m = min_distance_ratio * delta_rep the potential
goes on as the parabola that matches its value and slope at m. With p = 2 it is that parabola already.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from pfml.checks import checked_choice, checked_number
from pfml.loss import PotentialFieldLoss
from pfml.pairwise import PairwiseLoss

_POWERS = {"constant": 1, "growing": 2}
_SCALES = ("paper", "dimensionless")


class ConstantForceLoss(PairwiseLoss):
    """PFML's energy above its force-free floor, with a force that is constant, or grows, beyond the dead zone.

    Args:
        num_classes: C.
        embedding_dim: D.
        proxies_per_class: M >= 0.
        delta: radius, > 0: attraction acts beyond it, repulsion within it.
        delta_repulsion: radius of repulsion, > 0; None means ``delta``.
        min_distance_ratio: distance below which repulsion between classes is bounded, as a share of
            ``delta_repulsion``, in (0, 1].
        force: "constant" (p = 1) or "growing" with distance (p = 2).
        scale: "paper" (raw sum) or "dimensionless" (over delta^p N, N = B + C * M), as in `pfml.PotentialFieldLoss`.
        embedding_lengths: "keep", "normalize" or "refuse" embeddings that are not unit vectors; see `PairwiseLoss`.

    Raises:
        ValueError: an argument is out of range.

    Example:
        >>> loss = ConstantForceLoss(num_classes=2, embedding_dim=2, proxies_per_class=0, delta=0.5)
        >>> loss(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.tensor([1, 1]))  # 2 (2 - 0.5)
        tensor(3.)
    """

    formula: ClassVar[str] = "Eq. 6 less its floor, psi_att(d) = max(d, delta)^p, psi_rep(d) = -min(d, delta)^p; p = 1"
    source: ClassVar[str] = (
        "a control of this project: Bhatnagar & Ahuja, Potential Field Based Deep Metric Learning, CVPR 2025, Eq. 6, "
        "with potentials that do not decay"
    )
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        name: entry for name, entry in PotentialFieldLoss.search_space.items() if name != "alpha"
    }
    paper_values: ClassVar[dict[str, Any]] = {}
    undisclosed: ClassVar[tuple[str, ...]] = ("everything: no paper has this loss",)

    active_shares = PotentialFieldLoss.active_shares

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        proxies_per_class: int = 15,
        delta: float = 0.2,
        *,
        delta_repulsion: float | None = None,
        min_distance_ratio: float = 0.05,
        force: str = "constant",
        scale: str = "paper",
        embedding_lengths: str = "keep",
    ) -> None:
        delta = checked_number("delta", delta, above=0)
        radius = delta if delta_repulsion is None else delta_repulsion
        radius = checked_number("delta_repulsion", radius, above=0)
        ratio = checked_number("min_distance_ratio", min_distance_ratio, above=0, at_most=1)
        power = _POWERS[checked_choice("force", force, tuple(_POWERS))]
        potential = _Power(power, delta, radius, ratio * radius)
        super().__init__(num_classes, embedding_dim, proxies_per_class, potential, embedding_lengths)
        self.delta, self.delta_repulsion, self.force, self.power = delta, radius, force, power
        self.min_distance_ratio, self.min_distance = ratio, ratio * radius
        self.scale = checked_choice("scale", scale, _SCALES)

    def _scaled(self, energy: Tensor, points: int) -> Tensor:
        return energy if self.scale == "paper" else energy / (self.delta**self.power * points)

    def extra_repr(self) -> str:
        """Hyper-parameters, as printed with the module."""
        return (
            f"force={self.force}, delta={self.delta:g}, delta_repulsion={self.delta_repulsion:g}, "
            f"min_distance_ratio={self.min_distance_ratio:g}, scale={self.scale}"
        )


class GrowingForceLoss(ConstantForceLoss):
    """`ConstantForceLoss` with ``force="growing"``: p = 2.

    Args:
        num_classes: C.
        embedding_dim: D.
        proxies_per_class: M >= 0.
        delta: radius, > 0: attraction acts beyond it, repulsion within it.
        delta_repulsion: radius of repulsion, > 0; None means ``delta``.
        scale: "paper" (raw sum) or "dimensionless" (over delta^2 N).
        embedding_lengths: "keep", "normalize" or "refuse" embeddings that are not unit vectors; see `PairwiseLoss`.

    Raises:
        ValueError: an argument is out of range.
    """

    formula: ClassVar[str] = "Eq. 6 less its floor, psi_att(d) = max(d, delta)^2, psi_rep(d) = -min(d, delta)^2"
    # Nothing bounds a force that vanishes at distance 0 by itself.
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        name: entry for name, entry in ConstantForceLoss.search_space.items() if name != "min_distance_ratio"
    }

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        proxies_per_class: int = 15,
        delta: float = 0.2,
        *,
        delta_repulsion: float | None = None,
        scale: str = "paper",
        embedding_lengths: str = "keep",
    ) -> None:
        super().__init__(
            num_classes,
            embedding_dim,
            proxies_per_class,
            delta,
            delta_repulsion=delta_repulsion,
            force="growing",
            scale=scale,
            embedding_lengths=embedding_lengths,
        )


@dataclass(frozen=True)
class _Power:
    """max(d, delta)^p within a class, -min(d, radius)^p between classes, as a `pfml._kernel.PairPotential`."""

    power: int
    delta: float
    delta_repulsion: float
    min_distance: float

    @property
    def repulsion_radius(self) -> float:
        return self.delta_repulsion

    @property
    def smooth_attraction(self) -> bool:
        return self.power == 2

    def active(self, squared: Tensor, *, same: bool) -> Tensor:
        return squared > self.delta**2 if same else squared < self.delta_repulsion**2

    def value_and_slope(self, squared: Tensor, *, same: bool) -> tuple[Tensor, Tensor]:
        if same:
            return self._above(squared.clamp(min=self.delta**2), self.delta, 1.0)
        if self.power == 2:
            return self._above(squared, self.delta_repulsion, -1.0)
        outside = squared.clamp(min=self.min_distance**2)
        value, slope = self._above(outside, self.delta_repulsion, -1.0)
        # Nonzero only where the bound acts: there the potential goes on as its tangent in squared distance.
        return value.addcmul(slope, squared - outside), slope

    def _above(self, squared: Tensor, radius: float, sign: float) -> tuple[Tensor, Tensor]:
        """The function s^(p / 2) - radius^p times a sign, and its derivative by s."""
        if self.power == 2:
            return (squared - radius**2) * sign, torch.full_like(squared, sign)
        distance = squared.sqrt()
        return (distance - radius) * sign, (0.5 * sign) / distance

    def bounded(self, squared: Tensor) -> Tensor:
        near = squared < self.min_distance**2
        return near if self.power == 1 else torch.zeros_like(near)
