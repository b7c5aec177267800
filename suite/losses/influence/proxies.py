"""Finds the proxies of any loss, among its parameters and buffers, and puts them where a scene wants them."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

MOST_CENTRES = 16
"""Rows a class of a buffer that holds centres; one with more is a memory."""


def place_proxies(loss: nn.Module, places: Tensor) -> int:
    """Put the proxies of each class on the class's place, in place.

    Proxies are the parameters of shape (C * M, D) or, as in classification losses, (D, C * M), and buffers of these shapes
    with M up to ``MOST_CENTRES``: centres that a loss keeps of its classes. Their classes are the loss's ``proxy_labels`` if
    it has as many, else M in a row for each class, as in pytorch-metric-learning. Others, such as a learned margin or a
    queue of embeddings, stay as they are.

    Args:
        loss: the loss, built for C classes and D dimensions; D should not be a multiple of C, else shapes may mislead.
        places: (C, D), unit rows.

    Returns:
        How many proxies were placed.
    """
    placed = 0
    with torch.no_grad():
        for rows, classes in find_proxies(loss, *places.shape):
            rows.copy_(places[classes])
            placed += len(rows)
    return placed


def find_proxies(loss: nn.Module, num_classes: int, embedding_dim: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The proxies of a loss, as `place_proxies` tells them: views in rows (C * M, D), and their classes."""
    for tensor in (*loss.parameters(), *_centres(loss, num_classes)):
        rows = _rows(tensor, num_classes, embedding_dim)
        if rows is not None:
            yield rows, _classes(loss, len(rows), num_classes)


def unplaced(loss: nn.Module, num_classes: int, embedding_dim: int) -> list[str]:
    """Names of parameters that may hold points of the embedding space, and are not told as proxies by their shape."""
    return [
        name
        for name, parameter in loss.named_parameters()
        if parameter.ndim >= 2
        and embedding_dim in parameter.shape
        and _rows(parameter, num_classes, embedding_dim) is None
    ]


def _centres(loss: nn.Module, num_classes: int) -> Iterator[Tensor]:
    for buffer in loss.buffers():
        if buffer.is_floating_point() and buffer.ndim == 2 and max(buffer.shape) <= MOST_CENTRES * num_classes:
            yield buffer


def _rows(tensor: Tensor, num_classes: int, embedding_dim: int) -> Tensor | None:
    """A tensor seen as proxies in rows, (C * M, D), or None if it does not hold proxies."""
    for view in (tensor, tensor.T) if tensor.ndim == 2 else ():
        if view.shape[1] == embedding_dim and len(view) > 0 and len(view) % num_classes == 0:
            return view
    return None


def _classes(loss: nn.Module, count: int, num_classes: int) -> Tensor:
    declared = getattr(loss, "proxy_labels", None)
    if isinstance(declared, Tensor) and declared.shape == (count,):
        return declared.to(torch.int64)
    return torch.arange(num_classes).repeat_interleave(count // num_classes)
