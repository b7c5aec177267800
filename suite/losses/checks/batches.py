"""The batches on which a loss is tested: one like those of training, and odd ones that training meets too."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from suite.randomness import stream

NUM_CLASSES = 7
EMBEDDING_DIM = 16
"""Not a multiple of the number of classes, so that the shape of a parameter tells whether it holds proxies."""
PER_CLASS = 4
FULL_PER_CLASS = 18
"""Images a class of a batch that is as large as those of training, of 120 images."""
EPOCH = 10
"""The number of the epoch that a loss is told, if it asks: past a warm-up."""
LATE = 100
"""That of a late one: how long a run is, recipes and searches say, and a loss must not count on it."""


@dataclass(frozen=True)
class Batch:
    """A batch, with a name for messages.

    Attributes:
        name: what it is.
        embeddings: (B, D) float32, of unit norm.
        labels: (B,).
        rows: (B,), where its images stand in the training set; by default none stands at its place in the batch.
    """

    name: str
    embeddings: Tensor
    labels: Tensor
    rows: Tensor | None = None

    @property
    def indices(self) -> Tensor:
        """``rows``, or the default: (B,) int64."""
        return 1 + 3 * torch.arange(len(self.labels)) if self.rows is None else self.rows


def _directions(*words: str, count: int, dim: int) -> Tensor:
    values = stream("checks", *words).standard_normal((count, dim))
    return normalize(torch.from_numpy(values), dim=1).float()


def _all_labels(per_class: int = PER_CLASS) -> Tensor:
    return torch.arange(NUM_CLASSES).repeat_interleave(per_class)


def typical(dim: int = EMBEDDING_DIM, per_class: int = PER_CLASS) -> Batch:
    """Classes that overlap, as early in training: every class, four images each."""
    labels = _all_labels(per_class)
    centres = _directions("centres", count=NUM_CLASSES, dim=dim)
    around = _directions("typical", count=len(labels), dim=dim)
    return Batch("a typical batch", normalize(centres[labels] + 1.2 * around, dim=1), labels)


def crowded(dim: int = EMBEDDING_DIM) -> Batch:
    """All embeddings close together, as from a fresh network."""
    labels = _all_labels()
    around = _directions("crowded", count=len(labels), dim=dim)
    return Batch("a batch of nearly equal embeddings", normalize(torch.ones(dim) + 0.3 * around, dim=1), labels)


def separated(dim: int = EMBEDDING_DIM) -> Batch:
    """Classes far apart and tight, as at the end of training."""
    labels = _all_labels()
    around = _directions("separated", count=len(labels), dim=dim)
    centres = torch.eye(dim)[:NUM_CLASSES] if dim >= NUM_CLASSES else _directions("far", count=NUM_CLASSES, dim=dim)
    return Batch("a batch of separated classes", normalize(centres[labels] + 0.1 * around, dim=1), labels)


def ordinary(dim: int = EMBEDDING_DIM) -> list[Batch]:
    """Early, in the middle and late in training."""
    return [typical(dim), crowded(dim), separated(dim)]


def doubled(dim: int = EMBEDDING_DIM) -> Batch:
    """A typical batch with each image twice."""
    batch = typical(dim)
    return Batch(
        "a batch with each image twice", batch.embeddings.repeat(2, 1), batch.labels.repeat(2), batch.indices.repeat(2)
    )


def full(dim: int = EMBEDDING_DIM) -> Batch:
    """As typical, with as many images as a batch of training has, and a few more; they are of no other batch."""
    size, taken = NUM_CLASSES * FULL_PER_CLASS, set(typical(dim).indices.tolist())
    rows = torch.tensor([row for row in range(size + len(taken)) if row not in taken])
    return replace(typical(dim, FULL_PER_CLASS), name=f"a batch of {size} images", rows=rows)


def one_class(dim: int = EMBEDDING_DIM) -> Batch:
    """Four images of one class: no negative."""
    embeddings = _directions("one class", count=PER_CLASS, dim=dim)
    return Batch("a batch of one class", embeddings, torch.full((PER_CLASS,), 2))


def strangers(dim: int = EMBEDDING_DIM) -> Batch:
    """One image a class: no positive."""
    embeddings = _directions("strangers", count=5, dim=dim)
    return Batch("a batch of one image a class", embeddings, torch.tensor([4, 0, 3, 6, 1]))


def pairs(dim: int = EMBEDDING_DIM) -> list[Batch]:
    """Two images, of one class and of two."""
    both = _directions("pairs", count=2, dim=dim)
    return [
        Batch("two images of one class", both, torch.tensor([3, 3])),
        Batch("two images of two classes", both, torch.tensor([3, 5])),
    ]


def duplicated(dim: int = EMBEDDING_DIM) -> list[Batch]:
    """Equal embeddings within a class, across classes, and nothing but equal embeddings."""
    batch = typical(dim)
    within, across = batch.embeddings.clone(), batch.embeddings.clone()
    within[1] = within[0]
    across[PER_CLASS] = across[0]
    same = batch.embeddings[:1].expand_as(batch.embeddings).clone()
    return [
        Batch("a batch with an image twice", within, batch.labels),
        Batch("a batch with equal embeddings of two classes", across, batch.labels),
        Batch("a batch of equal embeddings", same, batch.labels),
    ]


def odd(dim: int = EMBEDDING_DIM) -> list[Batch]:
    """What small data, short last batches and wrong labels bring about."""
    return [one_class(dim), strangers(dim), *pairs(dim), *duplicated(dim), few_classes(dim)]


def few_classes(dim: int = EMBEDDING_DIM) -> Batch:
    """Two classes of seven."""
    batch = typical(dim)
    chosen = (batch.labels == 1) | (batch.labels == 5)
    return Batch("a batch without most classes", batch.embeddings[chosen], batch.labels[chosen], batch.indices[chosen])
