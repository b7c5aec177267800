"""HIST against the paper's formulas, part by part, and what sets it apart from the authors' code."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from baselines.hist import HISTLoss
from tests.baselines import formulas

LABELS = [
    [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3],
    [0, 0, 1, 1, 1, 4, 4, 4, 4],
    [3, 3, 3],
    [2, 0, 3, 1],
    [2],
]


def batch(labels: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Unit rows in float64, loosely gathered by class."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(5, 4, dtype=torch.float64, generator=generator)
    noise = torch.randn(len(labels), 4, dtype=torch.float64, generator=generator)
    return normalize(centres[labels] + 0.7 * noise), torch.tensor(labels)


def make(seed: int = 0, **settings: Any) -> HISTLoss:
    """A small loss in float64 whose parameters are all random, so that none hides behind a start at 0 or 1."""
    torch.manual_seed(seed)
    loss = HISTLoss(5, 4, **{"hidden_dim": 6} | settings).double()
    with torch.no_grad():
        for parameter in loss.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return loss


def expected(loss: HISTLoss, embeddings: Tensor, labels: list[int]) -> float:
    network, rate = loss.network, loss.network_rate
    first, second = (
        formulas.Layer((rate * layer.weight).tolist(), (rate * layer.bias).tolist()) for layer in network.layers
    )
    return formulas.hist(
        embeddings.tolist(),
        labels,
        (loss.means.tolist(), loss.spreads[:, 0].clamp(0, 6).exp().tolist()),
        (first, second),
        ((rate * network.gain).tolist(), (rate * network.shift).tolist()),
        (loss.tau, loss.alpha, loss.lambda_s),
    )


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "settings",
    [{}, {"tau": 3.0, "alpha": 0.4, "lambda_s": 2.5, "network_rate": 0.5}, {"lambda_s": 0.0}],
)
def test_value_is_the_papers(labels: list[int], seed: int, settings: dict[str, float]) -> None:
    embeddings, classes = batch(labels, seed)
    loss = make(seed, **settings)
    assert loss(embeddings, classes).item() == pytest.approx(expected(loss, embeddings, labels), rel=1e-9)


@pytest.mark.parametrize("labels", LABELS)
def test_gradcheck(labels: list[int]) -> None:
    embeddings, classes = batch(labels)
    loss = make(tau=4.0, network_rate=0.5)
    torch.autograd.gradcheck(lambda z: loss(z, classes), (embeddings.requires_grad_(),))
    names, values = zip(*loss.named_parameters(), strict=True)

    def of_parameters(*free: Tensor) -> Tensor:
        inputs = (embeddings.detach(), classes)
        value: Tensor = torch.func.functional_call(loss, dict(zip(names, free, strict=True)), inputs)
        return value

    torch.autograd.gradcheck(of_parameters, tuple(value.detach().clone().requires_grad_() for value in values))


def test_an_embedding_on_its_mean_and_far_from_the_others_costs_only_the_network() -> None:
    loss = HISTLoss(2, 2, tau=50.0, hidden_dim=3).double()
    with torch.no_grad():
        loss.means.copy_(torch.eye(2))
        loss.spreads.fill_(-1.0)  # relu6: a variance of 1
    loss.lambda_s = 0.0
    assert loss.variances.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert loss(torch.eye(2).double(), torch.tensor([0, 1])).item() == pytest.approx(torch.exp(torch.tensor(-100.0)))


def test_defaults_are_those_of_the_authors_code() -> None:
    loss = HISTLoss(5, 4)
    assert (loss.tau, loss.alpha, loss.lambda_s, loss.hidden_dim) == (32.0, 0.9, 1.0, 512)
    assert loss.network_rate == 0.01  # 10 times 1e-4, over 1e-1
    assert loss.proxies.shape == loss.variances.shape == (5, 4)
    torch.testing.assert_close(loss.proxies.norm(dim=1), torch.ones(5))


@pytest.mark.parametrize("rate", [0.01, 1.0])
def test_the_network_starts_as_torch_starts_it_and_moves_at_its_own_rate(rate: float) -> None:
    torch.manual_seed(0)
    loss = HISTLoss(5, 4, network_rate=rate).double()
    weight = loss.network.layers[0].weight
    assert (rate * weight).abs().max().item() == pytest.approx(4**-0.5, rel=1e-2)  # uniform in +- 1 / sqrt(inputs)
    assert (rate * loss.network.gain).tolist() == pytest.approx([1.0] * 512)
    before = (rate * weight).detach().clone()
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.1)
    loss(*batch(LABELS[0])).backward()
    optimizer.step()
    moved = (rate * weight - before).abs().max().item()
    assert moved == pytest.approx(rate * 0.1, rel=1e-3)


def test_far_embeddings_keep_a_gradient_in_float32() -> None:
    loss = HISTLoss(2, 2, tau=100.0, lambda_s=0.0, hidden_dim=3)
    with torch.no_grad():
        loss.means.copy_(torch.eye(2))
        loss.spreads.zero_()
    embeddings = torch.tensor([[-0.6, 0.8]], requires_grad=True)
    value = loss(embeddings, torch.tensor([0]))
    value.backward()
    assert value.item() == pytest.approx(100 * (1.6**2 + 0.8**2 - 0.6**2 - 0.2**2))  # its own softmax is e^-280
    assert embeddings.grad is not None
    assert embeddings.grad.norm().item() > 1


def test_keeps_the_type_of_its_parameters() -> None:
    embeddings, classes = batch(LABELS[0])
    loss = HISTLoss(5, 4)
    before = loss(embeddings.float(), classes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(loss(embeddings.float(), classes), before)
    loss(embeddings.bfloat16(), classes)
    assert {weight.dtype for weight in loss.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tau": 0}, "tau = 0: allowed .* > 0"),
        ({"alpha": -1.0}, "alpha = -1.0"),
        ({"lambda_s": -0.1}, "lambda_s = -0.1: allowed .* >= 0"),
        ({"hidden_dim": 2.0}, "hidden_dim = 2.0: allowed are integers >= 1"),
        ({"network_rate": 0.0}, "network_rate = 0.0"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HISTLoss(5, 4, **settings)
