"""Miners in front of losses, and the modules that a loss file imports from beside itself."""

import sys
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from suite.errors import SuiteError
from suite.losses.by_hand import check_by_hand, values_by_hand
from suite.losses.probe import probe
from suite.losses.registry import check_hyperparameters, find_loss, load_target
from suite.settings.params import LossSettings

CIRCLE = "pytorch_metric_learning.losses:CircleLoss"
MINER = "pytorch_metric_learning.miners:MultiSimilarityMiner"


def test_a_library_loss_with_its_miner_is_the_library_s_own_combination():
    from pytorch_metric_learning.losses import CircleLoss
    from pytorch_metric_learning.miners import MultiSimilarityMiner

    settings = LossSettings(target=CIRCLE, miner=MINER, params={"m": 0.3}, miner_params={"epsilon": 0.05})
    entry = find_loss("circle", settings)
    check_hyperparameters(entry, values_by_hand(settings), "here")
    loss = entry.build(values_by_hand(settings), 6, 8)
    embeddings = normalize(torch.randn(24, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    labels = torch.arange(24) % 6
    miner, plain = MultiSimilarityMiner(epsilon=0.05), CircleLoss(m=0.3)
    assert torch.equal(loss(embeddings, labels), plain(embeddings, labels, miner(embeddings, labels)))
    assert not torch.equal(loss(embeddings, labels), plain(embeddings, labels))
    probe("circle", loss, 6, 8)


def test_the_target_of_a_plan_brings_the_miner_back():
    entry = find_loss("circle", LossSettings(target=CIRCLE, miner=MINER))
    assert entry.target == f"{CIRCLE} + {MINER}"
    assert load_target("circle", entry.target) == entry
    assert entry.sha256 != load_target("circle", CIRCLE).sha256
    assert "miner_epsilon" in entry.hyperparameter_names()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"miner": "pytorch_metric_learning.miners:None"},
            "losses.circle.miner = .*: no nn.Module of that name; allowed: ",
        ),
        ({"miner": "gone.py:Miner"}, "losses.circle.miner = 'gone.py:Miner': file gone.py does not exist"),
        (
            {"target": "pfml:PotentialFieldLoss", "miner": MINER},
            "PotentialFieldLoss takes no pairs from a miner; allowed:",
        ),
    ],
)
def test_miners_that_are_refused(workplace, settings, message):
    with pytest.raises(SuiteError, match=message):
        find_loss("circle", LossSettings(**{"target": CIRCLE, "miner": MINER} | settings))


def test_an_unknown_setting_of_a_miner():
    settings = LossSettings(target=CIRCLE, miner=MINER, miner_params={"epsilom": 0.1})
    with pytest.raises(
        SuiteError, match=r"miner_epsilom is no hyper-parameter of loss circle; allowed: .*miner_epsilon"
    ):
        check_hyperparameters(find_loss("circle", settings), values_by_hand(settings), "here")


MEMORY = {
    "target": "pytorch_metric_learning.losses:CrossBatchMemory",
    "wraps": {"target": "pytorch_metric_learning.losses:ContrastiveLoss", "params": {"pos_margin": 0.1}},
}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            MEMORY | {"params": {"wrapped_pos_margin": 1}},
            "here: wraps.params.pos_margin and params.wrapped_pos_margin set",
        ),
        (
            MEMORY | {"params": {"pos_margin": 1}},
            "here.params: pos_margin is no hyper-parameter of loss own; allowed: mem",
        ),
        (
            MEMORY | {"wraps": MEMORY["wraps"] | {"params": {"margn": 1}}},
            "here.wraps.params: margn is no hyper-parameter of ContrastiveLoss; allowed: collect_stats, distance, ",
        ),
        (
            {"target": CIRCLE, "miner": MINER, "params": {"miner_epsilon": 0.1}, "miner_params": {"epsilon": 0.1}},
            "here: miner_params.epsilon and params.miner_epsilon set the same; allowed: one of them",
        ),
        (
            {"target": CIRCLE, "miner": MINER, "miner_params": {"epsilom": 0.1}},
            "here.miner_params: epsilom is no hyper-parameter of MultiSimilarityMiner; allowed: ",
        ),
    ],
)
def test_values_of_a_part_are_set_once_and_are_its_own(settings, message):
    settings = LossSettings(**settings)
    with pytest.raises(SuiteError) as raised:
        check_by_hand(find_loss("own", settings), settings, "here")
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("params", [{}, {"wrapped_neg_margin": 0.5, "memory_size": 10}])
def test_values_of_parts_may_be_set_in_both_places(params):
    settings = LossSettings(**MEMORY | {"params": params})
    check_by_hand(find_loss("own", settings), settings, "here")
    assert values_by_hand(settings) == {"wrapped_pos_margin": 0.1} | params


LOSS = """
from torch import nn

import shared_part


class Own(nn.Module):
    def forward(self, embeddings, labels):
        return shared_part.value(embeddings)
"""


def write(folder, factor):
    Path(folder).mkdir(exist_ok=True)
    Path(folder, "loss.py").write_text(LOSS)
    Path(folder, "shared_part.py").write_text(f"def value(embeddings):\n    return {factor} * embeddings.sum()\n")
    return load_target("own", f"{folder}/loss.py:Own")


@pytest.fixture
def clean_path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("shared_part", None)


def test_an_edited_helper_is_what_runs(workplace, clean_path):
    first = write("one", 2)
    assert first.cls()(torch.ones(3), None).item() == 6
    second = write("one", 5)
    assert second.cls()(torch.ones(3), None).item() == 15
    assert first.sha256 != second.sha256


def test_two_helpers_of_one_name_are_refused(workplace, clean_path):
    write("one", 2)
    with pytest.raises(
        SuiteError, match=r"import of shared_part finds .*one/shared_part\.py instead of .*two/shared_part"
    ):
        write("two", 3)


ASKING = """
from torch import nn


class Asking(nn.Module):
    def forward(self, embeddings, labels, indices_tuple=None, *, epoch=None, indices=None):
        return embeddings.sum()


class Deaf(nn.Module):
    def __init__(self, loss):
        super().__init__()
        self.loss = loss

    def forward(self, embeddings, labels):
        return self.loss(embeddings, labels)


class HandsOn(Deaf):
    def forward(self, embeddings, labels, *, epoch, indices):
        return self.loss(embeddings, labels, epoch=epoch, indices=indices)
"""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"target": "asking.py:Asking", "miner": MINER},
            r"losses\.own\.miner = .*: Asking asks for epoch, indices, which nothing hands on to it there; allowed",
        ),
        (
            {"target": "asking.py:Deaf", "wraps": {"target": "asking.py:Asking"}},
            r"\.wraps\.target = .*: Asking asks for epoch, indices, .*, or a Deaf that asks for it and hands it on",
        ),
        ({"target": "asking.py:HandsOn", "wraps": {"target": "asking.py:Asking"}}, None),
        ({"target": "asking.py:Asking"}, None),
    ],
)
def test_what_a_loss_asks_for_reaches_it_or_is_refused(workplace, settings, message):
    (workplace / "asking.py").write_text(ASKING)
    if message is None:
        assert find_loss("own", LossSettings(**settings)).name == "own"
        return
    with pytest.raises(SuiteError, match=message):
        find_loss("own", LossSettings(**settings))


CLASHING = """
from torch import nn


class Own(nn.Module):
    def __init__(self, PARAMETER, margin=0.5):
        super().__init__()

    def forward(self, embeddings, labels, indices_tuple=None):
        return embeddings.sum()
"""


@pytest.mark.parametrize(
    ("parameter", "behind", "refused"),
    [
        ("epochs=3", None, True),
        ("learning_rate=0.1", None, True),
        ("proxy_learning_rate", None, True),
        ("miner_margin=0.3", MINER, True),
        ("miner_margin=0.3", None, False),
        ("epochs_of_warm_up=3", MINER, False),
    ],
)
def test_a_parameter_that_would_never_reach_its_loss_is_refused(workplace, parameter, behind, refused):
    (workplace / "clash.py").write_text(CLASHING.replace("PARAMETER", parameter))
    settings = LossSettings(target="clash.py:Own", miner=behind)
    if not refused:
        assert find_loss("own", settings).name == "own"
        return
    with pytest.raises(
        SuiteError, match=rf"own\.target = 'clash.py:Own': Own has a parameter {parameter.split('=')[0]}, "
    ):
        find_loss("own", settings)
