"""The same energy as one masked matrix of all pairs: no operation has a shape or a branch that depends on data.

So a GPU never waits for the processor, `torch.compile` sees one graph, and autograd differentiates it as often as asked.
Inner products are taken in float64: they lose no digits at small distances, whatever precision matrix products have.
Memory and time grow with the square of B + C * M.
"""

import torch
from torch import Tensor

from pfml._kernel.evaluation import PairCounts
from pfml._kernel.potentials import PairPotential
from pfml.proxies import directions


def dense_energy(
    embeddings: Tensor, labels: Tensor, free: Tensor, classes: Tensor, potential: PairPotential
) -> tuple[Tensor, PairCounts]:
    """Sum f over all ordered pairs i != j.

    Args:
        embeddings: (B, D).
        labels: (B,) int64.
        free: (P, D) free vectors of the proxies, P >= 0.
        classes: (P,) int64.
        potential: the function f.

    Returns:
        The energy, a float64 scalar, and the numbers of pairs.
    """
    points = torch.cat([embeddings.double(), directions(free.double())])
    kinds = torch.cat([labels, classes])
    squares = points.square().sum(dim=1)
    # At distance 0 a root would have no derivative.
    squared = (squares[:, None] + squares[None, :] - 2 * (points @ points.T)).clamp(min=torch.finfo(points.dtype).eps)
    alike = kinds[:, None] == kinds[None, :]
    same = alike & ~torch.eye(len(points), dtype=torch.bool, device=points.device)
    attractive = same & potential.active(squared, same=True)
    repulsive = ~alike & potential.active(squared, same=False)
    energy = torch.where(attractive, potential.value_and_slope(squared, same=True)[0], 0.0).sum()
    energy = energy + torch.where(repulsive, potential.value_and_slope(squared, same=False)[0], 0.0).sum()
    masks = (same, ~alike, attractive, repulsive, repulsive & potential.bounded(squared))
    # NaN compares as neither near nor far: without this a point that diverged would go unnoticed.
    return energy + 0.0 * squares.sum(), PairCounts(*(torch.count_nonzero(mask) for mask in masks))
