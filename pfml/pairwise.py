"""Energies that are sums over all pairs of points, with their gradient.

    U(x) = sum_i sum_j f(|x_i - x_j|^2)        dU/dx_i = 4 sum_j f'(|x_i - x_j|^2) (x_i - x_j)

Only f depends on the method, so a `pfml.pairs.PairPotential` supplies it. The forward pass finds the weights 4 f',
the backward pass applies them; no distance matrix is stored and no root differentiated. The gradient cannot be
differentiated again, and asking for that raises.

The sum is exact. What makes it fast is that most pairs of different classes are out of reach and exert no force: the
batch meets itself, proxies of one class meet each other and the embeddings of their class, and proxies of different
classes meet others only where these may be near (`pfml.between`), unless so many are that blocks of all pairs are
faster.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from pfml.between import add_batch_and_proxies, add_proxies
from pfml.blocks import Points, add_batch
from pfml.forces import Forces
from pfml.groups import OwnRows, add_groups, add_own
from pfml.pairs import PairCounts, PairPotential, Tally
from pfml.sources import Batch, Proxies, Sources


def pairwise_energy(batch: Batch, proxies: Proxies, potential: PairPotential) -> tuple[Tensor, PairCounts]:
    """Sum f over all ordered pairs of points, differentiable once with respect to embeddings and free vectors.

    Args:
        batch: the embeddings, float32 or float64.
        proxies: the proxies, C * M >= 0.
        potential: the function f.

    Returns:
        The scalar energy in the type of the embeddings, and the numbers of pairs it met (without gradient).
    """
    evaluation = _Evaluation(batch, proxies, potential)
    energy: Tensor = _PairwiseEnergy.apply(batch.embeddings, proxies.free, evaluation)
    assert evaluation.counts is not None
    return energy, evaluation.counts


class _Evaluation:
    """One evaluation: what goes in, and the counts that come out beside the energy."""

    def __init__(self, batch: Batch, proxies: Proxies, potential: PairPotential) -> None:
        self.batch, self.proxies, self.potential = batch, proxies, potential
        self.counts: PairCounts | None = None

    def run(self, embeddings: Tensor, free: Tensor, *, with_forces: bool) -> tuple[Tensor, Sources, Forces | None]:
        """Energy (float64), sources and, if wanted, the forces on them."""
        layout, potential = self.proxies, self.potential
        sources = Sources.of(self.batch._replace(embeddings=embeddings), layout._replace(free=free))
        forces = Forces(sources) if with_forces else None
        tally = Tally(embeddings.device)
        # NaN compares as neither near nor far: without this a point that diverged would go unnoticed.
        tally.energy += 0.0 * (sources.squares.sum() + sources.norms.sum())
        on_batch = None if forces is None else forces.of_batch
        add_batch(Points(embeddings, sources.squares, sources.labels, on_batch), potential, tally)
        rows = OwnRows.of(sources.labels)
        if len(free) > 0:
            add_own(sources, rows, potential, tally, forces)
            add_batch_and_proxies(sources, potential, tally, forces)
            if sources.grams is not None:
                add_groups(sources, potential, tally, forces)
            add_proxies(sources, layout.neighbours, potential, tally, forces)
            if forces is not None:
                forces.settle(sources)
        same = (rows.sizes * (rows.sizes - 1 + 2 * layout.per_class)).sum()
        self.counts = tally.counts(same + len(free) * (layout.per_class - 1), len(embeddings) + len(free))
        return tally.energy, sources, forces


class _PairwiseEnergy(Function):
    @staticmethod
    def forward(ctx: Any, embeddings: Tensor, free: Tensor, evaluation: _Evaluation) -> Tensor:
        energy, sources, ctx.forces = evaluation.run(embeddings, free, with_forces=any(ctx.needs_input_grad))
        ctx.save_for_backward(embeddings, free)
        # The points themselves are saved above, where autograd notices that they were overwritten.
        ctx.sources = sources._replace(embeddings=embeddings[:0], free=free[:0])
        return energy.to(embeddings.dtype)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        # Grad mode is on here with create_graph=True alone. Without an error a penalty on the gradient would count as
        # a constant.
        if torch.is_grad_enabled():
            raise RuntimeError("this loss can be differentiated once: create_graph=True is not supported")
        embeddings, free = ctx.saved_tensors
        sources, scale = ctx.sources._replace(embeddings=embeddings, free=free), upstream[0]
        of_embeddings = ctx.forces.of_batch * scale if ctx.needs_input_grad[0] else None
        of_free = ctx.forces.on_free_vectors(sources, scale) if ctx.needs_input_grad[1] else None
        return of_embeddings, of_free, None
