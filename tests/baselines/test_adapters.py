"""The adapters onto pytorch-metric-learning against the formulas of the papers."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from baselines.multi_similarity import MultiSimilarityLoss
from baselines.proxy_anchor import ProxyAnchorLoss
from baselines.triplet import TripletLoss
from tests.baselines import formulas

LABELS = [
    [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3],
    [0, 0, 1, 1, 1, 2, 3, 4, 4, 4, 4, 4],
    [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1],
]


def clustered(labels: list[int], seed: int) -> tuple[Tensor, Tensor]:
    """Unit rows gathered loosely by class, so that pairs are of every hardness."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(5, 4, dtype=torch.float64, generator=generator)
    noise = torch.randn(len(labels), 4, dtype=torch.float64, generator=generator)
    return normalize(centres[labels] + 0.7 * noise), torch.tensor(labels)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("settings", [{}, {"alpha": 8.0, "margin": 0.3}])
def test_proxy_anchor(labels: list[int], seed: int, settings: dict[str, float]) -> None:
    embeddings, classes = clustered(labels, seed)
    torch.manual_seed(seed)
    loss = ProxyAnchorLoss(5, 4, **settings).double()
    expected = formulas.proxy_anchor(embeddings.tolist(), labels, loss.proxies.tolist(), loss.alpha, loss.margin)
    assert loss(embeddings, classes).item() == pytest.approx(expected, rel=1e-9)


def test_proxy_anchor_defaults_are_the_papers() -> None:
    loss = ProxyAnchorLoss(5, 4)
    assert (loss.alpha, loss.margin) == (32.0, 0.1)
    assert loss.proxies.shape == (5, 4)
    assert loss.proxy_labels.tolist() == [0, 1, 2, 3, 4]
    torch.testing.assert_close(loss.proxies.norm(dim=1), torch.ones(5))


def test_proxy_anchor_keeps_the_type_of_its_proxies() -> None:
    embeddings, classes = clustered(LABELS[0], 0)
    loss = ProxyAnchorLoss(5, 4)
    before = loss(embeddings.float(), classes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(embeddings.float(), classes), before)
    loss(embeddings.bfloat16(), classes)
    assert {weight.dtype for weight in loss.parameters()} == {torch.float32}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("margin", [0.1, 0.5])
@pytest.mark.parametrize("squared", [True, False])
def test_triplet(labels: list[int], seed: int, margin: float, *, squared: bool) -> None:
    embeddings, classes = clustered(labels, seed)
    expected = formulas.semi_hard_triplet(embeddings.tolist(), labels, margin, 2 if squared else 1)
    assert expected > 0
    assert TripletLoss(margin, squared=squared)(embeddings, classes).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("settings", [{}, {"alpha": 5.0, "beta": 50.0, "base": 0.3, "epsilon": 0.0}])
def test_multi_similarity(labels: list[int], seed: int, settings: dict[str, float]) -> None:
    embeddings, classes = clustered(labels, seed)
    loss = MultiSimilarityLoss(**settings)
    expected = formulas.multi_similarity(embeddings.tolist(), labels, loss.alpha, loss.beta, loss.base, loss.epsilon)
    assert loss(embeddings, classes).item() == pytest.approx(expected, rel=1e-9)


def test_multi_similarity_mining_leaves_out_easy_pairs() -> None:
    embeddings, classes = clustered(LABELS[0], 0)
    tight = normalize(torch.eye(4, dtype=torch.float64)[classes] + 0.01 * embeddings)
    assert MultiSimilarityLoss(epsilon=0.1)(tight, classes).item() == 0
    assert MultiSimilarityLoss(epsilon=2.0)(tight, classes).item() > 0


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (ProxyAnchorLoss, {"num_classes": 0, "embedding_dim": 4}, "num_classes = 0"),
        (ProxyAnchorLoss, {"num_classes": 3, "embedding_dim": 4, "alpha": 0}, "alpha = 0: allowed .* > 0"),
        (ProxyAnchorLoss, {"num_classes": 3, "embedding_dim": 4, "margin": -0.1}, "margin = -0.1"),
        (TripletLoss, {"margin": 0.0}, "margin = 0.0"),
        (TripletLoss, {"squared": 1}, "squared = 1: allowed are True and False"),
        (MultiSimilarityLoss, {"beta": float("inf")}, "beta = inf"),
        (MultiSimilarityLoss, {"alpha": "2"}, "alpha = '2'"),
        (MultiSimilarityLoss, {"epsilon": -1}, "epsilon = -1"),
        (MultiSimilarityLoss, {"base": None}, "base = None"),
    ],
)
def test_bad_settings_are_named(make: type, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**settings)
