"""What users of losses expect: the signature of pytorch-metric-learning, states, copies, types, scalers."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from baselines.cpml import CPMLLoss
from pfml import PotentialFieldLoss


def setup(size: int = 12, **settings: Any) -> tuple[PotentialFieldLoss, Tensor, Tensor]:
    torch.manual_seed(0)
    loss = PotentialFieldLoss(4, 8, 2, alpha=2.0, delta=0.9, **settings)
    return loss, normalize(torch.randn(size, 8)).requires_grad_(), torch.arange(size) % 4


def gradients(loss: nn.Module, embeddings: Tensor, value: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(value, [embeddings, *loss.parameters()]))


@pytest.mark.parametrize("make", [PotentialFieldLoss, CPMLLoss])
@pytest.mark.parametrize("path", ["sparse", "dense"])
def test_references_count_as_further_sources(make: Any, path: str) -> None:
    torch.manual_seed(0)
    loss = make(4, 8, 2)
    loss.path = path
    points, labels = normalize(torch.randn(14, 8)), torch.arange(14) % 4
    batch, references = points[:9].clone().requires_grad_(), points[9:]
    value = loss(batch, labels[:9], None, references, labels[9:])
    whole = points.clone().requires_grad_()
    expected = loss(whole, labels)
    torch.testing.assert_close(value, expected)
    of_batch, of_proxies = gradients(loss, batch, value)
    of_whole, of_all_proxies = gradients(loss, whole, expected)
    torch.testing.assert_close(of_batch, of_whole[:9])
    torch.testing.assert_close(of_proxies, of_all_proxies)


def test_references_count_in_the_dimensionless_scale() -> None:
    loss, points, labels = setup(scale="dimensionless")
    torch.testing.assert_close(
        loss(points[:7], labels[:7], ref_emb=points[7:], ref_labels=labels[7:]), loss(points, labels)
    )


@pytest.mark.parametrize("make", [PotentialFieldLoss, CPMLLoss])
def test_what_has_no_meaning_is_refused(make: Any) -> None:
    loss = make(4, 8, 2)
    _, points, labels = setup()
    with pytest.raises(ValueError, match="indices_tuple must be None: this loss takes all pairs"):
        loss(points, labels, (labels, labels, labels))
    with pytest.raises(ValueError, match="together"):
        loss(points, labels, ref_emb=points)
    with pytest.raises(ValueError, match="dimension 5"):
        loss(points, labels, ref_emb=points[:, :5], ref_labels=labels)
    with pytest.raises(ValueError, match=r"span \[0, 7\]"):
        loss(points, labels, ref_emb=points[:1], ref_labels=torch.tensor([7]))


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8])
def test_labels_of_any_integer_type(dtype: torch.dtype) -> None:
    loss, points, labels = setup()
    assert torch.equal(loss(points, labels.to(dtype)), loss(points, labels))


def test_embeddings_that_are_not_unit_vectors() -> None:
    loss, points, labels = setup()
    long = points.detach() * torch.linspace(0.5, 2, len(points))[:, None]
    assert loss(long, labels) != loss(points, labels), "taken as they are"
    normalizing, *_ = setup(embedding_lengths="normalize")
    free = long.clone().requires_grad_()
    value = normalizing(free, labels)
    torch.testing.assert_close(value, loss(points, labels))
    torch.testing.assert_close((gradients(normalizing, free, value)[0] * free).sum(dim=1), torch.zeros(len(free)))
    refusing, *_ = setup(embedding_lengths="refuse")
    assert torch.equal(refusing(points, labels), loss(points, labels))
    assert refusing(points.bfloat16(), labels).isfinite()
    with pytest.raises(ValueError, match=r'differ from 1 by up to 1: .* embedding_lengths="normalize"'):
        refusing(long, labels)
    with pytest.raises(ValueError, match="embedding_lengths = 'unit': allowed are keep, normalize, refuse"):
        setup(embedding_lengths="unit")


def test_gradients_accumulate_over_batches() -> None:
    loss, points, labels = setup()
    parts = [gradients(loss, points, loss(points[part], labels[part])) for part in (slice(0, 5), slice(5, 12))]
    for part in (slice(0, 5), slice(5, 12)):
        loss(points[part], labels[part]).backward()
    for found, terms in zip((points.grad, loss.proxy_vectors.grad), zip(*parts, strict=True), strict=True):
        torch.testing.assert_close(found, sum(terms))


@pytest.mark.parametrize("label", range(4))
def test_batches_of_one_class(label: int) -> None:
    loss, points, _ = setup()
    value = loss(points, torch.full((12,), label))
    assert all(gradient.isfinite().all() for gradient in gradients(loss, points, value))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda loss: pickle.loads(pickle.dumps(loss))])
def test_copies_are_independent_and_equal(copied: Any) -> None:
    loss, points, labels = setup()
    for _ in range(2):  # after a step, so that there is a neighbour list to copy
        value = loss(points, labels)
    twin = copied(loss)
    assert torch.equal(twin(points, labels), value)
    with torch.no_grad():
        twin.proxy_vectors.neg_()
    assert torch.equal(loss(points, labels), value)
    assert not torch.equal(twin(points, labels), value)


def test_states_fit_a_loss_of_the_same_shape_and_no_other() -> None:
    loss, points, labels = setup()
    state = loss.state_dict()
    assert set(state) == {"proxy_vectors", "proxy_labels"}
    other = PotentialFieldLoss(4, 8, 2, alpha=2.0, delta=0.9)
    other.load_state_dict(state)
    assert torch.equal(other(points, labels), loss(points, labels))
    with pytest.raises(RuntimeError, match=r"size mismatch for proxy_vectors.*\[8, 8\].*\[12, 8\]"):
        PotentialFieldLoss(4, 8, 3).load_state_dict(state)
    with pytest.raises(RuntimeError, match=r'Unexpected key.*"proxy_vectors"'):
        PotentialFieldLoss(4, 8, 0).load_state_dict(state)


def test_float16_gradient_scaler_takes_the_step_that_plain_training_takes() -> None:
    steps = []
    for scaled in (True, False):
        loss, points, labels = setup(scale="dimensionless")
        optimizer = torch.optim.SGD(loss.parameters(), lr=0.01)
        scaler = torch.amp.GradScaler("cpu", enabled=scaled, init_scale=2.0**10)
        half = points.detach().half().requires_grad_()
        scaler.scale(loss(half, labels)).backward()
        assert half.grad is not None
        assert half.grad.isfinite().all()
        scaler.step(optimizer)
        scaler.update()
        steps.append(loss.proxy_vectors.detach().clone())
    torch.testing.assert_close(steps[0], steps[1])
