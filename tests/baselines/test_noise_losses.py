"""Losses with proxies, for label noise and beside them, against the formulas of their papers as loops."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from scipy.special import lambertw
from scipy.stats import mannwhitneyu
from torch import Tensor
from torch.nn.functional import normalize

from baselines.normalized_softmax import NormalizedSoftmaxLoss
from baselines.prism import PRISMLoss
from baselines.proxy_anchor import ProxyAnchorLoss
from baselines.smooth_proxy_anchor import SmoothProxyAnchorLoss, proxy_anchor
from baselines.sub_center_arcface import SubCenterArcFaceLoss
from baselines.super_loss import SuperLoss, confidences, lambert
from tests.baselines import formulas
from tests.baselines.formulas import Point, cosine

LABELS = [[0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3], [0, 0, 1, 1, 1, 2, 3, 4, 4, 4, 4, 4], [1, 1, 1], [3]]


def batch(labels: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Unit rows in float64, loosely gathered by class."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(5, 4, dtype=torch.float64, generator=generator)
    noise = torch.randn(len(labels), 4, dtype=torch.float64, generator=generator)
    return normalize(centres[labels] + 0.7 * noise), torch.tensor(labels)


def softmax_terms(
    points: Sequence[Point], labels: Sequence[int], proxies: Sequence[Point], temperature: float
) -> list[float]:
    scores = [[cosine(z, p) / temperature for p in proxies] for z in points]
    return [formulas.cross_entropy([row], [label]) for row, label in zip(scores, labels, strict=True)]


def sub_center_arcface(
    points: Sequence[Point], labels: Sequence[int], proxies: Sequence[Sequence[Point]], margin: float, scale: float
) -> float:
    """Deng et al. 2020; ``proxies`` holds those of each class."""
    scores = []
    for z, label in zip(points, labels, strict=True):
        nearest = [max(cosine(z, p) for p in of_class) for of_class in proxies]
        theta = math.acos(nearest[label])
        if theta + margin <= math.pi:
            nearest[label] = math.cos(theta + margin)
        else:
            nearest[label] -= margin * math.sin(margin)
        scores.append([scale * s for s in nearest])
    return formulas.cross_entropy(scores, labels)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("temperature", [0.05, 0.7])
def test_normalized_softmax(labels: list[int], seed: int, temperature: float) -> None:
    embeddings, classes = batch(labels, seed)
    torch.manual_seed(seed)
    loss = NormalizedSoftmaxLoss(5, 4, temperature).double()
    terms = softmax_terms(embeddings.tolist(), labels, loss.proxies.tolist(), temperature)
    assert loss(embeddings, classes).item() == pytest.approx(sum(terms) / len(terms), rel=1e-9)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("proxies", [1, 3])
@pytest.mark.parametrize("settings", [{}, {"margin": 1.5, "scale": 5.0}, {"margin": 0.0, "scale": 10.0}])
def test_sub_center_arcface(labels: list[int], seed: int, proxies: int, settings: dict[str, float]) -> None:
    embeddings, classes = batch(labels, seed)
    torch.manual_seed(seed)
    loss = SubCenterArcFaceLoss(5, 4, proxies, **settings).double()
    by_class = loss.proxies.view(5, proxies, 4).tolist()
    expected = sub_center_arcface(embeddings.tolist(), labels, by_class, loss.margin, loss.scale)
    assert loss(embeddings, classes).item() == pytest.approx(expected, rel=1e-9)


def test_sub_center_arcface_stays_finite_where_an_embedding_meets_its_proxy_or_the_opposite() -> None:
    torch.manual_seed(0)
    loss = SubCenterArcFaceLoss(200, 3, 1)
    own = loss.proxies.detach()
    labels = torch.arange(200)
    assert bool(((own * own).sum(dim=1) >= 1).any())
    for sign in (1, -1):
        embeddings = (sign * own).requires_grad_()
        loss(embeddings, labels).backward()
        assert embeddings.grad is not None
        assert bool(embeddings.grad.isfinite().all())
    assert bool(loss.loss.W.grad.isfinite().all())


def test_mislabelled_images_find_a_proxy_of_their_own() -> None:
    """What the second proxy is for: with one, the images that belong pull at it together with those that do not."""
    torch.manual_seed(0)
    loss = SubCenterArcFaceLoss(2, 3, 2, margin=0.2, scale=16.0)
    good, bad = torch.eye(3)[:1], torch.eye(3)[1:2]
    with torch.no_grad():
        loss.loss.W[:, :2] = normalize(torch.cat([good + 0.3 * bad, bad + 0.3 * good])).T
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        loss(torch.cat([good.expand(6, 3), bad.expand(2, 3)]), torch.zeros(8, dtype=torch.int64)).backward()
        optimizer.step()
    cosines = loss.proxies[:2] @ torch.cat([good, bad]).T
    assert cosines[0].argmax() == 0
    assert cosines[1].argmax() == 1


def super_loss(losses: Sequence[float], average: float, regularization: float) -> float:
    """Castells et al. 2020 with scipy's Lambert function."""
    total = 0.0
    for loss in losses:
        beta = (loss - average) / regularization
        sigma = math.exp(-lambertw(max(-2 / math.e + 1e-12, beta) / 2).real)
        total += (loss - average) * sigma + regularization * math.log(sigma) ** 2
    return total / len(losses)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("settings", [(0.05, 1.0, 0.9), (0.5, 0.2, 0.5)])
def test_super_loss_over_three_batches(labels: list[int], seed: int, settings: tuple[float, float, float]) -> None:
    temperature, regularization, momentum = settings
    torch.manual_seed(seed)
    loss = SuperLoss(5, 4, *settings).double()
    average = math.nan
    for number in range(3):
        embeddings, classes = batch(labels, 10 * seed + number)
        terms = softmax_terms(embeddings.tolist(), labels, loss.proxies.tolist(), temperature)
        now = sum(terms) / len(terms)
        average = now if number == 0 else momentum * average + (1 - momentum) * now
        expected = super_loss(terms, average, regularization)
        assert loss(embeddings, classes).item() == pytest.approx(expected, rel=1e-4, abs=1e-6)
        assert loss.average.item() == pytest.approx(average, rel=1e-6)


def test_the_lambert_function_is_scipys() -> None:
    x = torch.cat([torch.linspace(-1 / math.e + 1e-9, 0, 400), torch.logspace(-9, 6, 400)]).double()
    torch.testing.assert_close(lambert(x), torch.from_numpy(lambertw(x.numpy()).real), rtol=1e-6, atol=1e-5)


def test_a_confidence_minimises_what_it_stands_in() -> None:
    """Over a fine grid of weights: the closed form is the best, and falls with the loss from e towards 0."""
    excess = torch.tensor([-3.0, -2 / math.e, -0.5, 0.0, 0.5, 3.0, 50.0]).double()
    found = confidences(excess)
    grid = torch.logspace(-3, math.log10(math.e), 20_001).double()
    best = grid[(excess[:, None] * grid + grid.log().square()).argmin(dim=1)]
    torch.testing.assert_close(found, best, rtol=2e-3, atol=1e-6)
    assert found[3].item() == pytest.approx(1)
    assert bool((found.diff() <= 0).all())


def test_super_loss_gradient_is_that_of_the_weighted_losses() -> None:
    embeddings, classes = batch(LABELS[1])
    loss = SuperLoss(5, 4, 0.3, 0.5, momentum=1.0).double()
    loss(embeddings, classes)  # from now on the average stays
    torch.autograd.gradcheck(lambda z: loss(z, classes), (embeddings.clone().requires_grad_(),))
    free, again = embeddings.clone().requires_grad_(), embeddings.clone().requires_grad_()
    loss(free, classes).backward()
    terms = torch.nn.functional.cross_entropy(normalize(again) @ loss.proxies.T / 0.3, classes, reduction="none")
    weights = confidences((terms.detach() - loss.average) / 0.5)
    (weights * terms).mean().backward()
    torch.testing.assert_close(free.grad, again.grad)


def smooth_proxy_anchor(
    points: Sequence[Point],
    labels: Sequence[int],
    proxies: Sequence[Point],
    confidence: Sequence[Sequence[float]],
    settings: tuple[float, float, float, float],
) -> float:
    """The reading of Roig et al. 2020: Proxy-Anchor with weighted terms, and the module's cross-entropy."""
    alpha, margin, sharpness, position = settings

    def weight(c: float) -> float:
        return 1 / (1 + math.exp(-sharpness * (c - position)))

    pulled, pushed, with_positive = 0.0, 0.0, 0
    for index, proxy in enumerate(proxies):
        positives, negatives = [], []
        for z, label, row in zip(points, labels, confidence, strict=True):
            s, w = cosine(z, proxy), weight(row[index])
            if label == index:
                positives.append(w * math.exp(-alpha * (s - margin)))
            else:
                negatives.append((1 - w) * math.exp(alpha * (s + margin)))
        if positives:
            with_positive += 1
            pulled += math.log(1 + sum(positives))
        pushed += math.log(1 + sum(negatives))
    terms = [
        -math.log(c if label == index else 1 - c)
        for row, label in zip(confidence, labels, strict=True)
        for index, c in enumerate(row)
    ]
    return pulled / with_positive + pushed / len(proxies) + sum(terms) / len(terms)


def taught(loss: SmoothProxyAnchorLoss) -> SmoothProxyAnchorLoss:
    """The loss with a module whose confidences differ, as after some steps."""
    torch.nn.init.normal_(loss.confidence.weight)
    torch.nn.init.normal_(loss.confidence.bias)
    return loss


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("settings", [(8.0, 0.1, 10.0, 0.2), (3.0, 0.5, 2.0, 0.6)])
def test_smooth_proxy_anchor(labels: list[int], seed: int, settings: tuple[float, float, float, float]) -> None:
    embeddings, classes = batch(labels, seed)
    torch.manual_seed(seed)
    loss = taught(SmoothProxyAnchorLoss(5, 4, *settings)).double()
    confidence = loss.confidence(embeddings).sigmoid().tolist()
    expected = smooth_proxy_anchor(embeddings.tolist(), labels, loss.proxies.tolist(), confidence, settings)
    assert loss(embeddings, classes).item() == pytest.approx(expected, rel=1e-9)
    own = torch.nn.functional.one_hot(classes, 5).double()
    learned = torch.nn.functional.binary_cross_entropy_with_logits(loss.confidence(embeddings), own).item()
    assert loss(embeddings, classes, epoch=3).item() == pytest.approx(expected - learned, rel=1e-9)


def test_smooth_proxy_anchor_warms_up_as_proxy_anchor() -> None:
    embeddings, classes = batch(LABELS[1])
    loss = taught(SmoothProxyAnchorLoss(5, 4, 16.0, 0.2, warm_up=2)).double()
    peer = ProxyAnchorLoss(5, 4, 16.0, 0.2).double()
    with torch.no_grad():
        peer.loss.proxies.copy_(loss.proxy_vectors)
    scores = loss.confidence(embeddings)
    own = torch.nn.functional.one_hot(classes, 5).double()
    learned = torch.nn.functional.binary_cross_entropy_with_logits(scores, own)
    for epoch in (1, 2):
        assert (loss(embeddings, classes, epoch=epoch) - learned).item() == pytest.approx(
            peer(embeddings, classes).item()
        )
    assert loss(embeddings, classes, epoch=3).item() != pytest.approx(peer(embeddings, classes).item())


def test_smooth_proxy_anchor_holds_the_module_after_the_warm_up() -> None:
    """As it was then, though the optimiser's momentum moves the parameters on, and through a state dict."""
    batches = [batch(LABELS[1], seed) for seed in range(9)]
    torch.manual_seed(0)
    loss = SmoothProxyAnchorLoss(5, 4, 8.0, 0.1, warm_up=2)
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.1)

    def train(epochs: range) -> None:
        for epoch in epochs:
            for embeddings, classes in batches[3 * (epoch % 3) :][:3]:
                optimizer.zero_grad()
                loss(embeddings, classes, epoch=epoch).backward()
                optimizer.step()

    train(range(1, 3))
    weight, bias = loss.confidence.weight.detach().clone(), loss.confidence.bias.detach().clone()
    train(range(3, 6))
    assert loss.confidence.weight.grad is not None
    assert not loss.confidence.weight.grad.any()
    assert not torch.equal(loss.confidence.weight, weight)
    assert torch.equal(loss.held_weight, weight)
    assert torch.equal(loss.held_bias, bias)
    found = loss(*batches[0], epoch=6).item()
    other = SmoothProxyAnchorLoss(5, 4, 8.0, 0.1, warm_up=2)
    other.load_state_dict(loss.state_dict())
    assert other(*batches[0], epoch=6).item() == found
    embeddings, classes = batches[0]
    confidence = (embeddings.float() @ weight.T + bias).sigmoid().tolist()
    expected = smooth_proxy_anchor(
        embeddings.tolist(), classes.tolist(), loss.proxies.tolist(), confidence, (8.0, 0.1, 10.0, 0.2)
    )
    terms = torch.nn.functional.binary_cross_entropy(
        torch.tensor(confidence), torch.nn.functional.one_hot(classes, 5).float()
    )
    assert found == pytest.approx(expected - terms.item(), rel=1e-4)


@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_the_module_tells_wrong_labels_after_a_short_warm_up(rate: float) -> None:
    """100 classes with 20 images each, a fifth of the labels wrong, 20 steps, embeddings that stand."""
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(100).repeat(20)
    centres = torch.randn(100, 32, generator=generator)
    embeddings = normalize(centres[classes] + 0.7 * torch.randn(len(classes), 32, generator=generator))
    wrong = torch.rand(len(classes), generator=generator) < 0.2
    given = torch.where(wrong, torch.randint(100, classes.shape, generator=generator), classes)
    loss = SmoothProxyAnchorLoss(100, 32, warm_up=1)
    assert torch.allclose(loss.confidence(embeddings).sigmoid(), torch.tensor(0.01))
    optimizer = torch.optim.AdamW(loss.parameters(), lr=rate)
    for rows in torch.randperm(len(classes), generator=generator).chunk(20):
        optimizer.zero_grad()
        loss(embeddings[rows], given[rows], epoch=1).backward()
        optimizer.step()
    own = loss.confidence(embeddings).detach().gather(1, given[:, None])[:, 0]
    above = mannwhitneyu(own[given == classes], own[given != classes]).statistic
    assert above / ((given == classes).sum() * (given != classes).sum()) > 0.9


def test_a_second_training_warms_up_anew() -> None:
    embeddings, classes = batch(LABELS[1])
    loss = SmoothProxyAnchorLoss(5, 4, warm_up=1)
    loss(embeddings, classes, epoch=2)
    with torch.no_grad():
        loss.confidence.bias += 1
    loss(embeddings, classes, epoch=1)
    loss(embeddings, classes, epoch=2)
    assert torch.equal(loss.held_bias, loss.confidence.bias)


def test_no_gradient_runs_from_the_module_to_the_embeddings() -> None:
    embeddings, classes = batch(LABELS[1])
    loss = taught(SmoothProxyAnchorLoss(5, 4, 8.0, 0.1)).double()
    free = embeddings.clone().requires_grad_()
    loss(free, classes).backward()
    again = embeddings.clone().requires_grad_()
    slopes = 10.0 * (loss.confidence(embeddings).detach().sigmoid() - 0.2)
    logs = (slopes.sigmoid().log(), (-slopes).sigmoid().log())
    own = torch.nn.functional.one_hot(classes, 5).bool()
    proxy_anchor(normalize(again) @ loss.proxies.T, own, logs, 8.0, 0.1).backward()
    torch.testing.assert_close(free.grad, again.grad)
    assert loss.confidence.weight.grad is not None
    assert bool(loss.confidence.weight.grad.any())
    constants = tuple(log.detach() for log in logs)
    torch.autograd.gradcheck(
        lambda z: proxy_anchor(normalize(z) @ loss.proxies.detach().T, own, constants, 8.0, 0.1), (again,)
    )


def test_search_spaces_leave_out_where_a_method_for_noise_is_off() -> None:
    """At the end that is nearest to it the method still does something, in batches of 120 and 8 epochs."""
    generator = torch.Generator().manual_seed(0)
    embeddings = normalize(torch.randn(120, 8, generator=generator))
    labels = torch.arange(120) % 30
    prism = PRISMLoss(30, 8, PRISMLoss.search_space["noise_rate"]["low"], memory_size=128)
    prism(embeddings, labels)
    kept = prism.kept(embeddings.roll(1, dims=0), labels)
    assert kept is not None
    assert int((~kept).sum()) == 12
    apart = 1 / SuperLoss.search_space["temperature"]["high"]  # losses at cosines of 1 and 0 with the own proxy
    excess = torch.tensor([-apart / 2, apart / 2])
    weights = confidences(excess / SuperLoss.search_space["regularization"]["high"])
    assert weights[0] > 2 * weights[1]
    assert min(SubCenterArcFaceLoss.search_space["proxies_per_class"]["values"]) > 1
    assert max(SmoothProxyAnchorLoss.search_space["warm_up"]["values"]) <= 8 / 2


PROXIED = [
    (NormalizedSoftmaxLoss, {"temperature": 0.3}),
    (SubCenterArcFaceLoss, {"proxies_per_class": 2, "scale": 5.0}),
    (SmoothProxyAnchorLoss, {"alpha": 5.0}),
]


@pytest.mark.parametrize(("cls", "settings"), PROXIED[:2])
def test_gradcheck(cls: Any, settings: dict[str, Any]) -> None:
    embeddings, classes = batch(LABELS[1])
    torch.manual_seed(1)
    loss = cls(5, 4, **settings).double()
    torch.autograd.gradcheck(lambda z: loss(z, classes), (embeddings.clone().requires_grad_(),))
    names, values = zip(*loss.named_parameters(), strict=True)

    def of_parameters(*free: Tensor) -> Tensor:
        value: Tensor = torch.func.functional_call(loss, dict(zip(names, free, strict=True)), (embeddings, classes))
        return value

    torch.autograd.gradcheck(of_parameters, tuple(value.detach().clone().requires_grad_() for value in values))


@pytest.mark.parametrize(("cls", "settings"), [*PROXIED, (SuperLoss, {})])
def test_lengths_of_embeddings_do_not_matter(cls: Any, settings: dict[str, Any]) -> None:
    """But for the confidence module of Smooth Proxy-Anchor, which is a linear layer."""
    embeddings, classes = batch(LABELS[1])
    torch.manual_seed(0)
    loss = cls(5, 4, **settings).double()
    if cls is SmoothProxyAnchorLoss:
        torch.nn.init.zeros_(loss.confidence.weight)
    assert loss(3 * embeddings, classes).item() == pytest.approx(loss(embeddings, classes).item())


@pytest.mark.parametrize(
    ("cls", "settings", "message"),
    [
        (NormalizedSoftmaxLoss, {"temperature": 0}, "temperature = 0"),
        (SubCenterArcFaceLoss, {"margin": 2.0}, "margin = 2.0"),
        (SubCenterArcFaceLoss, {"proxies_per_class": 0}, "proxies_per_class = 0"),
        (SuperLoss, {"regularization": 0.0}, "regularization = 0.0"),
        (SuperLoss, {"momentum": 1.5}, "momentum = 1.5"),
        (SmoothProxyAnchorLoss, {"position": -0.1}, "position = -0.1"),
        (SmoothProxyAnchorLoss, {"warm_up": 1.5}, "warm_up = 1.5: allowed are integers >= 1"),
        (SmoothProxyAnchorLoss, {"warm_up": 0}, "warm_up = 0: allowed are integers >= 1"),
    ],
)
def test_bad_settings_are_named(cls: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cls(5, 4, **settings)
