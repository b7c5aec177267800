"""The same energy by masked matrices: no operation has a shape or a branch that depends on data.

So a GPU never waits for the processor, `torch.compile` sees one graph, and autograd differentiates it as often as asked.
Inner products are taken in float64: they lose no digits at small distances, whatever precision matrix products have.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from pfml._kernel.evaluation import PairCounts
from pfml._kernel.potentials import PairPotential
from pfml._kernel.sources import Layout
from pfml.proxies import SHORTEST, directions

_Group = tuple[Tensor, Tensor, Tensor, int]
# Listed pairs of which the differences fit into memory at once: 512 MiB at D = 512.
_LISTED = 2**17


def dense_energy(
    embeddings: Tensor, free: Tensor, layout: Layout, potential: PairPotential
) -> tuple[Tensor, PairCounts]:
    """Sum f over all ordered pairs i != j; arguments and values of `sparse_energy`.

    Memory and time grow with the square of B + C * M.
    """
    points = torch.cat([embeddings.double(), directions(free.double())])
    return _sum([_all_pairs(points, torch.cat([layout.labels, layout.classes]))], [points], embeddings, potential)


def listed_energy(
    embeddings: Tensor, free: Tensor, layout: Layout, potential: PairPotential
) -> tuple[Tensor, PairCounts] | None:
    """The same for many proxies: those of different classes meet where the neighbour list has them, and not otherwise.

    A GPU is waited for once, to ask whether a proxy has left its skin, and some times more in a step that renews the list.

    Returns:
        As `dense_energy`; None where there are too many pairs for a list.
    """
    scale = torch.linalg.vector_norm(free.detach(), dim=1).clamp_(min=SHORTEST).reciprocal_()
    listed = layout.neighbours.near(free.detach(), layout.classes, scale)
    if listed is None or len(listed) > _LISTED:
        return None
    batch, proxies = embeddings.double(), directions(free.double())
    by_class = proxies.view(-1, layout.per_class, proxies.shape[1])
    others = ~torch.eye(layout.per_class, dtype=torch.bool, device=free.device).expand(len(by_class), -1, -1)
    own = layout.labels[:, None] == layout.classes[None, :]
    apart = proxies.index_select(0, listed[:, 0]) - proxies.index_select(0, listed[:, 1])
    none = torch.zeros_like(listed[:, 0], dtype=torch.bool)
    groups = [
        _all_pairs(batch, layout.labels),
        (_squared(batch, proxies), own, own, 2),
        (_squared(by_class, by_class), torch.ones_like(others), others, 1),
        (apart.square().sum(dim=1), none, none, 2),
    ]
    return _sum(groups, [batch, proxies], embeddings, potential)


def _all_pairs(points: Tensor, classes: Tensor) -> _Group:
    """All pairs i != j of points (N, D) with classes (N,), for `_sum`."""
    alike = classes[:, None] == classes[None, :]
    itself = torch.eye(len(points), dtype=torch.bool, device=points.device)
    return _squared(points, points), alike, alike & ~itself, 1


def _squared(rows: Tensor, columns: Tensor) -> Tensor:
    """Squared distances (..., R, C) of points (..., R, D) and (..., C, D)."""
    squares = rows.square().sum(dim=-1)[..., None] + columns.square().sum(dim=-1)[..., None, :]
    # At distance 0 a root would have no derivative.
    return (squares - 2 * (rows @ columns.mT)).clamp(min=torch.finfo(rows.dtype).eps)


def _sum(
    groups: Iterable[_Group], sources: list[Tensor], embeddings: Tensor, potential: PairPotential
) -> tuple[Tensor, PairCounts]:
    """Energy in the type of the embeddings, and counts.

    Groups of pairs have squared distances, masks of those of one class and of those of them that count, and how often.
    """
    number = sum(map(len, sources))
    # NaN compares as neither near nor far: without this a point that diverged would go unnoticed.
    energy = 0.0 * torch.stack([points.square().sum() for points in sources]).sum()
    found = torch.zeros(4, dtype=torch.int64, device=embeddings.device)
    for squared, alike, same, times in groups:
        attractive = same & potential.active(squared, same=True)
        repulsive = ~alike & potential.active(squared, same=False)
        for mask, kind in ((attractive, True), (repulsive, False)):
            value, _ = potential.value_and_slope(squared, same=kind)
            energy = energy + times * torch.where(mask, value, 0.0).sum()
        masks = (same, attractive, repulsive, repulsive & potential.bounded(squared))
        found = found + times * torch.stack([torch.count_nonzero(mask) for mask in masks])
    return energy.to(embeddings.dtype), PairCounts(found[0], number * (number - 1) - found[0], *found[1:])
