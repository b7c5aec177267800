"""What every loss promises: declarations beside the formula, finite degenerate batches, cheap import."""

import inspect
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from baselines.circle import CircleLoss
from baselines.constant_force import ConstantForceLoss, GrowingForceLoss
from baselines.cpml import CPMLLoss
from baselines.cross_batch_memory import CrossBatchMemoryLoss
from baselines.hist import HISTLoss
from baselines.multi_similarity import MultiSimilarityLoss
from baselines.normalized_softmax import NormalizedSoftmaxLoss
from baselines.prism import PRISMLoss
from baselines.proxy_anchor import ProxyAnchorLoss
from baselines.proxy_nca_pp import ProxyNCAPlusPlusLoss
from baselines.recall_at_k import RecallAtKLoss
from baselines.smooth_ap import SmoothAPLoss
from baselines.smooth_proxy_anchor import SmoothProxyAnchorLoss
from baselines.soft_triple import SoftTripleLoss
from baselines.sub_center_arcface import SubCenterArcFaceLoss
from baselines.supcon import SupConLoss
from baselines.super_loss import SuperLoss
from baselines.triplet import TripletLoss
from baselines.two_radii import TwoRadiiLoss
from pfml import PotentialFieldLoss
from tests.helpers.paths import ROOT

LOSSES: list[Any] = [
    PotentialFieldLoss,
    CPMLLoss,
    ConstantForceLoss,
    GrowingForceLoss,
    TwoRadiiLoss,
    ProxyAnchorLoss,
    TripletLoss,
    MultiSimilarityLoss,
    SoftTripleLoss,
    ProxyNCAPlusPlusLoss,
    HISTLoss,
    CircleLoss,
    CrossBatchMemoryLoss,
    NormalizedSoftmaxLoss,
    PRISMLoss,
    RecallAtKLoss,
    SmoothAPLoss,
    SmoothProxyAnchorLoss,
    SubCenterArcFaceLoss,
    SuperLoss,
    SupConLoss,
]
TRAINING = {"learning_rate", "proxy_learning_rate"}


def make(loss: Any, **settings: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    wanted = inspect.signature(loss).parameters
    shape = {"num_classes": 5, "embedding_dim": 8}
    module: torch.nn.Module = loss(**{name: value for name, value in shape.items() if name in wanted}, **settings)
    return module


@pytest.mark.parametrize("loss", LOSSES)
def test_declares_formula_source_and_search_space(loss: Any) -> None:
    assert isinstance(loss.formula, str)
    assert loss.formula
    assert "20" in loss.source, "the source names its year"
    settings = set(loss.search_space)
    assert settings - TRAINING <= set(inspect.signature(loss).parameters)
    assert "learning_rate" in settings
    assert ("proxy_learning_rate" in settings) == bool(list(make(loss).parameters()))
    for entry in loss.search_space.values():
        assert set(entry) in ({"values"}, {"low", "high", "log"})


@pytest.mark.parametrize("loss", LOSSES)
def test_published_values_are_settings_of_the_loss(loss: Any) -> None:
    allowed = set(loss.search_space) | set(inspect.signature(loss).parameters)
    assert set(loss.paper_values) <= allowed
    assert all(
        set(value) == {"large_classes", "small_classes"}
        for value in loss.paper_values.values()
        if isinstance(value, dict)
    )
    assert loss.paper_values or loss.undisclosed, "either the paper gives values, or what it leaves open is said"
    assert all(isinstance(text, str) and text for text in loss.undisclosed)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("size", ["large_classes", "small_classes"])
def test_published_values_are_valid(loss: Any, size: str) -> None:
    values = {name: value[size] if isinstance(value, dict) else value for name, value in loss.paper_values.items()}
    make(loss, **{name: value for name, value in values.items() if name not in TRAINING})


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("end", [0, -1])
def test_ends_of_the_search_space_are_valid_and_train(loss: Any, end: int) -> None:
    ends = {
        name: entry["values"][end] if "values" in entry else entry["high" if end else "low"]
        for name, entry in loss.search_space.items()
        if name not in TRAINING
    }
    module = make(loss, **ends)
    embeddings = normalize(torch.randn(20, 8)).requires_grad_()
    value = module(embeddings, torch.arange(20) % 5)
    value.backward()
    assert bool(value.isfinite())
    assert embeddings.grad is not None
    assert bool(embeddings.grad.isfinite().all())


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("labels", [[2], [2, 2, 2], [0, 1, 2], [2, 4]])
def test_degenerate_batches_are_finite_with_gradient(loss: Any, labels: list[int]) -> None:
    embeddings = normalize(torch.randn(len(labels), 8)).requires_grad_()
    value = make(loss)(embeddings, torch.tensor(labels))
    value.backward()
    assert value.ndim == 0
    assert bool(value.isfinite())
    assert embeddings.grad is not None
    assert bool(embeddings.grad.isfinite().all())


@pytest.mark.parametrize("loss", LOSSES)
def test_labels_of_any_integer_type(loss: Any) -> None:
    embeddings, wide = normalize(torch.randn(10, 8)), torch.arange(10) % 5
    assert torch.equal(make(loss)(embeddings, wide), make(loss)(embeddings, wide.int()))
    module = make(loss)
    with pytest.raises(ValueError, match="labels must have shape"):
        module(embeddings, wide[:3])


def test_import_leaves_the_library_alone() -> None:
    files = sorted(path.stem for path in (ROOT / "baselines").glob("*.py"))
    code = (
        f"import sys, pfml, {', '.join(f'baselines.{name}' for name in files if name != '__init__')}; "
        "print([name for name in ('pytorch_metric_learning', 'suite') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
