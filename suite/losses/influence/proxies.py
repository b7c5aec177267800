"""Finds the proxies of any loss among its parameters and puts them where a scene wants them."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn


def place_proxies(loss: nn.Module, places: Tensor) -> int:
    """Put the proxies of each class on the class's place, in place.

    Proxies are the parameters of shape (C * M, D) or, as in classification losses, (D, C * M). Their classes are the loss's
    ``proxy_labels`` if it has as many, else M in a row for each class, as in pytorch-metric-learning. Other parameters, such
    as a learned margin, stay as they are.

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
    """The proxies among a loss's parameters, as `place_proxies` tells them: views in rows (C * M, D), and their classes."""
    for parameter in loss.parameters():
        rows = _rows(parameter, num_classes, embedding_dim)
        if rows is not None:
            yield rows, _classes(loss, len(rows), num_classes)


def _rows(parameter: Tensor, num_classes: int, embedding_dim: int) -> Tensor | None:
    """A parameter seen as proxies in rows, (C * M, D), or None if it does not hold proxies."""
    for view in (parameter, parameter.T) if parameter.ndim == 2 else ():
        if view.shape[1] == embedding_dim and len(view) > 0 and len(view) % num_classes == 0:
            return view
    return None


def _classes(loss: nn.Module, count: int, num_classes: int) -> Tensor:
    declared = getattr(loss, "proxy_labels", None)
    if isinstance(declared, Tensor) and declared.shape == (count,):
        return declared.to(torch.int64)
    return torch.arange(num_classes).repeat_interleave(count // num_classes)
