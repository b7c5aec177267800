"""A sound loss, and losses that are wrong in one way each."""

import os
import time
from typing import ClassVar

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


class Detached(Sound):
    """Its proxies learn, the embeddings do not."""

    def forward(self, embeddings, labels):
        return super().forward(embeddings.detach(), labels) + 0 * embeddings.sum()


class MakesLate(nn.Module):
    """Its proxies are made when the first batch shows their dimension."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def forward(self, embeddings, labels):
        if not hasattr(self, "proxies"):
            self.proxies = nn.Parameter(torch.randn(self.num_classes, embeddings.shape[1], dtype=embeddings.dtype))
        return cross_entropy(10 * embeddings @ normalize(self.proxies, dim=1).T, labels)


class Lazy(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.layer = nn.LazyLinear(num_classes)

    def forward(self, embeddings, labels):
        return cross_entropy(self.layer(embeddings), labels)


class Unregistered(Sound):
    """Its scale wants a gradient, and no optimiser is given it."""

    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__(num_classes, embedding_dim)
        self.scale = torch.tensor(1.0, requires_grad=True)

    def logits(self, embeddings):
        return self.scale * super().logits(embeddings)


class LearnableBuffer(Sound):
    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__(num_classes, embedding_dim)
        self.register_buffer("scale", torch.tensor(1.0, requires_grad=True))

    def logits(self, embeddings):
        return self.scale * super().logits(embeddings)


class ListOfProxies(nn.Module):
    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__()
        self.own_proxies = [nn.Parameter(normalize(torch.randn(embedding_dim), dim=0)) for _ in range(num_classes)]

    def forward(self, embeddings, labels):
        return cross_entropy(10 * embeddings @ torch.stack(self.own_proxies).T.to(embeddings.dtype), labels)


class HiddenModule(nn.Module):
    """What it wraps lies in a dict."""

    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__()
        self.inner = {"loss": Sound(num_classes, embedding_dim)}

    def forward(self, embeddings, labels):
        return self.inner["loss"].to(embeddings.dtype)(embeddings, labels)


class FewEpochs(Sound):
    """Has a weight for each of fifteen epochs."""

    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__(num_classes, embedding_dim)
        self.weights = torch.linspace(1, 0.1, 15).tolist()

    def forward(self, embeddings, labels, *, epoch):
        return self.weights[epoch - 1] * super().forward(embeddings, labels)


class IgnoresLabels(nn.Module):
    """Spreads the batch over the sphere."""

    def forward(self, embeddings, labels):
        return (2 * embeddings @ embeddings.T).exp().mean().log()


class Tiny(Sound):
    def forward(self, embeddings, labels):
        return 1e-9 * super().forward(embeddings, labels)


class Huge(Sound):
    def forward(self, embeddings, labels):
        return 1e6 * super().forward(embeddings, labels)


class Summed(Sound):
    def forward(self, embeddings, labels):
        return cross_entropy(self.logits(embeddings), labels, reduction="sum")


class SummedPairs(nn.Module):
    def forward(self, embeddings, labels):
        same = (labels[:, None] == labels).to(embeddings.dtype)
        return ((embeddings @ embeddings.T) * (1 - 2 * same)).sum()


class OnLengths(nn.Module):
    """Wants longer vectors, the longer the higher their class's number: nothing that turns a unit vector."""

    def forward(self, embeddings, labels):
        return (embeddings.norm(dim=1) - 2 - labels).square().mean()


class ExactlyUnit(Sound):
    """An angle that exists for unit vectors alone; rounding makes it NaN."""

    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels) + 1e-3 * embeddings.square().sum(dim=1).acos().mean()


class OnlyPushes(nn.Module):
    def forward(self, embeddings, labels):
        different = labels[:, None] != labels
        return (2 * (embeddings @ embeddings.T))[different].exp().sum() / len(labels) ** 2


class FarMargin(nn.Module):
    """A margin for vectors of length 3: positives are pulled from distance 3 on, which unit vectors never have."""

    def forward(self, embeddings, labels):
        distances = (embeddings[:, None] - embeddings).square().sum(dim=2).clamp(min=1e-6).sqrt()
        same = labels[:, None] == labels
        return torch.where(same, (distances - 3).clamp(min=0), (0.5 - distances).clamp(min=0)).mean()


class Leaks(Sound):
    """Its memory is the class's, not the instance's."""

    seen: ClassVar = []

    def forward(self, embeddings, labels):
        self.seen.append((embeddings.detach(), labels))
        last, classes = self.seen[-2] if len(self.seen) > 1 else self.seen[-1]
        same = (labels[:, None] == classes).to(embeddings.dtype)
        pulled = (
            (same * (1 - embeddings @ last.to(embeddings.dtype).T)).mean()
            if last.shape[1:] == embeddings.shape[1:]
            else 0
        )
        return super().forward(embeddings, labels) + 0.1 * pulled


class Idle(Sound):
    active_shares: ClassVar = {"attractive": 0.5, "repulsive": 0.001}


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


class PartlyDetached(Sound):
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


class Averages(Sound):
    """A bank of all embeddings so far: copies of one batch in it leave their mean where it is."""

    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__(num_classes, embedding_dim)
        self.bank = []

    def forward(self, embeddings, labels):
        self.bank.append(embeddings.detach())
        return super().forward(embeddings, labels) * (1 + torch.cat(self.bank).abs().mean())


class PushesPositives(Sound):
    def forward(self, embeddings, labels):
        same = (labels[:, None] == labels).to(embeddings.dtype)
        return super().forward(embeddings, labels) + 100 * (same * (embeddings @ embeddings.T)).sum()


class IndexFails(Sound):
    """Its negatives are looked up where there are none."""

    def forward(self, embeddings, labels):
        rows = torch.nonzero(labels != labels[0])
        return super().forward(embeddings, labels) + 0 * embeddings[rows[0]].sum()


class KeepsGraph(Sound):
    """Its memory is not detached, so that the second backward pass runs into the first."""

    last = None

    def forward(self, embeddings, labels):
        before, self.last = self.last, super().forward(embeddings, labels)
        return self.last if before is None else self.last + 0.1 * before


class WantsMore(Sound):
    def forward(self, embeddings, labels, weights, epoch):
        return super().forward(embeddings, labels) * weights


class Takes(Sound):
    """Asks for what the suite offers."""

    def forward(self, embeddings, labels, indices, *, epoch):
        assert indices.shape == labels.shape
        assert epoch >= 1
        return super().forward(embeddings, labels)


class PerImage(Sound):
    """Sound: has a row for each image of the training set, and knows each by its row."""

    def __init__(self, num_classes: int, embedding_dim: int, images: int = 500) -> None:
        super().__init__(num_classes, embedding_dim)
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("weights", torch.rand(images, generator=generator))
        self.register_buffer("seen", torch.full((images,), -1))

    def forward(self, embeddings, labels, *, indices):
        seen = self.seen[indices]
        assert ((seen == -1) | (seen == labels)).all()
        self.seen = self.seen.index_copy(0, indices, labels)
        each = cross_entropy(self.logits(embeddings), labels, reduction="none")
        return ((0.5 + self.weights[indices]).to(each.dtype) * each).mean()


class RowsForPlaces(Sound):
    """Takes rows of the training set for places in the batch."""

    def forward(self, embeddings, labels, *, indices):
        return cross_entropy(self.logits(embeddings), labels, reduction="none")[indices].mean()


class Complex(Sound):
    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels) * (1 + 0j)


class Leaves(Sound):
    """Changes the working folder."""

    def forward(self, embeddings, labels):
        os.chdir("/")
        return super().forward(embeddings, labels)


class LeavesAtOnce(Sound):
    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__(num_classes, embedding_dim)
        os.chdir("/")


class Centres(nn.Module):
    """Sound: it keeps a moving centre of each class in a buffer."""

    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__()
        self.register_buffer("centres", normalize(torch.randn(num_classes, embedding_dim), dim=1))

    def forward(self, embeddings, labels):
        value = cross_entropy(10 * embeddings @ self.centres.to(embeddings.dtype).T, labels)
        centres = self.centres.clone()
        for label in labels.unique():
            mean = embeddings.detach()[labels == label].mean(dim=0).to(centres.dtype)
            centres[label] = normalize(0.9 * centres[label] + 0.1 * mean, dim=0)
        self.centres = centres
        return value


class OneMore(nn.Module):
    """Sound: proxies of the classes and one of the background, which no shape tells."""

    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__()
        self.proxies = nn.Parameter(normalize(torch.randn(num_classes + 1, embedding_dim), dim=1))

    def forward(self, embeddings, labels):
        return cross_entropy(10 * embeddings @ normalize(self.proxies, dim=1).T, labels + 1)


class Exits(Sound):
    def forward(self, embeddings, labels):
        raise SystemExit(0)
