"""Losses of a batch alone against the formulas of their papers as loops, and against pytorch-metric-learning."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from pytorch_metric_learning import losses as library
from torch import Tensor
from torch.nn.functional import normalize

from baselines.circle import CircleLoss
from baselines.pairs import BatchLoss
from baselines.recall_at_k import RecallAtKLoss
from baselines.smooth_ap import SmoothAPLoss
from baselines.supcon import SupConLoss
from tests.baselines.formulas import Point, cosine

EVEN = [0, 0, 0, 0, 3, 3, 3, 3, 1, 1, 1, 1]
UNEVEN = [2, 0, 0, 1, 3, 0, 1, 1, 1, 4, 4, 0]
STRANGERS = [0, 1, 2, 3, 4]
ONE_CLASS = [2, 2, 2, 2]
LABELS = [EVEN, UNEVEN, STRANGERS, ONE_CLASS]


def batch(labels: list[int], seed: int = 0, lengths: float = 1.0) -> tuple[Tensor, Tensor]:
    """Rows in float64, loosely gathered by class."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(5, 4, dtype=torch.float64, generator=generator)
    noise = torch.randn(len(labels), 4, dtype=torch.float64, generator=generator)
    return lengths * normalize(centres[labels] + 0.9 * noise), torch.tensor(labels)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def smooth_ap(points: Sequence[Point], labels: Sequence[int], temperature: float, *, itself: bool = False) -> float:
    """Brown et al. 2020; ``itself`` leaves the query in its own list, as their code does."""
    terms = []
    for q, query in enumerate(points):
        items = [i for i in range(len(points)) if itself or i != q]
        positives = [i for i in items if labels[i] == labels[q]]
        if not positives:
            continue
        total = 0.0
        for i in positives:
            ahead = {
                j: sigmoid((cosine(query, points[j]) - cosine(query, points[i])) / temperature) for j in items if j != i
            }
            total += (1 + sum(ahead[j] for j in positives if j != i)) / (1 + sum(ahead.values()))
        terms.append(1 - total / len(positives))
    return sum(terms) / len(terms) if terms else 0.0


def recall_at_k(
    points: Sequence[Point], labels: Sequence[int], lengths: Sequence[int], temperature: float, rank_temperature: float
) -> float:
    """Patel et al. 2022, a query at a time."""
    terms = []
    for q, query in enumerate(points):
        items = [i for i in range(len(points)) if i != q]
        positives = [i for i in items if labels[i] == labels[q]]
        if not positives:
            continue
        ranks = [
            1
            + sum(sigmoid((cosine(query, points[z]) - cosine(query, points[x])) / temperature) for z in items if z != x)
            for x in positives
        ]
        recalls = []
        for k in lengths:
            possible = min(k, len(positives))
            found = sum(sigmoid((k - rank) / (k * rank_temperature)) for rank in ranks)
            recalls.append(min(possible, found) / possible)
        terms.append(1 - sum(recalls) / len(recalls))
    return sum(terms) / len(terms) if terms else 0.0


def supcon(points: Sequence[Point], labels: Sequence[int], temperature: float) -> float:
    """Khosla et al. 2020, Eq. 2, mean over anchors with a positive."""
    if len(set(labels)) in {1, len(labels)}:
        return 0.0
    terms = []
    for i, anchor in enumerate(points):
        others = {j: math.exp(cosine(anchor, points[j]) / temperature) for j in range(len(points)) if j != i}
        positives = [j for j in others if labels[j] == labels[i]]
        if positives:
            terms.append(-sum(math.log(others[j] / sum(others.values())) for j in positives) / len(positives))
    return sum(terms) / len(terms)


def circle(points: Sequence[Point], labels: Sequence[int], m: float, gamma: float) -> float:
    """Sun et al. 2020, mean over anchors with both kinds of pairs."""
    terms = []
    for i, anchor in enumerate(points):
        similarities = {j: cosine(anchor, points[j]) for j in range(len(points)) if j != i}
        positives = [s for j, s in similarities.items() if labels[j] == labels[i]]
        negatives = [s for j, s in similarities.items() if labels[j] != labels[i]]
        if positives and negatives:
            pulled = sum(math.exp(-gamma * max(0.0, 1 + m - s) * (s - 1 + m)) for s in positives)
            pushed = sum(math.exp(gamma * max(0.0, s + m) * (s - m)) for s in negatives)
            terms.append(math.log(1 + pulled * pushed))
    return sum(terms) / len(terms) if terms else 0.0


CASES: list[tuple[Any, Any, dict[str, Any]]] = [
    (SmoothAPLoss, smooth_ap, {"temperature": 0.05}),
    (SmoothAPLoss, smooth_ap, {"temperature": 0.5}),
    (SupConLoss, supcon, {"temperature": 0.1}),
    (SupConLoss, supcon, {"temperature": 0.6}),
    (CircleLoss, circle, {"m": 0.4, "gamma": 8.0}),
    (CircleLoss, circle, {"m": 0.1, "gamma": 20.0}),
]


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("cls", "formula", "settings"), CASES)
def test_value_is_the_papers(labels: list[int], seed: int, cls: Any, formula: Any, settings: dict[str, Any]) -> None:
    embeddings, classes = batch(labels, seed)
    expected = formula(embeddings.tolist(), labels, **settings)
    assert cls(**settings)(embeddings, classes).item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("temperature", [0.01, 0.02, 0.05])
def test_anchors_whose_supcon_rounds_to_zero_count(temperature: float) -> None:
    """Three classes far apart and an image that lies among another: in float32 the loss of the others is zero."""
    labels = [0, 0, 1, 1, 2, 2]
    rows = torch.eye(4)[labels] + 0.02 * torch.arange(24.0).reshape(6, 4).cos()
    rows[5] = torch.tensor([0.1, 0.9, 0.8, 0.0])
    embeddings = normalize(rows, dim=1)
    expected = supcon(embeddings.double().tolist(), labels, temperature)
    assert SupConLoss(temperature)(embeddings, torch.tensor(labels)).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("largest_k", "lengths"), [(1, [1]), (3, [1, 2]), (16, [1, 2, 4, 8, 16])])
@pytest.mark.parametrize("temperatures", [(0.05, 1.0), (0.3, 0.4), (0.3, 10.0)])
def test_recall_at_k_is_the_papers(
    labels: list[int], seed: int, largest_k: int, lengths: list[int], temperatures: tuple[float, float]
) -> None:
    embeddings, classes = batch(labels, seed)
    loss = RecallAtKLoss(largest_k, *temperatures)
    assert loss.lengths == lengths
    expected = recall_at_k(embeddings.tolist(), labels, lengths, *temperatures)
    assert loss(embeddings, classes).item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("temperature", [0.02, 0.3])
def test_smooth_ap_with_the_query_in_its_list_is_the_librarys(temperature: float) -> None:
    """The two formulas differ by the query in its own list; the library's groups are right for P x P images only."""
    square = [4, 4, 4, 0, 0, 0, 2, 2, 2]
    embeddings, classes = batch(square)
    peer = library.SmoothAPLoss(temperature)(embeddings, classes).item()
    assert smooth_ap(embeddings.tolist(), square, temperature, itself=True) == pytest.approx(peer, rel=1e-6)
    assert smooth_ap(embeddings.tolist(), square, temperature) != pytest.approx(peer, rel=1e-3)


SMOOTH = [SmoothAPLoss(0.2), RecallAtKLoss(4, 0.2, 1.0), SupConLoss(0.3)]


@pytest.mark.parametrize("labels", [EVEN, UNEVEN])
@pytest.mark.parametrize("loss", SMOOTH, ids=lambda loss: type(loss).__name__)
def test_gradcheck(labels: list[int], loss: BatchLoss) -> None:
    embeddings, classes = batch(labels)
    torch.autograd.gradcheck(lambda z: loss(z, classes), (embeddings.requires_grad_(),))


def test_no_gradient_runs_through_the_weights_of_circle() -> None:
    """The gradient is that of the formula with its weights held: pair by pair, by autograd."""
    embeddings, classes = batch(UNEVEN)
    m, gamma = 0.3, 6.0
    embeddings.requires_grad_()
    CircleLoss(m, gamma)(embeddings, classes).backward()
    again = embeddings.detach().clone().requires_grad_()
    terms = []
    for i in range(len(UNEVEN)):
        pulled, pushed = [], []
        for j in range(len(UNEVEN)):
            s = torch.cosine_similarity(again[i], again[j], dim=0)
            if i != j and UNEVEN[i] == UNEVEN[j]:
                pulled.append((-gamma * max(0.0, 1 + m - s.item()) * (s - 1 + m)).exp())
            elif i != j:
                pushed.append((gamma * max(0.0, s.item() + m) * (s - m)).exp())
        if pulled and pushed:
            terms.append((1 + torch.stack(pulled).sum() * torch.stack(pushed).sum()).log())
    torch.stack(terms).mean().backward()
    torch.testing.assert_close(embeddings.grad, again.grad)


EVERY = [*SMOOTH, CircleLoss(0.3, 6.0)]


@pytest.mark.parametrize("loss", EVERY, ids=lambda loss: type(loss).__name__)
def test_lengths_of_embeddings_do_not_matter(loss: BatchLoss) -> None:
    values = [loss(*batch(UNEVEN, lengths=lengths)).item() for lengths in (1.0, 3.0)]
    assert values[0] == pytest.approx(values[1])


@pytest.mark.parametrize("loss", EVERY, ids=lambda loss: type(loss).__name__)
def test_a_step_down_raises_the_average_precision(loss: BatchLoss) -> None:
    embeddings, classes = batch(UNEVEN, seed=1)
    before = smooth_ap(embeddings.tolist(), UNEVEN, 1e-3)
    for _ in range(30):
        free = embeddings.clone().requires_grad_()
        loss(free, classes).backward()
        assert free.grad is not None
        embeddings = normalize(embeddings - 0.05 * normalize(free.grad.flatten(), dim=0).view_as(embeddings))
    assert smooth_ap(embeddings.tolist(), UNEVEN, 1e-3) < before


@pytest.mark.parametrize("loss", EVERY, ids=lambda loss: type(loss).__name__)
def test_autocast_and_half_precision_leave_the_value_as_it_is(loss: BatchLoss) -> None:
    embeddings, classes = batch(UNEVEN)
    before = loss(embeddings.float(), classes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(embeddings.float(), classes), before)
    assert loss(embeddings.bfloat16(), classes).dtype == torch.float32


@pytest.mark.parametrize(
    ("cls", "settings", "message"),
    [
        (SmoothAPLoss, {"temperature": 0}, "temperature = 0: allowed .* > 0"),
        (RecallAtKLoss, {"largest_k": 0}, "largest_k = 0: allowed are integers >= 1"),
        (RecallAtKLoss, {"rank_temperature": -1.0}, "rank_temperature = -1.0"),
        (SupConLoss, {"temperature": True}, "temperature = True"),
        (CircleLoss, {"m": 2.0}, "m = 2.0"),
        (CircleLoss, {"gamma": 0.0}, "gamma = 0.0"),
    ],
)
def test_bad_settings_are_named(cls: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cls(**settings)
