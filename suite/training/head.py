"""The trained part on top of frozen features: features to unit-norm embeddings."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


class Head(nn.Module):
    """Linear layer, or an MLP with one hidden layer, on standardised features; rows of the output have unit norm.

    Features are centred and divided by one scale, both measured on the training features, so that learning rates mean
    the same for every data set. One scale for all dimensions keeps their proportions, as the backbone gave them.

    Args:
        features: (N, F) training features.
        embedding_dim: D.
        hidden_dim: width of the hidden layer, 0 for none.
        generator: draws the initial weights; the same generator state gives the same head for every loss.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, features: Tensor, embedding_dim: int, hidden_dim: int, generator: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("mean", features.mean(dim=0))
        self.register_buffer("scale", features.std(dim=0).square().mean().sqrt().clamp_min(1e-6))
        widths = [features.shape[1], *([hidden_dim] if hidden_dim else []), embedding_dim]
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(widths):
            if layers:
                layers.append(nn.ReLU())
            layers.append(_linear(fan_in, fan_out, generator))
        self.layers = nn.Sequential(*layers, _UnitRows())

    def standardised(self, features: Tensor) -> Tensor:
        """Features (B, F) as ``layers`` takes them: training standardises once, not in every batch."""
        return (features - self.mean) / self.scale

    def forward(self, features: Tensor) -> Tensor:
        """Embeddings (B, D) of unit norm for features (B, F)."""
        embeddings: Tensor = self.layers(self.standardised(features))
        return embeddings


class _UnitRows(nn.Module):
    """Rows divided by their norm."""

    def forward(self, rows: Tensor) -> Tensor:
        return functional.normalize(rows, dim=1)


def _linear(fan_in: int, fan_out: int, generator: torch.Generator) -> nn.Linear:
    layer = nn.Linear(fan_in, fan_out)
    with torch.no_grad():
        layer.weight.normal_(0.0, fan_in**-0.5, generator=generator)
        layer.bias.zero_()
    return layer
