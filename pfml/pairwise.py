"""The module that every energy over all pairs of batch and proxies shares; only the potential differs."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from pfml import _kernel as kernel
from pfml.checks import checked_batch, checked_choice, checked_integer
from pfml.proxies import directions, initial_vectors

_LENGTHS = ("keep", "normalize", "refuse")
_PATHS = ("auto", "dense", "sparse", "listed")
# Embeddings in bfloat16 are unit vectors up to about this.
_NEARLY = 1e-2


class PairwiseLoss(nn.Module):
    """Sum of a pair potential over all ordered pairs of points, the batch and M proxies of each class.

    Args:
        num_classes: C >= 1.
        embedding_dim: D >= 1.
        proxies_per_class: M >= 0.
        potential: the function of squared distance to sum.
        embedding_lengths: what becomes of embeddings that are not unit vectors. "keep" takes them as they are, "normalize"
            divides them by their lengths, "refuse" raises.

    Attributes:
        proxy_vectors: (C * M, D), the parameter: proxies are its directions. None if M = 0.
        proxy_labels: (C * M,) int64, class of each proxy.
        path: how the sum is taken. "dense": all pairs; "sparse": without those that are too far apart to count; "listed":
            without such pairs of proxies; "auto": by numbers of points and device. Values agree up to rounding.

    Raises:
        ValueError: an argument is out of range.
    """

    takes_mined_pairs: ClassVar[bool] = False
    path: str = "auto"
    proxy_labels: Tensor
    proxy_vectors: nn.Parameter | None

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        proxies_per_class: int,
        potential: kernel.PairPotential,
        embedding_lengths: str = "keep",
    ) -> None:
        super().__init__()
        self.num_classes = checked_integer("num_classes", num_classes, at_least=1)
        self.embedding_dim = checked_integer("embedding_dim", embedding_dim, at_least=1)
        self.proxies_per_class = checked_integer("proxies_per_class", proxies_per_class, at_least=0)
        self.embedding_lengths = checked_choice("embedding_lengths", embedding_lengths, _LENGTHS)
        self.register_parameter("proxy_vectors", initial_vectors(num_classes, embedding_dim, proxies_per_class))
        self.register_buffer("proxy_labels", torch.arange(num_classes).repeat_interleave(proxies_per_class))
        self._potential = potential
        self._neighbours = kernel.NeighbourList(potential.repulsion_radius)
        self._counts: kernel.PairCounts | None = None

    @property
    def proxies(self) -> Tensor:
        """The proxies as used, (C * M, D), unit norm, class by class, differentiable."""
        if self.proxy_vectors is None:
            return torch.empty(0, self.embedding_dim, device=self.proxy_labels.device)
        return directions(self.proxy_vectors)

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        indices_tuple: object = None,
        ref_emb: Tensor | None = None,
        ref_labels: Tensor | None = None,
    ) -> Tensor:
        """Energy of a batch and all proxies; arguments as in pytorch-metric-learning.

        Args:
            embeddings: (B, D), rows of unit norm, B >= 1.
            labels: (B,) integers in [0, C): a tensor, an array of numpy or a list.
            indices_tuple: None; what a miner picks has no meaning here.
            ref_emb: (R, D), further sources, which count as if they were in the batch.
            ref_labels: (R,) integers in [0, C), if and only if ``ref_emb`` is given.

        Returns:
            Scalar >= 0, zero only where no pair exerts a force; float64 if embeddings or proxies are, else float32, under
            autocast too. On the dense and listed `path` a label out of range makes it and its gradient NaN: an error would
            wait for the device.

        Raises:
            ValueError: a shape, a type, a label or a length is not as above.
        """
        if indices_tuple is not None:
            raise ValueError("indices_tuple must be None: this loss takes all pairs of a batch, not those of a miner")
        if (ref_emb is None) != (ref_labels is None):
            raise ValueError("ref_emb and ref_labels must be given together")
        embeddings, labels = checked_batch(embeddings, labels, embedding_dim=self.embedding_dim)
        if ref_emb is not None and ref_labels is not None:
            ref_emb, ref_labels = checked_batch(ref_emb, ref_labels, embedding_dim=self.embedding_dim)
            embeddings, labels = torch.cat([embeddings, ref_emb]), torch.cat([labels, ref_labels])
        # Terms of up to delta^-alpha overflow half precision.
        with torch.autocast(embeddings.device.type, enabled=False):
            return self._scaled(self._energy(embeddings, labels), len(embeddings) + len(self.proxy_labels))

    def _scaled(self, energy: Tensor, points: int) -> Tensor:  # noqa: ARG002 - for losses that scale by it
        """The value of the loss, of its energy and the number of points."""
        return energy

    def _energy(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        free = embeddings.new_empty(0, self.embedding_dim) if self.proxy_vectors is None else self.proxy_vectors
        dtype = torch.promote_types(torch.promote_types(embeddings.dtype, free.dtype), torch.float32)
        embeddings, free = self._on_sphere(embeddings.to(dtype)), free.to(dtype).contiguous()
        layout = kernel.Layout(labels, self.proxy_labels, self.proxies_per_class, self._neighbours)
        path, found, sizes = checked_choice("path", self.path, _PATHS), None, (len(embeddings), len(free))
        if path == "dense" or (path == "auto" and kernel.is_dense(embeddings.device, sum(sizes))):
            found = kernel.dense_energy(embeddings, free, layout, self._potential)
        elif len(free) > 0 and (path == "listed" or (path == "auto" and kernel.is_listed(embeddings.device, *sizes))):
            found = kernel.listed_energy(embeddings, free, layout, self._potential)
        if found is None:
            checked_batch(embeddings, labels, num_classes=self.num_classes)
            energy, self._counts = kernel.sparse_energy(embeddings, free, layout, self._potential)
            return energy
        energy, counts = found
        self._counts = self._counts if kernel.is_transformed() else counts
        valid = ((labels >= 0) & (labels < self.num_classes)).all()
        return energy * torch.where(valid, 1.0, torch.nan)  # a factor, so that the gradient is NaN, too

    def _on_sphere(self, embeddings: Tensor) -> Tensor:
        """Embeddings (B, D) as ``embedding_lengths`` wants them."""
        if self.embedding_lengths == "normalize":
            return directions(embeddings)
        if self.embedding_lengths == "refuse":
            off = (torch.linalg.vector_norm(embeddings.detach(), dim=1) - 1).abs().max()
            if off > _NEARLY:
                wrong = f"embeddings have lengths that differ from 1 by up to {off:.3g}"
                raise ValueError(f'{wrong}: divide them by their lengths, or ask for embedding_lengths="normalize"')
        return embeddings
