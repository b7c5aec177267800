"""Pairs of one class that involve proxies, by one small matrix a class."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from pfml._kernel.evaluation import CANCELLATION, Evaluation, repair


def add_proxies_of_a_class(evaluation: Evaluation) -> None:
    """Pairs of proxies of one class, both orders at once."""
    sources, potential = evaluation.sources, evaluation.potential
    cosines, count = sources.cosines, sources.per_class
    if cosines is None:
        return
    squared = (2 - 2 * cosines).clamp_(min=0)
    active = potential.active(squared, same=True)
    active.diagonal(dim1=1, dim2=2).zero_()
    if not potential.smooth_attraction:
        repair(
            squared,
            active & (squared < CANCELLATION),
            lambda at: sources.proxies(at // count) - sources.proxies(at // count**2 * count + at % count),
        )
    weights = evaluation.weights(squared, active, same=True, times=1)
    evaluation.gradient.within = weights
    evaluation.gradient.along.sub_((weights * cosines).sum(dim=2).flatten())


class RowsByClass(NamedTuple):
    """The rows of a batch laid out by class: U groups of K slots, a class over several groups where it has more rows.

    K is the mean number of rows of a class, so that groups are fewer than two a class and slots at most 4 B.
    """

    classes: Tensor  # (U,) class of each group
    slots: Tensor  # (B,) slot of each row in the flattened (U, K)
    width: int  # K
    sizes: Tensor  # rows of each class that is present

    @classmethod
    def of(cls, labels: Tensor) -> "RowsByClass":
        """The layout of a batch with labels (B,)."""
        ordered, order = labels.sort(stable=True)
        present, inverse, sizes = torch.unique_consecutive(ordered, return_inverse=True, return_counts=True)
        width = -(-len(labels) // len(present))
        groups = (sizes + width - 1).div_(width, rounding_mode="floor")
        # Slots before a class, less rows before it.
        shift = (groups.cumsum(0) - groups).mul_(width).add_(sizes).sub_(sizes.cumsum(0))
        ranks = torch.arange(len(labels), device=labels.device)
        slots = torch.empty_like(order).index_copy_(0, order, shift.index_select(0, inverse).add_(ranks))
        return cls(present.repeat_interleave(groups), slots, width, sizes)


def add_batch_and_own_proxies(evaluation: Evaluation, rows: RowsByClass) -> None:
    """Pairs of an embedding and a proxy of its class."""
    sources, potential, gradient = evaluation.sources, evaluation.potential, evaluation.gradient
    groups, per_class, dim = len(rows.classes), sources.per_class, sources.free.shape[1]
    padded = sources.embeddings.new_zeros(groups * rows.width, dim).index_copy_(0, rows.slots, sources.embeddings)
    by_group = padded.view(groups, -1, dim)
    # Empty slots are at no distance from anything, so that they are not counted.
    squares = sources.squares.new_full((groups * rows.width,), math.nan).index_copy_(0, rows.slots, sources.squares)
    proxies = sources.free.view(-1, per_class * dim).index_select(0, rows.classes).view(groups, per_class, dim)
    scale = sources.scale.view(-1, per_class).index_select(0, rows.classes)
    products = torch.bmm(by_group, proxies.transpose(1, 2)).mul_(scale[:, None, :])
    squared = torch.sub(squares.view(groups, -1, 1) + 1, products, alpha=2).clamp_(min=0)
    active = potential.active(squared, same=True)
    active &= ~squared.isnan()
    if not potential.smooth_attraction:

        def difference(at: Tensor) -> Tensor:
            slot, proxy = at // per_class, at // (rows.width * per_class) * per_class + at % per_class
            return padded[slot] - proxies.flatten(0, 1)[proxy] * scale.flatten()[proxy, None]

        repair(squared, active & (squared < CANCELLATION), difference)
    weights = evaluation.weights(squared, active, same=True)
    of_rows = by_group * weights.sum(dim=2, keepdim=True)
    of_rows.baddbmm_(weights * scale[:, None, :], proxies, alpha=-1)
    gradient.of_embeddings.add_(of_rows.view(-1, dim).index_select(0, rows.slots))
    gradient.own = rows.classes, torch.bmm(weights.transpose(1, 2), by_group).neg_()
    along = (weights * products).sum(dim=1)
    gradient.along.view(-1, per_class).index_add_(0, rows.classes, along, alpha=-1)
