"""Checks of a batch, shared by every loss that reads embeddings and labels."""

import torch
from torch import Tensor

_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def checked_batch(
    embeddings: Tensor, labels: Tensor, *, num_classes: int | None = None, embedding_dim: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return embeddings (B, D) and labels (B,) as int64 on one device.

    Args:
        embeddings: (B, D) floating point, B >= 1.
        labels: (B,) integers.
        num_classes: if given, labels must lie in [0, num_classes).
        embedding_dim: if given, D must equal it.

    Raises:
        ValueError: a shape, a type or a label is not as above.
    """
    if embeddings.ndim != 2 or len(embeddings) == 0 or not embeddings.is_floating_point():
        raise ValueError(
            f"embeddings must be floating point of shape (B, D), B >= 1, not {tuple(embeddings.shape)} "
            f"of {embeddings.dtype}"
        )
    if embedding_dim is not None and embeddings.shape[1] != embedding_dim:
        raise ValueError(f"embeddings have dimension {embeddings.shape[1]}, the loss embedding_dim = {embedding_dim}")
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(f"labels must have shape ({len(embeddings)},), one a row, not {tuple(labels.shape)}")
    if labels.dtype not in _INTEGERS:
        raise ValueError(f"labels must be integers, not {labels.dtype}")
    labels = labels.to(device=embeddings.device, dtype=torch.int64)
    if num_classes is not None:
        low, high = (int(bound) for bound in torch.aminmax(labels))
        if low < 0 or high >= num_classes:
            raise ValueError(f"labels span [{low}, {high}]: allowed is [0, {num_classes - 1}] (num_classes - 1)")
    return embeddings, labels
