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


def contrastive(
    queries: Remembered, memory: Remembered, own: list[int], margin: float, images: list[int] | None = None
) -> float:
    """Means of the terms above zero, 1e-5 for positives.

    ``own`` is where each query stands in the memory, ``images`` the image of each entry of the memory.
    """
    pulled, pushed = [], []
    for (z, label), place in zip(queries, own, strict=True):
        for index, (v, other) in enumerate(memory):
            if index == place or (images is not None and images[index] == images[place]):
                continue
            if label == other:
                pulled.append(max(0.0, 1 - cosine(z, v)))
            else:
                pushed.append(max(0.0, cosine(z, v) - margin))
    means = [[term for term in terms if term > least] for terms, least in ((pulled, 1e-5), (pushed, 0.0))]
    return sum(sum(terms) / len(terms) for terms in means if terms)


class Judge:
    """What counts as clean: lists and a dictionary of centres, one sample after the other.

    As in the authors' code, but for the deviations that `baselines.prism` declares.
    """

    def __init__(self, noise_rate: float, window: int) -> None:
        self.noise_rate, self.window = noise_rate, window
        self.centres: dict[int, list[float]] = {}
        self.margins: list[float] = []

    def renew(self, joined: Remembered, memory: Remembered) -> None:
        """The centre of each class that has joined is its mean in the memory; those of others stay."""
        for label in {label for _, label in joined}:
            rows = [v for v, other in memory if other == label]
            self.centres[label] = [sum(column) / len(rows) for column in zip(*rows, strict=True)]

    def posterior(self, z: list[float], label: int) -> float:
        """exp(z c_y) / sum_k exp(z c_k); 1 for a class that has no centre."""
        shares = {k: math.exp(sum(a * b for a, b in zip(z, centre, strict=True))) for k, centre in self.centres.items()}
        return shares[label] / sum(shares.values()) if label in shares else 1.0

    def clean(self, queries: Remembered) -> list[bool]:
        """Which count; adds the quantile of this batch to the window."""
        removed = int(self.noise_rate * len(queries))
        if removed == 0:
            return [True] * len(queries)
        posterior = [self.posterior(z, label) for z, label in queries]
        quantile = sorted(posterior)[removed - 1]
        if quantile != 1.0:
            self.margins = [*self.margins, quantile][-self.window :]
        if not self.margins:
            return [True] * len(queries)
        kept = [p > sum(self.margins) / len(self.margins) for p in posterior]
        if not any(kept):
            self.margins = [quantile]
            kept = [p > quantile for p in posterior]
        return kept if any(kept) else [True] * len(queries)


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
    judge = Judge(noise_rate or 0.0, window)
    dropped = 0
    for embeddings, labels in batches(8):
        queries: Remembered = list(zip(embeddings.tolist(), labels.tolist(), strict=True))
        chosen = judge.clean(queries)
        queries = [query for query, each in zip(queries, chosen, strict=True) if each]
        dropped += len(labels) - len(queries)
        memory = (memory + queries)[-memory_size:]
        judge.renew(queries, memory)
        own = list(range(len(memory) - len(queries), len(memory)))
        assert loss(embeddings, labels).item() == pytest.approx(contrastive(queries, memory, own, 0.3), rel=1e-9)
    assert (dropped > 0) == ((noise_rate or 0.0) * 12 >= 1)


def test_prism_takes_the_smooth_threshold_where_the_batch_has_none() -> None:
    """Most samples of the third batch are of classes that have no centre, so that its quantile is 1."""
    loss, judge = PRISMLoss(5, 4, 0.5, 3, 40).double(), Judge(0.5, 3)
    memory: Remembered = []
    two = [(embeddings, labels % 2) for embeddings, labels in batches(2)]
    for embeddings, labels in [*two, (batches(3)[2][0], torch.tensor([0, 0, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4]))]:
        queries: Remembered = list(zip(embeddings.tolist(), labels.tolist(), strict=True))
        posterior = sorted(judge.posterior(z, label) for z, label in queries)
        chosen, kept = judge.clean(queries), loss.kept(embeddings, labels)
        assert (torch.ones(12, dtype=torch.bool) if kept is None else kept).tolist() == chosen
        queries = [query for query, each in zip(queries, chosen, strict=True) if each]
        memory += queries
        judge.renew(queries, memory)
        loss.remember(embeddings[torch.tensor(chosen)], labels[torch.tensor(chosen)], torch.full((len(queries),), -1))
    assert posterior[5] == 1
    assert 8 < len(queries) < 12


def test_prism_begins_its_window_anew_where_nothing_is_above_the_smooth_threshold() -> None:
    loss, judge = PRISMLoss(5, 4, 0.3, 3, 40).double(), Judge(0.3, 3)
    first, *others = batches(4)
    loss.remember(*first, torch.full((12,), -1))
    rows: Remembered = list(zip(first[0].tolist(), first[1].tolist(), strict=True))
    judge.renew(rows, rows)
    loss.thresholds, judge.margins = torch.full((3,), 0.99).double(), [0.99] * 3
    for embeddings, labels in others:
        kept = loss.kept(embeddings, labels)
        assert kept is not None
        assert kept.tolist() == judge.clean(list(zip(embeddings.tolist(), labels.tolist(), strict=True)))
        assert loss.thresholds[~loss.thresholds.isnan()].tolist() == pytest.approx(judge.margins)


@pytest.mark.parametrize("noise_rate", [None, 0.3])
@pytest.mark.parametrize("wrapping", [False, True])
def test_past_embeddings_of_an_image_are_no_positives_of_it(noise_rate: float | None, wrapping: bool) -> None:
    """Ten images come up again and again, each time embedded otherwise."""
    inner = library.ContrastiveLoss(pos_margin=1, neg_margin=0.3, distance=CosineSimilarity()) if wrapping else None
    loss: CrossBatchMemoryLoss
    if noise_rate is None:
        loss = CrossBatchMemoryLoss(4, 30, 0.3, inner).double()
    else:
        loss = PRISMLoss(5, 4, noise_rate, 3, 30, 0.3, inner).double()
    memory: Remembered = []
    images: list[int] = []
    judge = Judge(noise_rate or 0.0, 3)
    generator = torch.Generator().manual_seed(0)
    without = []
    for embeddings, _ in batches(8):
        drawn = torch.randint(10, (12,), generator=generator)
        labels = drawn % 5
        queries: Remembered = list(zip(embeddings.tolist(), labels.tolist(), strict=True))
        chosen = judge.clean(queries)
        queries = [query for query, each in zip(queries, chosen, strict=True) if each]
        memory = (memory + queries)[-30:]
        images = (images + [image for image, each in zip(drawn.tolist(), chosen, strict=True) if each])[-30:]
        judge.renew(queries, memory)
        own = list(range(len(memory) - len(queries), len(memory)))
        expected = contrastive(queries, memory, own, 0.3, images)
        assert loss(embeddings, labels, indices=drawn).item() == pytest.approx(expected, rel=1e-9)
        without.append(contrastive(queries, memory, own, 0.3) - expected)
    assert max(map(abs, without)) > 0.01


@pytest.mark.parametrize("rounding", [0.0, 1e-7, -1e-7])
def test_rounding_does_not_decide_whether_a_copy_counts(rounding: float) -> None:
    """Two images of each class in the batch twice, as a class of two images gives; the copies differ by rounding."""
    (embeddings, labels), *_ = batches(1)
    labels = labels.masked_fill(labels == 4, 0)
    moved = normalize(embeddings + rounding * embeddings.roll(1, dims=0))
    twice, both = torch.cat([embeddings, moved]).float(), torch.cat([labels, labels])
    loss = CrossBatchMemoryLoss(4, 30, 0.3)
    alone: Remembered = list(zip(embeddings.tolist(), labels.tolist(), strict=True))
    expected = contrastive(alone, alone, list(range(12)), 0.3)
    assert loss(twice, both).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("indices", "message"),
    [(torch.arange(5), r"12 integers, not \(5,\)"), (torch.ones(12), r"12 integers, not \(12,\) of torch.float32")],
)
def test_indices_that_are_none_are_named(indices: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CrossBatchMemoryLoss(4, 30)(*batches(1)[0], indices=indices)


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
    assert set(whole.state_dict()) >= {"memory", "memory_labels", "memory_images", "position"}


@pytest.mark.parametrize("build", made())
def test_a_new_one_remembers_nothing(build: Any) -> None:
    (embeddings, labels), *others = batches(5)
    before = build()(embeddings.float(), labels)
    used = build()
    for each in others:
        used(each[0].float(), each[1])
    assert torch.equal(build()(embeddings.float(), labels), before)
    assert not torch.equal(used(embeddings.float(), labels), before)


def test_prism_keeps_its_centres_in_its_state() -> None:
    loss = PRISMLoss(5, 4)
    loss(batches(1)[0][0].float(), torch.tensor([1, 3] * 6))
    state = loss.state_dict()
    assert state["filled"].tolist() == [False, True, False, True, False]
    assert state["centres"].any(dim=1).tolist() == state["filled"].tolist()


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
        loss.remember(embeddings, labels, torch.full_like(labels, -1))
    # A fifth of the labels and a bit are wrong (3 of 12): by chance a quarter of what is left out.
    assert wrong > right


@pytest.mark.parametrize("memory_size", [40, 160, 400])
def test_prism_chooses_where_a_round_of_the_classes_is_longer_than_the_memory(memory_size: int) -> None:
    """P x K batches of 10 x 4 from 200 classes: one round takes 20 batches, the memory holds 1 to 10."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.arange(200).repeat_interleave(8)
    embeddings = normalize(
        torch.randn(200, 32, generator=generator)[truth] + torch.randn(1600, 32, generator=generator)
    )
    wrong = torch.rand(1600, generator=generator) < 0.3
    labels = torch.where(wrong, (truth + torch.randint(1, 200, (1600,), generator=generator)) % 200, truth)
    loss = PRISMLoss(200, 32, 0.3, memory_size=memory_size)
    left_out, left_out_wrong, seen, seen_wrong = 0, 0, 0, 0
    for number in range(6):
        for classes in torch.randperm(200, generator=generator).split(10):
            members = [(labels == label).nonzero()[:, 0] for label in classes]
            drawn = torch.cat([rows[torch.randperm(len(rows), generator=generator)[:4]] for rows in members])
            kept = loss.kept(embeddings[drawn], labels[drawn])
            if number >= 3:
                assert kept is not None
                left_out += int((~kept).sum())
                left_out_wrong += int((~kept & wrong[drawn]).sum())
                seen += len(drawn)
                seen_wrong += int(wrong[drawn].sum())
            loss(embeddings[drawn], labels[drawn], indices=drawn)
    assert left_out / seen == pytest.approx(0.3, abs=0.05)
    assert left_out_wrong / left_out > 2 * seen_wrong / seen


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
