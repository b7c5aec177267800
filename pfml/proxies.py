"""Learnable proxies on the unit sphere, M to a class, held as free vectors.

The parameter is a free vector w; the proxy is its direction p = w / |w|, so any optimiser keeps proxies on the sphere.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

SHORTEST = 1e-12
"""Length below which a free vector has no direction: its proxy is shorter than 1, and 0 at the origin."""


def initial_vectors(num_classes: int, embedding_dim: int, proxies_per_class: int) -> nn.Parameter | None:
    """Free vectors (C * M, D) in directions uniform on the sphere, from torch's global generator; None if M = 0."""
    count = num_classes * proxies_per_class
    return nn.Parameter(normalize(torch.randn(count, embedding_dim))) if count else None


def directions(vectors: Tensor) -> Tensor:
    """The proxies w / |w| of free vectors (P, D), differentiable."""
    lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    found: Tensor = vectors * lengths.clamp(min=SHORTEST).reciprocal()
    return found
