"""What a pair potential is, and the running totals of an evaluation over pairs."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class PairPotential(Protocol):
    """A function f of squared distance and class equality, above the value at which it exerts no force."""

    @property
    def reach(self) -> float:
        """Distance beyond which points of different classes exert no force."""
        ...

    def active(self, squared: Tensor, same: Tensor) -> Tensor:
        """Mask of pairs that exert a force, for squared distances and class equality of any shape."""
        ...

    def value_and_slope(self, squared: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
        """Value f and derivative f' of active pairs, for arguments of any shape; of inactive ones anything."""
        ...

    def bounded(self, squared: Tensor) -> Tensor:
        """Mask of the active pairs of different classes on which the bound at coinciding points acts."""
        ...


class PairCounts(NamedTuple):
    """Numbers of ordered pairs i != j in one evaluation, each an int64 scalar tensor."""

    same: Tensor
    different: Tensor
    attractive: Tensor
    repulsive: Tensor
    bounded: Tensor


class Tally:
    """Energy (float64) and numbers of active pairs, summed over the parts of an evaluation."""

    def __init__(self, device: torch.device) -> None:
        self.energy = torch.zeros((), dtype=torch.float64, device=device)
        self._counts = torch.zeros(3, dtype=torch.int64, device=device)

    def add(self, value: Tensor, same: Tensor, bounded: Tensor, multiplicity: int) -> None:
        """Add active pairs (P,), each standing for ``multiplicity`` ordered pairs."""
        self.energy += multiplicity * value.sum(dtype=torch.float64)
        attractive = same.sum()
        counts = torch.stack([attractive, len(same) - attractive, (bounded & ~same).sum()])
        self._counts += multiplicity * counts

    def add_masked(self, value: Tensor, active: Tensor, same: Tensor, bounded: Tensor, multiplicity: int) -> None:
        """Add the active pairs of a block (R, C), each standing for ``multiplicity`` ordered pairs."""
        self.energy += multiplicity * value.masked_fill(~active, 0.0).sum(dtype=torch.float64)
        attractive = torch.count_nonzero(active & same)
        bounded_pairs = torch.count_nonzero(bounded.logical_and_(active) & ~same)
        counts = torch.stack([attractive, torch.count_nonzero(active) - attractive, bounded_pairs])
        self._counts += multiplicity * counts

    def counts(self, classes: Tensor) -> PairCounts:
        """The numbers of pairs met, given the classes (N,) of all points."""
        sizes = torch.unique(classes, return_counts=True)[1]
        same = (sizes * (sizes - 1)).sum()
        return PairCounts(same, len(classes) * (len(classes) - 1) - same, *self._counts.unbind())
