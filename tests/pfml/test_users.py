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


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16])
def test_labels_of_any_integer_type(dtype: torch.dtype) -> None:
    loss, points, labels = setup()
    assert torch.equal(loss(points, labels.to(dtype)), loss(points, labels))


@pytest.mark.parametrize("make", [Tensor.numpy, lambda labels: labels.to(torch.uint8).numpy(), Tensor.tolist])
@pytest.mark.parametrize("path", ["sparse", "dense"])
def test_labels_that_are_no_tensor(make: Any, path: str) -> None:
    loss, points, labels = setup()
    loss.path = path
    assert torch.equal(loss(points, make(labels)), loss(points, labels))
    assert torch.equal(
        loss(points[:7], labels[:7], ref_emb=points[7:], ref_labels=make(labels[7:])), loss(points, labels)
    )


@pytest.mark.parametrize("labels", [None, ["a"] * 12, (label for label in range(12)), [2**64] * 12])
def test_labels_that_are_no_tensor_of_anything(labels: Any) -> None:
    loss, points, _ = setup()
    with pytest.raises(ValueError, match=r"labels must be integers, not (NoneType|list|generator): "):
        loss(points, labels)


@pytest.mark.parametrize(
    "labels", [torch.zeros(12, dtype=torch.bool), [0.5] * 12, torch.zeros(12, dtype=torch.complex64)]
)
def test_labels_that_are_no_integers(labels: Any) -> None:
    loss, points, _ = setup()
    with pytest.raises(ValueError, match="labels must be integers, not torch"):
        loss(points, labels)


@pytest.mark.parametrize("path", ["auto", "dense"])
def test_gradients_as_functions(path: str) -> None:
    """`torch.func.grad`, also of itself and of the proxies, gives what backward gives."""
    loss, points, labels = setup()
    of_points, of_proxies = gradients(loss, points, loss(points, labels))
    loss.path = path

    def value(rows: Tensor, free: Tensor) -> Tensor:
        found: Tensor = torch.func.functional_call(loss, {"proxy_vectors": free}, (rows, labels))
        return found

    free = loss.proxy_vectors.detach()
    by_function = torch.func.grad(value, argnums=(0, 1))(points.detach(), free)
    for one, other in zip(by_function, (of_points, of_proxies), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * other.abs().max().item())
    way = torch.randn_like(points)
    along = torch.func.grad(lambda rows: (torch.func.grad(value)(rows, free) * way).sum())(points.detach())
    (gradient,) = torch.autograd.grad(dense_value(loss, points, labels), points, create_graph=True)
    (expected,) = torch.autograd.grad(gradient, points, way)
    torch.testing.assert_close(along, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())
    assert copy.deepcopy(loss).active_shares == loss.active_shares, "nothing of the transform is left in the loss"


def test_mapped_over_batches() -> None:
    loss, _, labels = setup()
    batches = normalize(torch.randn(3, 12, 8), dim=2)
    values = torch.vmap(lambda rows: loss(rows, labels))(batches)
    torch.testing.assert_close(values, torch.stack([loss(rows, labels) for rows in batches]))
    by_function = torch.vmap(torch.func.grad(lambda rows: loss(rows, labels)))(batches)
    rows = batches[2].requires_grad_()
    (expected,) = torch.autograd.grad(loss(rows, labels), rows)
    torch.testing.assert_close(by_function[2], expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())
    loss.embedding_lengths = "refuse"
    with pytest.raises(RuntimeError, match="data-dependent"):
        torch.vmap(lambda rows: loss(rows, labels))(batches)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own, in its first such derivative
def test_forward_mode_derivatives() -> None:
    loss, points, labels = setup()
    points, way = points.detach(), torch.randn(12, 8)
    (gradient,) = torch.autograd.grad(loss(points.requires_grad_(), labels), points)
    points = points.detach()
    _, by_function = torch.func.jvp(lambda rows: loss(rows, labels), (points,), (way,))
    torch.testing.assert_close(by_function, (gradient * way).sum(), rtol=1e-4, atol=0)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(points, way)
        with pytest.raises(NotImplementedError, match="forward mode"):
            loss(dual, labels)
        loss.path = "dense"
        along = torch.autograd.forward_ad.unpack_dual(loss(dual, labels)).tangent
    torch.testing.assert_close(along, by_function)


@pytest.mark.parametrize("path", ["sparse", "listed"])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_training_goes_on_after_values_without_gradient(mode: Any, path: str) -> None:
    """Also where the neighbour list is renewed then, and proxies jump afterwards."""
    torch.manual_seed(0)
    loss = PotentialFieldLoss(200, 32, 2)
    loss.path = path
    weight, labels = loss.proxy_vectors, torch.arange(40)
    assert weight is not None
    for step in range(12):
        if step % 3 == 1:
            with mode():
                loss(normalize(torch.randn(40, 32)), labels)
        points = normalize(torch.randn(40, 32)).requires_grad_()
        value = loss(points, labels)
        value.backward()
        assert value.item() == pytest.approx(dense_value(loss, points, labels).item(), rel=1e-4)
        with torch.no_grad():
            weight.add_(1e-3 * torch.randn_like(weight))
            weight[step] = -weight[step]


def test_a_loss_made_without_data_takes_a_state() -> None:
    loss, points, labels = setup()
    with torch.device("meta"):
        empty = PotentialFieldLoss(4, 8, 2, alpha=2.0, delta=0.9)
    assert empty.proxy_vectors.is_meta
    empty.load_state_dict(loss.state_dict(), assign=True)
    assert torch.equal(empty(points, labels), loss(points, labels))


@pytest.mark.parametrize("path", ["sparse", "listed", "dense"])
def test_proxies_in_any_order_of_memory(path: str) -> None:
    loss, points, labels = setup()
    loss.path = path
    other = copy.deepcopy(loss)
    state = loss.state_dict()
    other.load_state_dict(state | {"proxy_vectors": state["proxy_vectors"].t().contiguous().t()}, assign=True)
    assert not other.proxy_vectors.is_contiguous()
    gradients = [torch.autograd.grad(each(points, labels), each.proxy_vectors)[0] for each in (loss, other)]
    assert torch.equal(*gradients)


def dense_value(loss: PotentialFieldLoss, points: Tensor, labels: Tensor) -> Tensor:
    twin = copy.deepcopy(loss)
    twin.path = "dense"
    value: Tensor = twin(points, labels)
    return value


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
