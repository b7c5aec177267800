"""The same energy as one masked matrix of all pairs: no operation has a shape or a branch that depends on data.

So a GPU never waits for the processor, `torch.compile` sees one graph, and autograd differentiates it as often as asked.
Inner products are taken in float64: they lose no digits at small distances, whatever precision matrix products have.
Memory and time grow with the square of B + C * M.
"""

import torch
from torch import Tensor

from pfml._kernel.evaluation import PairCounts
from pfml._kernel.potentials import PairPotential
from pfml._kernel.sources import Layout
from pfml.proxies import directions


def dense_energy(
    embeddings: Tensor, free: Tensor, layout: Layout, potential: PairPotential
) -> tuple[Tensor, PairCounts]:
    """Sum f over all ordered pairs i != j; arguments and values of `sparse_energy`."""
    points = torch.cat([embeddings.double(), directions(free.double())])
    kinds = torch.cat([layout.labels, layout.classes])
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
    energy = (energy + 0.0 * squares.sum()).to(embeddings.dtype)
    return energy, PairCounts(*(torch.count_nonzero(mask) for mask in masks))
