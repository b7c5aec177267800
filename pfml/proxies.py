"""Learnable proxies on the unit sphere, M to a class."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn.functional import normalize

from pfml.settings import checked_integer

_SHORTEST = 1e-12
_ROWS = 1024


class SphereProxies(nn.Module):
    """M proxies for each of C classes, read as unit vectors.

    The parameter is a free vector whose direction is the proxy, so any optimiser keeps the proxies on the
    sphere. Directions start uniform on it, from torch's global generator. With M = 0 there is no parameter.

    Args:
        num_classes: C >= 1.
        embedding_dim: D >= 1.
        proxies_per_class: M >= 0.

    Raises:
        ValueError: an argument is out of range.
    """

    labels: Tensor
    weight: nn.Parameter | None

    def __init__(self, num_classes: int, embedding_dim: int, proxies_per_class: int) -> None:
        super().__init__()
        self.num_classes = checked_integer("num_classes", num_classes, at_least=1)
        self.embedding_dim = checked_integer("embedding_dim", embedding_dim, at_least=1)
        self.proxies_per_class = checked_integer("proxies_per_class", proxies_per_class, at_least=0)
        count = num_classes * proxies_per_class
        weight = nn.Parameter(normalize(torch.randn(count, embedding_dim))) if count else None
        self.register_parameter("weight", weight)
        self.register_buffer("labels", torch.arange(num_classes).repeat_interleave(proxies_per_class))

    def forward(self) -> Tensor:
        """Return the proxies, (C * M, D), rows of unit norm, class by class."""
        if self.weight is None:
            return torch.empty(0, self.embedding_dim, device=self.labels.device)
        directions: Tensor = _Directions.apply(self.weight)
        return directions


class _Directions(Function):
    """w / |w| by rows, with a backward pass of its own: proxies of 11,318 classes are worth fewer passes over memory."""

    @staticmethod
    def forward(ctx: FunctionCtx, weight: Tensor) -> Tensor:
        inverse = torch.linalg.vector_norm(weight, dim=1, keepdim=True).clamp_(min=_SHORTEST).reciprocal_()
        directions: Tensor = weight * inverse
        ctx.save_for_backward(directions, inverse)
        return directions

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> Tensor:
        directions, inverse = ctx.saved_tensors
        gradient: Tensor = torch.empty_like(directions)
        blocks = (torch.split(tensor, _ROWS) for tensor in (gradient, upstream[0], directions, inverse))
        for result, force, direction, scale in zip(*blocks, strict=True):
            along = (force * direction).sum(dim=1, keepdim=True)
            torch.addcmul(force, direction, along, value=-1, out=result).mul_(scale)
        return gradient
