"""A sound loss, and losses that are wrong in one way each."""

import time

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize


class Sound(nn.Module):
    def __init__(self, num_classes: int, embedding_dim: int, temperature: float = 0.1) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.temperature = temperature
        self.proxies = nn.Parameter(normalize(torch.randn(num_classes, embedding_dim), dim=1))

    def logits(self, embeddings):
        return embeddings @ normalize(self.proxies, dim=1).T / self.temperature

    def forward(self, embeddings, labels):
        return cross_entropy(self.logits(embeddings), labels)


class Vector(Sound):
    def forward(self, embeddings, labels):
        return cross_entropy(self.logits(embeddings), labels, reduction="none")


class NotFinite(Sound):
    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels) + torch.exp(1000 * (embeddings @ embeddings.T)).mean()


class Constant(Sound):
    def forward(self, embeddings, labels):
        return 0 * super().forward(embeddings, labels)


class Unreached(Sound):
    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__(num_classes, embedding_dim)
        self.margins = nn.Parameter(torch.zeros(num_classes))

    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels) + self.margins.detach()[labels].mean()


class WrongSign(nn.Module):
    """Of pairs: one of proxies still gathers its classes, far from their proxies."""

    def forward(self, embeddings, labels):
        same = (labels[:, None] == labels).to(embeddings.dtype)
        return ((embeddings @ embeddings.T) * (2 * same - 1)).mean()


class ByPlace(Sound):
    def forward(self, embeddings, labels):
        weights = torch.arange(1.0, len(labels) + 1, dtype=embeddings.dtype)
        return (weights * cross_entropy(self.logits(embeddings), labels, reduction="none")).sum()


class ByNumber(Sound):
    def forward(self, embeddings, labels):
        return ((1 + labels) * cross_entropy(self.logits(embeddings), labels, reduction="none")).mean()


class ByAxis(Sound):
    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels) + embeddings[:, 0].square().mean()


class Rounded(Sound):
    def forward(self, embeddings, labels):
        return (super().forward(embeddings, labels) + 1e7) - 1e7


class Detached(Sound):
    def forward(self, embeddings, labels):
        value = super().forward(embeddings, labels)
        return value * value.detach()


class NeedsNegatives(Sound):
    def forward(self, embeddings, labels):
        different = labels[:, None] != labels
        return super().forward(embeddings, labels) + (embeddings @ embeddings.T)[different].mean()


class NeedsPositives(Sound):
    def forward(self, embeddings, labels):
        same = (labels[:, None] == labels) & ~torch.eye(len(labels), dtype=torch.bool)
        return super().forward(embeddings, labels) - (embeddings @ embeddings.T)[same].mean()


class NeedsThree(Sound):
    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels) + embeddings[2].sum() * 0


class RootAtZero(Sound):
    def forward(self, embeddings, labels):
        others = ~torch.eye(len(labels), dtype=torch.bool)
        squares = (embeddings[:, None] - embeddings).square().sum(dim=2)[others]
        return super().forward(embeddings, labels) + 0.1 * squares.sqrt().sum()


class AllClasses(Sound):
    def forward(self, embeddings, labels):
        sums = torch.zeros(self.num_classes, embeddings.shape[1], dtype=embeddings.dtype)
        means = sums.index_add(0, labels, embeddings) / torch.bincount(labels, minlength=self.num_classes)[:, None]
        return super().forward(embeddings, labels) + (1 - means.norm(dim=1)).sum()


class InPlace(Sound):
    def forward(self, embeddings, labels):
        return super().forward(embeddings.mul_(2), labels)


class InPlaceLabels(Sound):
    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels.clamp_(max=3))


class OwnChance(Sound):
    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels) * (1 + np.random.default_rng(time.perf_counter_ns()).random())


class Chance(Sound):
    def forward(self, embeddings, labels):
        return super().forward(nn.functional.dropout(embeddings, 0.2), labels)


class Remembers(Sound):
    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__(num_classes, embedding_dim)
        self.calls = 0

    def forward(self, embeddings, labels):
        self.calls += 1
        return self.calls * super().forward(embeddings, labels)


class PushesPositives(Sound):
    def forward(self, embeddings, labels):
        same = (labels[:, None] == labels).to(embeddings.dtype)
        return super().forward(embeddings, labels) + 100 * (same * (embeddings @ embeddings.T)).sum()


class Exits(Sound):
    def forward(self, embeddings, labels):
        raise SystemExit(0)
