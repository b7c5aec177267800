"""What a pair potential is, and the running totals of an evaluation over pairs."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class PairPotential(Protocol):
    """A function f of squared distance and class equality, above the value at which it exerts no force."""

    @property
    def reach(self) -> float:
        """Distance beyond which points of different classes exert no force."""
        ...

    @property
    def smooth_attraction(self) -> bool:
        """Whether f' within a class is nearly constant at small distances, so that rounding of these does no harm."""
        ...

    def active(self, squared: Tensor, *, same: bool) -> Tensor:
        """Mask of pairs that exert a force, for squared distances >= 0 of any shape."""
        ...

    def value_and_slope(self, squared: Tensor, *, same: bool) -> tuple[Tensor, Tensor]:
        """Value f and derivative f' of active pairs, in new tensors; of inactive ones anything."""
        ...

    def bounded(self, squared: Tensor) -> Tensor:
        """Mask of the active pairs of different classes on which the bound at coinciding points acts."""
        ...


@dataclass(frozen=True)
class PairCounts:
    """Numbers of ordered pairs i != j in one evaluation; tensors are int64 scalars."""

    same: int | Tensor
    different: int | Tensor
    attractive: int | Tensor
    repulsive: int | Tensor
    bounded: int | Tensor


class Tally:
    """Energy (float64) and numbers of active ordered pairs, summed over the parts of an evaluation."""

    def __init__(self, device: torch.device) -> None:
        self.energy = torch.zeros((), dtype=torch.float64, device=device)
        self.attractive: int | Tensor = 0
        self.repulsive: int | Tensor = 0
        self.bounded: int | Tensor = 0

    def attract(self, values: Tensor, count: int | Tensor, times: int = 2) -> None:
        """Add active pairs of one class; each value and each of ``count`` stands for ``times`` ordered pairs."""
        self.energy.add_(values.sum(), alpha=times)
        self.attractive = self.attractive + times * count

    def repel(self, values: Tensor, count: int | Tensor, bounded: int | Tensor) -> None:
        """Add active pairs of different classes, each in both orders."""
        self.energy.add_(values.sum(), alpha=2)
        self.repulsive = self.repulsive + 2 * count
        self.bounded = self.bounded + 2 * bounded

    def counts(self, same: int | Tensor, points: int) -> PairCounts:
        """The numbers of pairs met, given those of one class and the number of points."""
        return PairCounts(same, points * (points - 1) - same, self.attractive, self.repulsive, self.bounded)
