"""The adapters onto pytorch-metric-learning against the formulas of the papers."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from baselines.multi_similarity import MultiSimilarityLoss
from baselines.proxy_anchor import ProxyAnchorLoss
from baselines.proxy_nca_pp import ProxyNCAPlusPlusLoss
from baselines.soft_triple import SoftTripleLoss
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
@pytest.mark.parametrize("proxies", [1, 2, 4])
@pytest.mark.parametrize("settings", [{}, {"la": 5.0, "gamma": 0.4, "margin": 0.3, "tau": 0.7}, {"tau": 0.0}])
def test_soft_triple(labels: list[int], seed: int, proxies: int, settings: dict[str, float]) -> None:
    embeddings, classes = clustered(labels, seed)
    torch.manual_seed(seed)
    loss = SoftTripleLoss(5, 4, proxies, **settings).double()
    by_class = loss.proxies.reshape(5, proxies, 4).tolist()
    expected = formulas.soft_triple(embeddings.tolist(), labels, by_class, loss.la, loss.gamma, loss.margin, loss.tau)
    assert loss(embeddings, classes).item() == pytest.approx(expected, rel=1e-9)


def test_soft_triple_defaults_are_the_papers() -> None:
    loss = SoftTripleLoss(3, 4)
    assert (loss.proxies_per_class, loss.la, loss.gamma, loss.margin, loss.tau) == (10, 20.0, 0.1, 0.01, 0.2)
    assert loss.proxies.shape == (30, 4)
    assert loss.proxy_labels.tolist() == [0] * 10 + [1] * 10 + [2] * 10
    torch.testing.assert_close(loss.proxies.norm(dim=1), torch.ones(30))


def test_soft_triple_draws_only_proxies_of_the_own_class_together() -> None:
    loss = SoftTripleLoss(3, 4, 2, tau=1.0).double()
    value = loss(*clustered([0, 1, 2], 0))
    loss.tau = 0.0
    gaps = [(loss.proxies[2 * label] - loss.proxies[2 * label + 1]).norm().item() for label in range(3)]
    assert (value - loss(*clustered([0, 1, 2], 0))).item() == pytest.approx(sum(gaps) / 6)


def test_soft_triple_stays_finite_where_proxies_of_a_class_coincide() -> None:
    loss = SoftTripleLoss(3, 4, 2)
    with torch.no_grad():
        loss.loss.fc.copy_(loss.loss.fc[:, :1].expand(-1, 6))
    embeddings, classes = clustered([0, 1, 2], 0)
    loss(embeddings.float(), classes).backward()
    assert bool(loss.loss.fc.grad.isfinite().all())


def test_soft_triple_keeps_the_type_of_its_proxies() -> None:
    embeddings, classes = clustered(LABELS[0], 0)
    loss = SoftTripleLoss(5, 4, 2)
    before = loss(embeddings.float(), classes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(embeddings.float(), classes), before)
    loss(embeddings.bfloat16(), classes)
    assert {weight.dtype for weight in loss.parameters()} == {torch.float32}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("temperature", [1 / 9, 0.01, 2.0])
def test_proxy_nca_pp(labels: list[int], seed: int, temperature: float) -> None:
    embeddings, classes = clustered(labels, seed)
    torch.manual_seed(seed)
    loss = ProxyNCAPlusPlusLoss(5, 4, temperature).double()
    proxies = loss.loss.proxies.tolist()
    expected = formulas.proxy_nca_pp(embeddings.tolist(), labels, proxies, temperature)
    assert loss(embeddings, classes).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("classes", [5, 40])  # the library takes distances by products where there are more than 25
def test_proxy_nca_pp_gradcheck(classes: int) -> None:
    embeddings, labels = clustered(LABELS[1], 0)
    torch.manual_seed(0)
    loss = ProxyNCAPlusPlusLoss(classes, 4).double()
    torch.autograd.gradcheck(lambda z: loss(z, labels), (embeddings.requires_grad_(),))

    def of_proxies(free: Tensor) -> Tensor:
        value: Tensor = torch.func.functional_call(loss, {"loss.proxies": free}, (embeddings.detach(), labels))
        return value

    torch.autograd.gradcheck(of_proxies, (loss.loss.proxies.detach().clone().requires_grad_(),))


def test_proxy_nca_pp_starts_as_the_authors_code() -> None:
    torch.manual_seed(0)
    loss = ProxyNCAPlusPlusLoss(100, 400)
    assert loss.temperature == pytest.approx(1 / 9)
    assert loss.loss.proxies.std().item() == pytest.approx(1 / 8, rel=0.02)
    assert loss.proxy_labels.tolist() == list(range(100))
    torch.testing.assert_close(loss.proxies.norm(dim=1), torch.ones(100))


def test_proxy_nca_pp_pulls_what_the_library_drops() -> None:
    """At low temperatures the probability of a far proxy is zero in float32."""
    loss = ProxyNCAPlusPlusLoss(2, 2, temperature=0.01)
    with torch.no_grad():
        loss.loss.proxies.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    embeddings = torch.tensor([[-0.8, 0.6]], requires_grad=True)
    value = loss(embeddings, torch.tensor([0]))
    value.backward()
    assert value.item() == pytest.approx(320, rel=1e-5)  # (3.6 - 0.4) / 0.01
    assert embeddings.grad is not None
    assert embeddings.grad.norm().item() > 1
    loss.loss.softmax_scale = 100
    assert bool(loss.loss(embeddings, torch.tensor([0])).isnan())  # the mean of nothing


def test_proxy_nca_pp_keeps_the_type_of_its_proxies() -> None:
    embeddings, classes = clustered(LABELS[0], 0)
    loss = ProxyNCAPlusPlusLoss(5, 4)
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
        (SoftTripleLoss, {"num_classes": 3, "embedding_dim": 4, "proxies_per_class": 0}, "proxies_per_class = 0"),
        (SoftTripleLoss, {"num_classes": 3, "embedding_dim": 4, "gamma": 0}, "gamma = 0: allowed .* > 0"),
        (SoftTripleLoss, {"num_classes": 3, "embedding_dim": 4, "tau": -0.1}, "tau = -0.1"),
        (ProxyNCAPlusPlusLoss, {"num_classes": 3, "embedding_dim": 0}, "embedding_dim = 0"),
        (ProxyNCAPlusPlusLoss, {"num_classes": 3, "embedding_dim": 4, "temperature": 0}, "temperature = 0: .* > 0"),
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
