"""Cross-batch memory: a pair loss between a batch and the last embeddings that were seen.

Source: Wang et al., "Cross-Batch Memory for Embedding Learning", CVPR 2020, Algorithm 1. A queue of ``memory_size`` holds
embeddings and labels of the last batches, without gradients; a batch joins it and meets all of it but itself. The pair
loss of the paper is contrastive: with s the cosine, P the pairs of one class and N the others,

    L = mean_P max(0, 1 - s) + mean_N max(0, s - margin)

where each mean is over the terms that are not zero. A positive counts where s < 1 - 1e-5, as in the authors' code, so that
rounding does not decide whether a copy of an image counts. Where ``indices`` say which image each row is, the embeddings
that the queue holds of that image are no positives at all. Any loss of pytorch-metric-learning that takes pairs between two
sets can stand in its place: ``wraps`` in params.yaml. ``margin`` has no meaning then; set it by hand (``params: {margin:
0.5}``), so that no search varies it. The queue is kept in buffers, so that a state dict holds it; the library's
``CrossBatchMemory``, the oracle in the tests, leaves its place in the queue out of the state dict. Deviations:
the means (the authors' code sums); no warm-up without memory; the authors pull an image to its own past embeddings.

The queue is searched from about a batch of the suite's recipe, 120 images, to more than any embedded data set trains on; a
queue that is longer than the training set holds images more than once.
"""

import inspect
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pfml.checks import checked_batch, checked_integer, checked_number

_NOTHING = -1
_LEAST_PULL = 1e-5
"""Of 1 - s, above which a positive counts."""
_WANTED = ("indices_tuple", "ref_emb", "ref_labels")


class CrossBatchMemoryLoss(nn.Module):
    """A pair loss of a batch with a queue of past embeddings.

    Args:
        embedding_dim: D.
        memory_size: length N of the queue, at least the size of a batch.
        margin: cosine from which negatives are pushed.
        loss: a loss of pytorch-metric-learning in place of the contrastive one; ``margin`` has no meaning then.

    Attributes:
        memory: (N, D) unit rows, a buffer; rows not yet filled are zero.
        memory_labels: (N,) int64, a buffer; -1 where not yet filled.
        memory_images: (N,) int64, a buffer: the row of each in the training set; -1 where that is not known.
        position: row that is filled next, an int64 scalar buffer.

    Raises:
        ValueError: an argument is out of range, or ``loss`` takes no pairs between two sets.
    """

    memory: Tensor
    memory_labels: Tensor
    memory_images: Tensor
    position: Tensor

    formula: ClassVar[str] = (
        "mean_P max(0, 1 - s) + mean_N max(0, s - margin) over pairs of the batch with the last memory_size embeddings"
    )
    source: ClassVar[str] = "Wang et al., Cross-Batch Memory for Embedding Learning, CVPR 2020, Algorithm 1"
    search_space: ClassVar[dict[str, dict[str, Any]]] = {
        "memory_size": {"values": [128, 256, 1024, 4096, 8192]},
        "margin": {"low": 0.0, "high": 0.9, "log": False},
        "learning_rate": {"low": 1e-4, "high": 3e-2, "log": True},
    }
    paper_values: ClassVar[dict[str, Any]] = {"margin": 0.5, "learning_rate": 3e-4}
    undisclosed: ClassVar[tuple[str, ...]] = (
        "the length of the queue for other data: the paper takes up to all training images",
        "where learning rate and margin stand: they are given as those of the authors' code, which was not read again",
    )

    def __init__(
        self, embedding_dim: int, memory_size: int = 1024, margin: float = 0.5, loss: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.embedding_dim = checked_integer("embedding_dim", embedding_dim, at_least=1)
        self.memory_size = checked_integer("memory_size", memory_size, at_least=1)
        self.margin = checked_number("margin", margin, at_least=-1, at_most=1)
        if loss is not None and not _takes_two_sets(loss):
            raise ValueError(
                f"loss = {type(loss).__name__}: allowed are losses of pairs whose forward is "
                f"(embeddings, labels, {', '.join(_WANTED)})"
            )
        self.loss = loss
        self.register_buffer("memory", torch.zeros(memory_size, embedding_dim))
        self.register_buffer("memory_labels", torch.full((memory_size,), _NOTHING))
        self.register_buffer("memory_images", torch.full((memory_size,), _NOTHING))
        self.register_buffer("position", torch.tensor(0))

    def forward(self, embeddings: Tensor, labels: Tensor, *, indices: Tensor | None = None) -> Tensor:
        """Loss of a batch, which joins the queue.

        Args:
            embeddings: (B, D), rows of unit norm, 1 <= B <= ``memory_size``.
            labels: (B,) integers >= 0.
            indices: (B,) integers >= 0, which image of the training set each row is; None takes each for another image.

        Returns:
            Scalar, zero where there is nothing to pull or push; float64 if the embeddings are, else float32.

        Raises:
            ValueError: a shape, a type or the size of the batch is not as above.
        """
        embeddings, labels = checked_batch(embeddings, labels, embedding_dim=self.embedding_dim)
        if len(labels) > self.memory_size:
            raise ValueError(
                f"memory_size = {self.memory_size}: a batch has {len(labels)} images; allowed are integers from that"
            )
        images = _images(indices, labels)
        with torch.autocast(embeddings.device.type, enabled=False):
            embeddings = normalize(embeddings.to(torch.promote_types(embeddings.dtype, torch.float32)))
            kept = self.kept(embeddings.detach(), labels)
            if kept is not None:
                embeddings, labels, images = embeddings[kept], labels[kept], images[kept]
            rows = self.remember(embeddings.detach(), labels, images)
            return self._with_memory(embeddings, labels, images, rows)

    def kept(self, embeddings: Tensor, labels: Tensor) -> Tensor | None:  # noqa: ARG002 - for losses that choose
        """Which rows of a batch count and are remembered, (B,) bool; None for all."""
        return None

    def remember(self, embeddings: Tensor, labels: Tensor, images: Tensor) -> Tensor:
        """Add unit embeddings (B, D), labels (B,) and images (B,) to the queue; gives the rows (B,) where they stand."""
        rows = (self.position + torch.arange(len(labels), device=labels.device)) % self.memory_size
        # New tensors: autograd may still need the old ones.
        self.memory = self.memory.index_copy(0, rows, embeddings.to(self.memory.dtype))
        self.memory_labels = self.memory_labels.index_copy(0, rows, labels)
        self.memory_images = self.memory_images.index_copy(0, rows, images)
        self.position = (self.position + len(labels)) % self.memory_size
        return rows

    def _with_memory(self, embeddings: Tensor, labels: Tensor, images: Tensor, rows: Tensor) -> Tensor:
        same = labels[:, None] == self.memory_labels
        different = ~same & (self.memory_labels != _NOTHING)
        known = images[:, None] != _NOTHING
        same = same & ~(known & (images[:, None] == self.memory_images))
        same = same.scatter(1, rows[:, None], value=False)
        memory = self.memory.to(embeddings.dtype)
        if self.loss is not None:
            pairs = (*same.nonzero().unbind(1), *different.nonzero().unbind(1))
            value: Tensor = self.loss(embeddings, labels, pairs, memory, self.memory_labels)
            return value
        cosines = embeddings @ memory.T
        return _mean_above(_LEAST_PULL, 1 - cosines, same) + _mean_above(0, cosines - self.margin, different)


def _images(indices: Tensor | None, labels: Tensor) -> Tensor:
    """Which image each row of a batch is, (B,) int64; -1 for all where that is not told."""
    if indices is None:
        return torch.full_like(labels, _NOTHING)
    if indices.shape != labels.shape or indices.is_floating_point():
        raise ValueError(f"indices must be {len(labels)} integers, not {tuple(indices.shape)} of {indices.dtype}")
    return indices.to(labels)


def _mean_above(least: float, terms: Tensor, counted: Tensor) -> Tensor:
    """Mean of the terms that count and are above ``least``; zero if there is none."""
    active = counted & (terms > least)
    return torch.where(active, terms, 0.0).sum() / torch.count_nonzero(active).clamp(min=1)


def _takes_two_sets(loss: nn.Module) -> bool:
    wanted = set(_WANTED) <= set(inspect.signature(loss.forward).parameters)
    return wanted and getattr(loss, "takes_mined_pairs", True)
