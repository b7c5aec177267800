"""Losses by name and by target: what is found, what may be set, what is refused."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from suite.errors import SuiteError
from suite.losses.build import TRAINING_SETTINGS
from suite.losses.probe import probe
from suite.losses.registry import BUILT_IN, check_hyperparameters, find_loss, load_target
from suite.settings.params import LossSettings
from tests.helpers.synthetic import own_loss


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_built_in_losses_are_found_and_work(name):
    entry = find_loss(name, LossSettings())
    assert issubclass(entry.cls, nn.Module)
    assert entry.target == BUILT_IN[name]
    assert set(entry.search_space) <= set(entry.hyperparameter_names())
    assert set(entry.search_space) >= {"learning_rate"}
    probe(name, entry.build({}, 6, 8), 6, 8)


def test_names_that_may_be_set_leave_out_what_the_suite_gives():
    names = find_loss("pfml", LossSettings()).hyperparameter_names()
    assert {"alpha", "delta", "proxies_per_class", *TRAINING_SETTINGS} <= set(names)
    assert not {"num_classes", "embedding_dim", "self"} & set(names)


@pytest.mark.parametrize("name", ["ContrastiveLoss", "CircleLoss", "ArcFaceLoss", "NTXentLoss"])
def test_losses_of_pytorch_metric_learning(name):
    entry = find_loss("theirs", LossSettings(target=f"pytorch_metric_learning.losses:{name}"))
    values = {"ContrastiveLoss": {"pos_margin": 0.1}, "NTXentLoss": {"temperature": 0.2}}.get(name, {})
    check_hyperparameters(entry, values, "params.yaml")
    loss = entry.build(values, 6, 8)
    probe("theirs", loss, 6, 8)
    assert all(getattr(loss, key, value) == value for key, value in values.items())


def test_constructor_parameters_of_parents_count_where_they_are_passed_on():
    names = load_target("theirs", "pytorch_metric_learning.losses:ContrastiveLoss").hyperparameter_names()
    assert names[:2] == ["pos_margin", "neg_margin"]
    assert {"reducer", "distance"} <= set(names)


def test_an_own_file_changes_its_digest_with_its_bytes(workplace):
    first = load_target("own", own_loss("return value"))
    again = load_target("own", own_loss("return value"))
    other = load_target("own", own_loss("return 2 * value"))
    assert first.sha256 == again.sha256 != other.sha256
    assert first.hyperparameter_names() == ["weight", *TRAINING_SETTINGS]
    embeddings = nn.functional.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    assert torch.equal(2 * first.cls()(embeddings, labels), other.cls()(embeddings, labels))


def test_a_package_has_the_digest_of_all_its_files(workplace, monkeypatch):
    monkeypatch.syspath_prepend(str(workplace))
    package = workplace / "some_losses"
    package.mkdir()
    (package / "__init__.py").write_text("from some_losses.inner import Some\n")
    (package / "inner.py").write_text("from torch import nn\nclass Some(nn.Module): pass\n")
    first = load_target("some", "some_losses:Some").sha256
    (package / "inner.py").write_text("from torch import nn\nclass Some(nn.Module): '''changed'''\n")
    for name in ("some_losses", "some_losses.inner"):
        sys.modules.pop(name)
    assert load_target("some", "some_losses:Some").sha256 != first


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("my_losses/own.py", "allowed are module:Class and path/file.py:Class"),
        (":Own", "allowed are module:Class and path/file.py:Class"),
        ("my_losses/own.py:", "allowed are module:Class and path/file.py:Class"),
        ("my_losses/none.py:Own", "file my_losses/none.py does not exist"),
        ("../elsewhere.py:Own", "../elsewhere.py lies outside the project; allowed are files below"),
        ("my_losses/own.py:Other", "no nn.Module of that name; allowed: Own"),
        ("my_losses/own.py:torch", "no nn.Module of that name; allowed: Own"),
        ("my_losses/broken.py:Own", "my_losses/broken.py fails on import: ZeroDivisionError: division by zero"),
        ("my_losses/syntax.py:Own", "my_losses/syntax.py fails on import: SyntaxError: "),
        ("no_such_module:Own", "cannot import no_such_module: No module named 'no_such_module'"),
        ("math:sqrt", "no nn.Module of that name; allowed: none there"),
        ("_compiled:Loss", "_compiled has no Python source; records need the digest of the source"),
    ],
)
def test_bad_targets(workplace, target, message, monkeypatch):
    own_loss("return value")
    compiled = ModuleType("_compiled")
    compiled.Loss = type("Loss", (nn.Module,), {})
    monkeypatch.setitem(sys.modules, "_compiled", compiled)
    Path("../elsewhere.py").write_text(Path("my_losses/own.py").read_text())
    Path("my_losses/broken.py").write_text("1 / 0\n")
    Path("my_losses/syntax.py").write_text("def (\n")
    with pytest.raises(SuiteError) as caught:
        load_target("own", target)
    assert str(caught.value).startswith(f"params.yaml: losses.own.target = {target!r}: ")
    assert message in str(caught.value)


def test_unknown_name():
    with pytest.raises(SuiteError, match=r"losses\.magic: unknown loss; allowed: pfml, .*or an entry with target"):
        find_loss("magic", LossSettings())


def test_a_value_that_the_constructor_refuses():
    entry = find_loss("pfml", LossSettings())
    with pytest.raises(SuiteError, match=r"params\.yaml: losses\.pfml: alpha = -1: allowed are finite numbers >= 0"):
        entry.build({"alpha": -1}, 4, 8)


def test_learning_rates_do_not_reach_the_constructor():
    entry = find_loss("pfml", LossSettings())
    assert entry.build({"learning_rate": 1.0, "proxy_learning_rate": 1.0}, 4, 8) is not None


@pytest.mark.parametrize(
    "name", ["ArcFaceLoss", "SubCenterArcFaceLoss", "ProxyNCALoss", "SoftTripleLoss", "CircleLoss"]
)
def test_library_losses_are_given_their_sizes(name):
    entry = load_target(name, f"pytorch_metric_learning.losses:{name}")
    loss = entry.build({}, num_classes=7, embedding_dim=5)
    assert {size for parameter in loss.parameters() for size in parameter.shape} <= {5, 7, 21, 70}
    assert not {"num_classes", "embedding_dim", "embedding_size"} & set(entry.hyperparameter_names())
