"""The ways to take the sum agree: dense and sparse, compiled, and differentiated twice."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils._python_dispatch import TorchDispatchMode

from baselines.cpml import CPMLLoss
from pfml import PotentialFieldLoss
from pfml._kernel import blocks, is_dense, is_listed

ROOT = Path(__file__).parents[2]
MAKERS: dict[str, Any] = {
    "paper's values": lambda *shape: PotentialFieldLoss(*shape, alpha=3.0, delta=0.2),
    "wide": lambda *shape: PotentialFieldLoss(*shape, alpha=4.0, delta=1.0, min_distance_ratio=0.3),
    "two radii": lambda *shape: PotentialFieldLoss(*shape, alpha=1.0, delta=0.4, delta_repulsion=1.2),
    "log": lambda *shape: PotentialFieldLoss(*shape, alpha=0.0, delta=0.7, scale="dimensionless"),
    "control": lambda *shape: CPMLLoss(*shape, margin=0.9),
}


def setup(maker: str, classes: int, dim: int, proxies: int, dtype: torch.dtype = torch.float32) -> Any:
    """A loss and a batch with pairs on both sides of every radius, and near-duplicates of two classes."""
    torch.manual_seed(0)
    loss = MAKERS[maker](classes, dim, proxies).to(dtype)
    labels = torch.randint(classes, (15,)).repeat_interleave(4)
    centres = normalize(torch.randn(classes, dim, dtype=dtype))
    embeddings = normalize(centres[labels] + 0.6 * normalize(torch.randn(60, dim, dtype=dtype)))
    embeddings[1] = normalize(embeddings[30] + 0.02 * normalize(torch.randn(dim, dtype=dtype), dim=0), dim=0)
    if proxies:
        spread = normalize(torch.randn(classes * proxies, dim, dtype=dtype))
        with torch.no_grad():
            loss.proxy_vectors.copy_(2 * (centres.repeat_interleave(proxies, dim=0) + 0.5 * spread))
            loss.proxy_vectors[0] = embeddings[40] + 0.01 * spread[0]
    return loss, embeddings.requires_grad_(), labels


def outcome(loss: Any, embeddings: Tensor, labels: Tensor, path: str) -> tuple[Tensor, ...]:
    """Value and gradients by a path."""
    loss.path = path
    value = loss(embeddings, labels)
    return value.detach(), *torch.autograd.grad(value, [embeddings, *loss.parameters()])


def assert_agree(found: tuple[Tensor, ...], expected: tuple[Tensor, ...], tolerance: float) -> None:
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() <= tolerance * other.norm()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("proxies", [0, 1, 4])
@pytest.mark.parametrize("maker", MAKERS)
def test_dense_and_sparse_agree(maker: str, proxies: int, dtype: torch.dtype, tolerance: float) -> None:
    loss, embeddings, labels = setup(maker, 40, 24, proxies, dtype)
    sparse, counts = outcome(loss, embeddings, labels, "sparse"), loss._counts
    dense = outcome(loss, embeddings, labels, "dense")
    assert_agree(dense, sparse, tolerance)
    assert [int(count) for count in loss._counts] == [int(count) for count in counts]


FULL_SIZES = pytest.mark.parametrize("shape", [(100, 15, 512, 0.2), (300, 2, 128, 0.95)], ids=["cub", "embedded"])


@FULL_SIZES
def test_dense_sparse_and_compiled_agree_at_full_size(shape: tuple[int, int, int, float]) -> None:
    classes, proxies, dim, delta = shape
    torch.manual_seed(0)
    loss = PotentialFieldLoss(classes, dim, proxies, alpha=3.0, delta=delta)
    labels = torch.randint(classes, (30,)).repeat_interleave(4)
    embeddings = normalize(torch.randn(120, dim)).requires_grad_()
    expected = outcome(loss, embeddings, labels, "sparse")
    assert_agree(outcome(loss, embeddings, labels, "dense"), expected, 1e-4)
    assert_agree(compiled_outcome(loss, embeddings, labels, "eager"), expected, 1e-4)


def compiled_outcome(loss: Any, embeddings: Tensor, labels: Tensor, backend: str) -> tuple[Tensor, ...]:
    """Value and gradients of the loss as one compiled graph."""
    loss.path = "auto"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler, about itself
        torch._dynamo.reset()
        value = torch.compile(loss, fullgraph=True, backend=backend)(embeddings, labels)
        return value.detach(), *torch.autograd.grad(value, [embeddings, *loss.parameters()])


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("maker", ["paper's values", "log", "control"])
def test_compiles_to_one_graph(maker: str, backend: str) -> None:
    loss, embeddings, labels = setup(maker, 40, 24, 4)
    expected = outcome(loss, embeddings, labels, "sparse")
    assert_agree(compiled_outcome(loss, embeddings, labels, backend), expected, 1e-4)


@FULL_SIZES
def test_nothing_in_the_dense_path_depends_on_data(shape: tuple[int, int, int, float]) -> None:
    """Tensors without data suffice for value and gradient: nothing waits for a number or for a shape made from one."""
    from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

    classes, proxies, dim, delta = shape
    with FakeTensorMode():
        loss = PotentialFieldLoss(classes, dim, proxies, delta=delta)
        loss.path = "dense"
        embeddings = torch.randn(120, dim, requires_grad=True)
        loss(embeddings, torch.zeros(120, dtype=torch.int64)).backward()
        assert embeddings.grad is not None
        loss.path = "sparse"
        with pytest.raises(DataDependentOutputException):
            loss(embeddings, torch.zeros(120, dtype=torch.int64))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("classes", "proxies", "dim"), [(100, 15, 512), (300, 2, 128)], ids=["cub", "embedded"])
def test_no_step_waits_for_a_gpu(classes: int, proxies: int, dim: int) -> None:
    loss = PotentialFieldLoss(classes, dim, proxies).cuda()
    embeddings = normalize(torch.randn(120, dim, device="cuda")).requires_grad_()
    labels = torch.randint(classes, (120,), device="cuda")
    loss(embeddings, labels).backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        loss(embeddings, labels).backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_choice_by_device_and_size() -> None:
    cub, sop = 120 + 1500, 120 + 22636
    assert [is_dense(torch.device(name), cub) for name in ("cpu", "cuda")] == [False, True]
    assert not is_dense(torch.device("cuda"), sop)


@pytest.mark.parametrize("path", ["dense", "listed"])
def test_a_label_out_of_range_is_nan_where_raising_would_wait(path: str) -> None:
    loss = PotentialFieldLoss(3, 4, 2)
    loss.path = path
    points = normalize(torch.randn(2, 4)).requires_grad_()
    assert loss(points, torch.tensor([0, 2])).isfinite()
    for labels in ([0, 3], [-1, 0]):
        value = loss(points, torch.tensor(labels))
        assert value.isnan()
        for gradient in torch.autograd.grad(value, [points, loss.proxy_vectors]):
            assert gradient.isnan().all()  # else a step that looks at gradients alone would go on


@pytest.mark.parametrize("proxies", [0, 2])
def test_points_that_diverged_show_in_the_dense_value(proxies: int) -> None:
    loss, embeddings, labels = setup("wide", 40, 24, proxies)
    loss.path = "dense"
    with torch.no_grad():
        embeddings[3, 2] = torch.nan
    assert loss(embeddings, labels).isnan()


@pytest.mark.parametrize("make", [PotentialFieldLoss, CPMLLoss])
def test_unknown_path_is_named(make: Any) -> None:
    loss = make(4, 8, 2)
    loss.path = "fast"
    with pytest.raises(ValueError, match="path = 'fast': allowed are auto, dense, sparse"):
        loss(normalize(torch.randn(6, 8)), torch.arange(6) % 4)


@pytest.mark.filterwarnings("ignore:create_graph=True")
@pytest.mark.parametrize("path", ["sparse", "dense"])
@pytest.mark.parametrize("maker", ["two radii", "log", "control"])
def test_second_derivatives(maker: str, path: str) -> None:
    loss, embeddings, labels = setup(maker, 5, 6, 2, torch.float64)
    loss.path = path
    rows, classes = embeddings.detach()[::6].clone().requires_grad_(), labels[::6] % 5
    free = loss.proxy_vectors.detach().clone().requires_grad_()

    def value(z: Tensor, w: Tensor) -> Tensor:
        found: Tensor = torch.func.functional_call(loss, {"proxy_vectors": w}, (z, classes))
        return found

    torch.autograd.gradgradcheck(value, (rows, free))


@pytest.mark.parametrize("make", [PotentialFieldLoss, CPMLLoss])
def test_differentiating_twice_warns_that_it_is_slow(make: Any) -> None:
    loss = make(4, 8, 2)
    embeddings = normalize(torch.randn(6, 8)).requires_grad_()
    value = loss(embeddings, torch.arange(6) % 4)
    (plain,) = torch.autograd.grad(value, embeddings, retain_graph=True)
    with pytest.warns(UserWarning, match="create_graph=True takes all pairs of 14 points"):
        (gradient,) = torch.autograd.grad(value, embeddings, create_graph=True)
    torch.testing.assert_close(gradient.detach(), plain, rtol=1e-4, atol=1e-4 * plain.abs().max().item())
    gradient.square().sum().backward()
    assert embeddings.grad is not None
    assert loss.proxy_vectors.grad is not None


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("proxies", [0, 1, 4])
@pytest.mark.parametrize("maker", MAKERS)
def test_listed_and_sparse_agree(maker: str, proxies: int, dtype: torch.dtype, tolerance: float) -> None:
    loss, embeddings, labels = setup(maker, 40, 24, proxies, dtype)
    for _ in range(3):
        sparse, counts = outcome(loss, embeddings, labels, "sparse"), loss._counts
        assert_agree(outcome(loss, embeddings, labels, "listed"), sparse, tolerance)
        assert [int(count) for count in loss._counts] == [int(count) for count in counts]
        with torch.no_grad():
            for weight in loss.parameters():
                weight.add_(0.02 * torch.randn_like(weight))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("waiting", [0, 2**18])
@pytest.mark.parametrize(
    ("delta", "radius", "share"), [(1.3, 1.3, 0.02), (0.5, 1.0, 1e-6), (0.5, 0.1, 0.0), (1.0, 1.6, 0.9)]
)
def test_pairs_of_proxies_without_a_list(
    delta: float, radius: float, share: float, waiting: int, dtype: torch.dtype, tolerance: float, monkeypatch: Any
) -> None:
    """Few, none and most of all pairs repel, some at no distance to speak of; they are summed at once or block by block."""
    monkeypatch.setattr(blocks, "_WAITING", waiting)
    torch.manual_seed(0)
    settings = {"alpha": 2.0, "delta": delta, "delta_repulsion": radius, "min_distance_ratio": 1e-3}
    loss = PotentialFieldLoss(400, 96, 2, **settings).to(dtype)
    weight = loss.proxy_vectors
    assert weight is not None
    with torch.no_grad():
        if share > 0:
            weight[7] = weight[700] + 1e-3 * torch.randn(96, dtype=dtype)
        weight.mul_(torch.linspace(0.5, 2, 800, dtype=dtype)[:, None])
    labels, embeddings = torch.arange(60), normalize(torch.randn(60, 96, dtype=dtype)).requires_grad_()
    expected, counts = outcome(loss, embeddings, labels, "dense"), loss._counts
    assert (share == 0) == (int(counts.repulsive) == 0)
    assert int(counts.repulsive) >= share * int(counts.different)
    monkeypatch.setattr(loss._neighbours, "near", lambda *_: None)
    assert_agree(outcome(loss, embeddings, labels, "sparse"), expected, tolerance)
    assert [int(count) for count in loss._counts] == [int(count) for count in counts]


class Waits(TorchDispatchMode):
    """Counts the operations for which the processor has to wait for a GPU: those that give it a number or a shape."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.name()
        by_mask = name.startswith(("aten::index.", "aten::index_put")) and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        if by_mask or name.split(".")[0] in WAITING:
            self.names.append(name)
        return func(*args, **(kwargs or {}))


WAITING = {
    f"aten::{name}" for name in ("_local_scalar_dense", "nonzero", "masked_select", "unique_consecutive", "equal")
}


def waits_of_steps(path: str, steps: int) -> list[int]:
    """How often each step would wait for a GPU, while proxies move."""
    torch.manual_seed(0)
    loss = PotentialFieldLoss(300, 64, 2, delta=0.2)
    loss.path = path
    weight, labels = loss.proxy_vectors, torch.randint(300, (30,)).repeat_interleave(4)
    assert weight is not None
    counts = []
    for _ in range(steps):
        embeddings = normalize(torch.randn(120, 64)).requires_grad_()
        with Waits() as waits:
            loss(embeddings, labels).backward()
        counts.append(len(waits.names))
        with torch.no_grad():
            weight.add_(1e-3 * normalize(torch.randn_like(weight)))
    return counts


def test_a_step_by_list_waits_once() -> None:
    """For a GPU at the size of SOP, but for steps that renew the list. The page on speed has the numbers."""
    counts = waits_of_steps("listed", 40)
    assert min(counts[2:]) == 1
    assert sum(count > 1 for count in counts[2:]) <= 3
    renewed = " or ".join(map(str, sorted(set(counts) - {1})))
    often = min(waits_of_steps("sparse", 4))
    assert often > 5, "the count can fail"
    page = " ".join((ROOT / "docs" / "dev" / "speed.md").read_text().split())
    assert f"one a step, and {renewed} in a step that renews the list of 600 proxies" in page
    assert f"the sparse path has {often} a step there" in page


def test_choice_of_the_list_by_device_and_size() -> None:
    assert [is_listed(torch.device(name), 120, 22636) for name in ("cpu", "cuda")] == [False, True]
    assert not is_listed(torch.device("cuda"), 4096, 22636), "the matrix of batch and proxies would be large"
    assert not is_listed(torch.device("cuda"), 8192, 0)
