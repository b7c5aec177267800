"""Losses with a memory against the formulas of their papers as loops, batch after batch, and their state."""

import math
from typing import Any

import pytest
import torch
from pytorch_metric_learning import losses as library
from pytorch_metric_learning.distances import CosineSimilarity
from torch import Tensor
from torch.nn.functional import normalize

from baselines.cross_batch_memory import CrossBatchMemoryLoss
from baselines.prism import PRISMLoss
from pfml import PotentialFieldLoss
from tests.baselines.formulas import cosine

Remembered = list[tuple[list[float], int]]


def batches(count: int, size: int = 12) -> list[tuple[Tensor, Tensor]]:
    """Unit rows in float64 gathered by class, every fifth label wrong."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(5, 4, dtype=torch.float64, generator=generator)
    found = []
    for _ in range(count):
        classes = torch.randint(5, (size,), generator=generator)
        noise = torch.randn(size, 4, dtype=torch.float64, generator=generator)
        labels = torch.where(torch.arange(size) % 5 == 0, (classes + 1) % 5, classes)
        found.append((normalize(centres[classes] + 0.5 * noise), labels))
    return found


def contrastive(queries: Remembered, memory: Remembered, own: list[int], margin: float) -> float:
    """Means of the terms above zero; ``own`` is where each query stands in the memory."""
    pulled, pushed = [], []
    for (z, label), place in zip(queries, own, strict=True):
        for index, (v, other) in enumerate(memory):
            if index == place:
                continue
            if label == other:
                pulled.append(max(0.0, 1 - cosine(z, v)))
            else:
                pushed.append(max(0.0, cosine(z, v) - margin))
    means = [[term for term in terms if term > 0] for terms in (pulled, pushed)]
    return sum(sum(terms) / len(terms) for terms in means if terms)


def posteriors(queries: Remembered, memory: Remembered) -> list[float]:
    """exp(T(z, y)) / sum_k exp(T(z, k)) with T the average similarity; 1 for classes that are not remembered."""
    found = []
    for z, label in queries:
        means = {}
        for k in {other for _, other in memory}:
            similarities = [cosine(z, v) for v, other in memory if other == k]
            means[k] = sum(similarities) / len(similarities)
        shares = {k: math.exp(mean) for k, mean in means.items()}
        found.append(shares[label] / sum(shares.values()) if label in shares else 1.0)
    return found


def clean(posterior: list[float], thresholds: list[float], noise_rate: float, window: int) -> list[bool]:
    """Which count; adds the quantile of this batch to the thresholds."""
    left_out = int(noise_rate * len(posterior))
    if left_out == 0:
        return [True] * len(posterior)
    quantile = sorted(posterior)[left_out - 1]
    if quantile == 1:
        return [True] * len(posterior)
    thresholds.append(quantile)
    recent = thresholds[-window:]
    smooth = [p > sum(recent) / len(recent) for p in posterior]
    sharp = [p > quantile for p in posterior]
    return next((each for each in (smooth, sharp) if any(each)), [True] * len(posterior))


@pytest.mark.parametrize("memory_size", [12, 30, 200])
@pytest.mark.parametrize("noise_rate", [None, 0.0, 0.05, 0.3, 0.9])
@pytest.mark.parametrize("window", [1, 3])
def test_every_batch_is_the_papers(memory_size: int, noise_rate: float | None, window: int) -> None:
    loss: CrossBatchMemoryLoss
    if noise_rate is None:
        loss = CrossBatchMemoryLoss(4, memory_size, 0.3).double()
    else:
        loss = PRISMLoss(5, 4, noise_rate, window, memory_size, 0.3).double()
    memory: Remembered = []
    thresholds: list[float] = []
    dropped = 0
    for embeddings, labels in batches(8):
        queries: Remembered = list(zip(embeddings.tolist(), labels.tolist(), strict=True))
        chosen = clean(posteriors(queries, memory), thresholds, noise_rate or 0.0, window)
        queries = [query for query, each in zip(queries, chosen, strict=True) if each]
        dropped += len(labels) - len(queries)
        memory = (memory + queries)[-memory_size:]
        own = list(range(len(memory) - len(queries), len(memory)))
        assert loss(embeddings, labels).item() == pytest.approx(contrastive(queries, memory, own, 0.3), rel=1e-9)
    assert (dropped > 0) == ((noise_rate or 0.0) * 12 >= 1)


def test_it_is_the_librarys_memory() -> None:
    inner = library.ContrastiveLoss(pos_margin=1, neg_margin=0.3, distance=CosineSimilarity())
    peer = library.CrossBatchMemory(inner, 4, memory_size=30)
    peer.embedding_memory = peer.embedding_memory.double()
    loss = CrossBatchMemoryLoss(4, 30, 0.3).double()
    wrapping = CrossBatchMemoryLoss(4, 30, loss=inner).double()
    for embeddings, labels in batches(6):
        gradients = []
        for each in (peer, loss, wrapping):
            free = embeddings.clone().requires_grad_()
            value = each(free, labels)
            value.backward()
            gradients.append((value.detach(), free.grad))
        for other in gradients[1:]:
            torch.testing.assert_close(other, gradients[0])


@pytest.mark.parametrize("name", ["MultiSimilarityLoss", "CircleLoss", "SupConLoss", "TripletMarginLoss", "NTXentLoss"])
def test_it_wraps_losses_of_the_library_as_the_library_does(name: str) -> None:
    peer = library.CrossBatchMemory(getattr(library, name)(), 4, memory_size=30)
    loss = CrossBatchMemoryLoss(4, 30, loss=getattr(library, name)())
    for embeddings, labels in batches(4):
        expected = peer(embeddings.float(), labels)
        torch.testing.assert_close(loss(embeddings.float(), labels), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("inner", [PotentialFieldLoss(5, 4), library.NormalizedSoftmaxLoss(5, 4), torch.nn.Identity()])
def test_what_it_cannot_wrap_is_refused(inner: torch.nn.Module) -> None:
    if isinstance(inner, library.NormalizedSoftmaxLoss):
        inner.takes_mined_pairs = False
    with pytest.raises(ValueError, match=f"loss = {type(inner).__name__}: allowed are losses of pairs"):
        CrossBatchMemoryLoss(4, loss=inner)


def made() -> list[Any]:
    return [
        lambda: CrossBatchMemoryLoss(4, 30, 0.3),
        lambda: PRISMLoss(5, 4, 0.3, 3, 30, 0.3),
        lambda: PRISMLoss(5, 4, 0.3, 3, 30, loss=library.MultiSimilarityLoss()),
    ]


@pytest.mark.parametrize("build", made())
def test_a_state_dict_resumes_it_bit_by_bit(build: Any) -> None:
    whole, first, second = build(), build(), build()
    given = [(embeddings.float(), labels) for embeddings, labels in batches(8)]
    values = [whole(*each) for each in given]
    for each in given[:4]:
        first(*each)
    second.load_state_dict(first.state_dict())
    for each, value in zip(given[4:], values[4:], strict=True):
        assert torch.equal(second(*each), value)
    assert set(whole.state_dict()) >= {"memory", "memory_labels", "position"}


@pytest.mark.parametrize("build", made())
def test_a_new_one_remembers_nothing(build: Any) -> None:
    (embeddings, labels), *others = batches(5)
    before = build()(embeddings.float(), labels)
    used = build()
    for each in others:
        used(each[0].float(), each[1])
    assert torch.equal(build()(embeddings.float(), labels), before)
    assert not torch.equal(used(embeddings.float(), labels), before)


def test_prism_without_noise_is_its_base_loss() -> None:
    base, prism = CrossBatchMemoryLoss(4, 30, 0.3), PRISMLoss(5, 4, 0.0, memory_size=30, margin=0.3)
    for embeddings, labels in batches(6):
        assert torch.equal(base(embeddings.float(), labels), prism(embeddings.float(), labels))


def test_prism_leaves_out_wrong_labels_rather_than_right_ones() -> None:
    loss = PRISMLoss(5, 4, 0.2, memory_size=300).double()
    wrong = right = 0
    for number, (embeddings, labels) in enumerate(batches(40)):
        kept = loss.kept(embeddings, labels)
        if number >= 10 and kept is not None:
            flipped = torch.arange(len(labels)) % 5 == 0
            wrong += int((~kept & flipped).sum())
            right += int((~kept & ~flipped).sum())
        loss._with_memory(embeddings, labels)
    # A fifth of the labels and a bit are wrong (3 of 12): by chance a quarter of what is left out.
    assert wrong > right


@pytest.mark.parametrize("build", [lambda: CrossBatchMemoryLoss(4, 30, 0.3), lambda: PRISMLoss(5, 4, 0.3, 3, 30, 0.3)])
def test_gradient_is_that_of_the_pairs_by_autograd_and_none_runs_into_the_memory(build: Any) -> None:
    loss = build().double()
    *before, (embeddings, labels) = batches(4)
    for each in before:
        loss(*each)
    free, again = embeddings.clone().requires_grad_(), embeddings.clone().requires_grad_()
    loss(free, labels).backward()
    pulled, pushed = [], []
    for z, label in zip(again, labels.tolist(), strict=True):
        itself = (loss.memory - normalize(z.detach(), dim=0)).norm(dim=1) < 1e-9
        if not itself.any():  # left out
            continue
        for v, other, own in zip(loss.memory, loss.memory_labels.tolist(), itself.tolist(), strict=True):
            s = torch.cosine_similarity(z, v, dim=0)
            if own:
                continue
            if label == other and s < 1:
                pulled.append(1 - s)
            elif label != other and s > 0.3:
                pushed.append(s - 0.3)
    (torch.stack(pulled).mean() + torch.stack(pushed).mean()).backward()
    torch.testing.assert_close(free.grad, again.grad)


def test_two_batches_before_a_backward_pass() -> None:
    """As with gradient accumulation: the memory of the first is still there."""
    loss = CrossBatchMemoryLoss(4, 30)
    free = [(embeddings.float().requires_grad_(), labels) for embeddings, labels in batches(2)]
    (loss(*free[0]) + loss(*free[1])).backward()
    assert all(embeddings.grad is not None for embeddings, _ in free)


def test_a_batch_larger_than_the_memory_is_named() -> None:
    embeddings, labels = batches(1)[0]
    with pytest.raises(ValueError, match="memory_size = 8: a batch has 12 images; allowed are integers from that"):
        CrossBatchMemoryLoss(4, 8)(embeddings, labels)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"noise_rate": 1}, "noise_rate = 1: allowed"),
        ({"noise_rate": -0.1}, "noise_rate = -0.1"),
        ({"window": 0}, "window = 0"),
        ({"memory_size": 0}, "memory_size = 0"),
        ({"margin": 1.5}, "margin = 1.5"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PRISMLoss(5, 4, **settings)


def test_labels_out_of_range_are_named() -> None:
    embeddings, labels = batches(1)[0]
    with pytest.raises(ValueError, match=r"labels span \[\d, 9\]: allowed is \[0, 4\]"):
        PRISMLoss(5, 4)(embeddings, labels.masked_fill(labels == 0, 9))
