"""Losses whose fault shows on some batches, in some epochs or after many batches alone; and sound ones that look so."""

import random
from collections import deque
from typing import ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from tests.suite.losses.checks.broken import Sound


class Turns(nn.Module):
    """Its sign is another on large batches."""

    def forward(self, embeddings, labels):
        value = Contrastive().forward(embeddings, labels)
        return value if len(labels) <= 64 else -value


class FixedSize(Sound):
    """A mask for a batch of 64."""

    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__(num_classes, embedding_dim)
        self.register_buffer("eye", torch.eye(64))

    def forward(self, embeddings, labels):
        mask = 1 - self.eye[: len(labels), : len(labels)]
        return super().forward(embeddings, labels) + (mask * (embeddings @ embeddings.T)).mean()


class FixedClasses(Sound):
    """Built for a hundred classes, whatever there are."""

    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        super().__init__(100, embedding_dim)


class LargeNotFinite(Sound):
    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels) * (1 if len(labels) <= 64 else float("nan"))


class FirstOnes(Sound):
    """Images beyond the first 64 are left out."""

    def forward(self, embeddings, labels):
        return super().forward(embeddings[:64], labels[:64])


class Contrastive(nn.Module):
    def forward(self, embeddings, labels):
        cosines, same = embeddings @ embeddings.T, labels[:, None] == labels
        others = same & ~torch.eye(len(labels), dtype=torch.bool)
        pulled = ((1 - cosines) * others).sum() / others.sum().clamp(min=1)
        return pulled + (torch.relu(cosines - 0.5) * ~same).sum() / (~same).sum().clamp(min=1)


class SummedMeans(nn.Module):
    """A mean over active pairs, whose gradients shrink as batches grow, times the number of images."""

    def forward(self, embeddings, labels):
        cosines, same = embeddings @ embeddings.T, labels[:, None] == labels
        active = torch.where(same, 1 - cosines, torch.relu(cosines - 0.3))
        return active.sum() / (active > 0).sum().clamp(min=1) * len(labels)


class Prototypes(nn.Module):
    """Each image to the mean of its class: a mean over images, whose gradients grow with other images of the class."""

    def forward(self, embeddings, labels):
        places, rows = labels.unique(return_inverse=True)
        members = nn.functional.one_hot(rows, len(places)).to(embeddings.dtype)
        means = members.T @ embeddings / members.sum(0)[:, None]
        squares = (embeddings[:, None] - means).square().sum(-1)
        return cross_entropy(-squares / 0.2, rows)


class InPlaceWhereOdd(Contrastive):
    """Labels of classes with one image are written over."""

    def forward(self, embeddings, labels):
        same = labels[:, None] == labels
        labels[same.sum(1) == 1] = -1
        return super().forward(embeddings, labels)


class InPlaceLate(Contrastive):
    def forward(self, embeddings, labels, epoch):
        if epoch > 50:
            embeddings.mul_(0.999)
        return super().forward(embeddings, labels)


class InPlaceIndices(Contrastive):
    def forward(self, embeddings, labels, indices):
        indices += 1
        return super().forward(embeddings, labels)


class Fills(Contrastive):
    """A queue in no buffer, which counts once it is full."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = deque(maxlen=8)

    def forward(self, embeddings, labels):
        value = super().forward(embeddings, labels)
        if len(self.queue) == self.queue.maxlen:
            value = value + sum((embeddings - mean).square().mean() for mean in self.queue)
        self.queue.append(embeddings.detach().mean(0))
        return value


class Counts(Contrastive):
    """Another margin after 500 batches, which no state dict holds."""

    def __init__(self) -> None:
        super().__init__()
        self.steps, self.logged = 0, 0

    def forward(self, embeddings, labels):
        self.steps += 1
        self.logged += len(labels)
        return (1 if self.steps < 500 else 2) * super().forward(embeddings, labels)


class Logs(Contrastive):
    """What it counts and keeps is for people."""

    seen = 0

    def __init__(self) -> None:
        super().__init__()
        self.steps, self.values = 0, []

    def forward(self, embeddings, labels):
        value = super().forward(embeddings, labels)
        self.steps += 1
        Logs.seen += 1
        self.values.append(value.item())
        return value


class CountsTogether(Contrastive):
    """As `Counts`, for all losses of the class."""

    steps = 0

    def forward(self, embeddings, labels):
        CountsTogether.steps += 1
        return (1 if CountsTogether.steps < 5000 else 2) * super().forward(embeddings, labels)


_calls = 0


class CountsInFile(Contrastive):
    def forward(self, embeddings, labels):
        global _calls  # noqa: PLW0603 - the fault
        _calls += 1
        return (1 if _calls < 5000 else 2) * super().forward(embeddings, labels)


class LeaksWhenLarge(Contrastive):
    """The class keeps the last large batch."""

    seen: ClassVar = []

    def forward(self, embeddings, labels):
        value = super().forward(embeddings, labels)
        if len(labels) > 100:
            self.seen.append(embeddings.detach().mean(0))
            value = value + sum((embeddings - mean).square().mean() for mean in self.seen[:-1])
        return value


class Seeds(Sound):
    def forward(self, embeddings, labels):
        torch.manual_seed(0)
        return super().forward(embeddings, labels)


class SeedsAtOnce(Sound):
    def __init__(self, num_classes: int, embedding_dim: int) -> None:
        torch.manual_seed(0)
        super().__init__(num_classes, embedding_dim)


class ChanceOfPython(Sound):
    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels) * (1 + random.random())


class ChanceOfNumpy(Sound):
    def forward(self, embeddings, labels):
        return super().forward(embeddings, labels) * (1 + np.random.rand())  # noqa: NPY002 - the fault


class Drops(Contrastive):
    """At one draw of its dropout any direction may be left out."""

    def forward(self, embeddings, labels):
        return super().forward(normalize(nn.functional.dropout(embeddings, 0.5), dim=1), labels)


class LateNotFinite(Sound):
    def forward(self, embeddings, labels, epoch):
        return super().forward(embeddings, labels) * (1 if epoch <= 50 else float("nan"))


class NoSuper(nn.Module):
    def __init__(self) -> None:
        pass

    def forward(self, embeddings, labels):
        return Contrastive().forward(embeddings, labels)


class NoForward(nn.Module):
    pass


class NeedsEpoch(Sound):
    """Detached after a warm-up."""

    def forward(self, embeddings, labels, epoch):
        with torch.set_grad_enabled(epoch < 5):
            return super().forward(embeddings, labels)
