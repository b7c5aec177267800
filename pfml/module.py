"""The module that every energy over all pairs of batch and proxies shares; only the potential differs."""

import torch
from torch import Tensor, nn

from pfml.batch import checked_batch
from pfml.neighbours import NeighbourList
from pfml.pairs import PairCounts, PairPotential
from pfml.pairwise import pairwise_energy
from pfml.proxies import SphereProxies
from pfml.sources import Batch, Proxies


class PairwiseLoss(nn.Module):
    """Sum of a pair potential over all ordered pairs of points, the batch and M proxies of each class.

    Args:
        num_classes: C.
        embedding_dim: D.
        proxies_per_class: M >= 0.
        potential: the function of squared distance to sum.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(self, num_classes: int, embedding_dim: int, proxies_per_class: int, potential: PairPotential) -> None:
        super().__init__()
        self.field = SphereProxies(num_classes, embedding_dim, proxies_per_class)
        self._potential = potential
        self._neighbours = NeighbourList(potential.reach)
        self._counts: PairCounts | None = None

    @property
    def proxies(self) -> Tensor:
        """The proxies as used, (C * M, D), unit norm, class by class, differentiable."""
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
            Scalar >= 0, zero only where no pair exerts a force; float64 if the embeddings are, else float32
            (also under autocast). It can be differentiated once.

        Raises:
            ValueError: a shape, a type or a label is out of range.
        """
        field = self.field
        embeddings, labels = checked_batch(
            embeddings, labels, num_classes=field.num_classes, embedding_dim=field.embedding_dim
        )
        # Terms of up to delta^-alpha overflow half precision.
        with torch.autocast(embeddings.device.type, enabled=False):
            free = embeddings.new_empty(0, field.embedding_dim) if field.weight is None else field.weight
            dtype = torch.promote_types(torch.promote_types(embeddings.dtype, free.dtype), torch.float32)
            energy, self._counts = pairwise_energy(
                Batch(embeddings.to(dtype), labels),
                Proxies(free.to(dtype), self.proxy_labels, field.proxies_per_class, self._neighbours),
                self._potential,
            )
        return energy
