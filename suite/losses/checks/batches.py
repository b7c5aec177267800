"""The batches on which a loss is tested: one like those of training, and odd ones that training meets too."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from suite.randomness import stream

NUM_CLASSES = 7
EMBEDDING_DIM = 16
"""Not a multiple of the number of classes, so that the shape of a parameter tells whether it holds proxies."""
_PER_CLASS = 4


@dataclass(frozen=True)
class Batch:
    """Unit embeddings (B, D) float32 and labels (B,), with a name for messages."""

    name: str
    embeddings: Tensor
    labels: Tensor


def _directions(*words: str, count: int) -> Tensor:
    values = stream("checks", *words).standard_normal((count, EMBEDDING_DIM))
    return normalize(torch.from_numpy(values), dim=1).float()


def _all_labels() -> Tensor:
    return torch.arange(NUM_CLASSES).repeat_interleave(_PER_CLASS)


def typical() -> Batch:
    """Classes that overlap, as early in training: every class, four images each."""
    labels = _all_labels()
    centres = _directions("centres", count=NUM_CLASSES)
    around = _directions("typical", count=len(labels))
    return Batch("a typical batch", normalize(centres[labels] + 1.2 * around, dim=1), labels)


def crowded() -> Batch:
    """All embeddings close together, as from a fresh network."""
    labels = _all_labels()
    around = _directions("crowded", count=len(labels))
    return Batch(
        "a batch of nearly equal embeddings", normalize(torch.ones(EMBEDDING_DIM) + 0.3 * around, dim=1), labels
    )


def separated() -> Batch:
    """Classes far apart and tight, as at the end of training."""
    labels = _all_labels()
    around = _directions("separated", count=len(labels))
    centres = torch.eye(EMBEDDING_DIM)[:NUM_CLASSES]
    return Batch("a batch of separated classes", normalize(centres[labels] + 0.1 * around, dim=1), labels)


def one_class() -> Batch:
    """Four images of one class: no negative."""
    return Batch("a batch of one class", _directions("one class", count=_PER_CLASS), torch.full((_PER_CLASS,), 2))


def strangers() -> Batch:
    """One image a class: no positive."""
    return Batch("a batch of one image a class", _directions("strangers", count=5), torch.tensor([4, 0, 3, 6, 1]))


def pairs() -> list[Batch]:
    """Two images, of one class and of two."""
    both = _directions("pairs", count=2)
    return [
        Batch("two images of one class", both, torch.tensor([3, 3])),
        Batch("two images of two classes", both, torch.tensor([3, 5])),
    ]


def duplicated() -> list[Batch]:
    """Equal embeddings within a class, across classes, and nothing but equal embeddings."""
    batch = typical()
    within, across = batch.embeddings.clone(), batch.embeddings.clone()
    within[1] = within[0]
    across[_PER_CLASS] = across[0]
    same = batch.embeddings[:1].expand_as(batch.embeddings).clone()
    return [
        Batch("a batch with an image twice", within, batch.labels),
        Batch("a batch with equal embeddings of two classes", across, batch.labels),
        Batch("a batch of equal embeddings", same, batch.labels),
    ]


def few_classes() -> Batch:
    """Two classes of seven."""
    batch = typical()
    chosen = (batch.labels == 1) | (batch.labels == 5)
    return Batch("a batch without most classes", batch.embeddings[chosen], batch.labels[chosen])
