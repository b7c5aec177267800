"""Training from images: pairing, warm-up, frozen batch norm, precision, and the same bits after an interruption."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from suite.data.archives.dataset import CachedImages
from suite.losses.registry import BUILT_IN
from suite.training.whole_network.checkpoint import Checkpoint
from suite.training.whole_network.embed import embed_images, without_head
from suite.training.whole_network.engine import Engine, Machine
from suite.training.whole_network.fit import finetune
from suite.training.whole_network.networks import build_network
from suite.training.whole_network.transforms import test_transform as plain_transform
from tests.helpers.synthetic import own_loss
from tests.suite.training.whole_network import tiny

PFML = BUILT_IN["pfml"]


@pytest.fixture(autouse=True)
def data(cub):
    """The small data set in the current folder."""


def engine(precision="float32", workers=0, **machine):
    return Engine(Machine("cpu", workers=workers, **machine), precision, part_learns=False)


def train(
    workplace, target=PFML, precision="float32", workers=0, stop_after=None, checkpoint=None, at_start=None, **changes
):
    """Train by a small recipe; gives network and curve. ``stop_after`` interrupts after that many epochs."""
    settings = tiny.settings_of(tiny.recipe_file(workplace / "r.yaml", **changes))
    images = CachedImages("cub", "training")
    curve = []

    def on_epoch(epoch, value):
        curve.append(value)
        assert epoch == len(curve)
        if epoch == stop_after:
            raise KeyboardInterrupt

    network = finetune(
        engine(precision, workers),
        settings,
        target,
        images,
        images.labels,
        images.num_training_classes,
        ("cub", 0),
        checkpoint,
        on_epoch,
        at_start,
    )
    return network, curve


def equal(first, second):
    return all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


def test_an_interrupted_run_ends_in_the_same_bits(workplace):
    """With what has a state: Adam's moments, a schedule, proxies, running statistics of batch norm."""
    changes = {
        "schedule__length": 3,
        "schedule__warm_up_epochs": 1,
        "schedule__kind": "step",
        "schedule__step": 1,
        "schedule__gamma": 0.5,
        "backbone__freeze_batch_norm": "none",
    }
    whole, curve = train(workplace, **changes)
    checkpoint = Checkpoint(workplace / "run.pt", "key")
    for epochs in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            train(workplace, checkpoint=checkpoint, stop_after=epochs, **changes)
    torch.rand(7)  # resuming depends on no random state that was left behind
    resumed, again = train(workplace, checkpoint=checkpoint, **changes)
    assert again == curve
    assert len(set(curve)) == 3
    assert equal(whole, resumed)


def test_the_number_of_workers_changes_nothing(workplace):
    first, curve = train(workplace, schedule__length=1)
    second, again = train(workplace, workers=2, schedule__length=1)
    assert again == curve
    assert equal(first, second)


class Watching(nn.Module):
    """A loss with a proxy that keeps what it is given."""

    seen: ClassVar[list] = []

    def __init__(self, num_classes, embedding_dim):
        super().__init__()
        self.proxy = nn.Parameter(torch.ones(embedding_dim))

    def forward(self, embeddings, labels):
        self.seen.append((embeddings.detach().clone(), labels.clone(), self.proxy.detach().clone()))
        return (embeddings @ self.proxy).mean()


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(Watching, "seen", [])
    return f"{__name__}:Watching", Watching.seen


def small(**changes):
    return {"loss__hyperparameters": {}, "schedule__length": 1} | changes


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_loss_sees_float32_unit_vectors(workplace, watched, precision):
    target, seen = watched
    train(workplace, target, precision, **small())
    assert len(seen) == 3
    for embeddings, labels, _ in seen:
        assert embeddings.dtype == torch.float32
        assert torch.allclose(embeddings.norm(dim=1), torch.ones(8), atol=1e-5)
        assert torch.equal(labels, labels[::2].repeat_interleave(2))


def test_bfloat16_reaches_the_network(workplace, watched):
    target, seen = watched
    for precision in ("float32", "bfloat16"):
        train(workplace, target, precision, **small())
    exact, rounded = seen[0][0], seen[3][0]
    assert torch.allclose(exact, rounded, atol=0.1)
    assert not torch.allclose(exact, rounded, atol=1e-5)


def test_losses_share_first_embeddings_and_batches(workplace, watched):
    target, seen = watched
    train(workplace, target, **small())
    train(workplace, target, **small(optimiser__learning_rate=0.1))
    assert torch.equal(seen[0][0], seen[3][0])
    assert [labels.tolist() for _, labels, _ in seen[:3]] == [labels.tolist() for _, labels, _ in seen[3:]]
    assert not torch.equal(seen[2][0], seen[5][0])


def test_in_warm_up_epochs_only_head_and_proxies_learn(workplace, watched):
    target, seen = watched
    states = []
    changes = small(schedule__length=2, schedule__warm_up_epochs=1, backbone__freeze_batch_norm="statistics")
    checkpoint = Checkpoint(workplace / "run.pt", "key")
    with pytest.raises(KeyboardInterrupt):
        train(
            workplace,
            target,
            checkpoint=checkpoint,
            stop_after=1,
            at_start=lambda network: states.append({n: v.clone() for n, v in network.state_dict().items()}),
            **changes,
        )
    warm = torch.load(checkpoint.path, weights_only=True)["network"]
    assert {name for name, value in warm.items() if not torch.equal(value, states[0][name])} == {
        "head.weight",
        "head.bias",
    }
    assert not torch.equal(seen[0][2], seen[2][2])
    network, _ = train(workplace, target, checkpoint=checkpoint, **changes)
    learned = {name for name, value in network.state_dict().items() if not torch.equal(value, warm[name])}
    assert {"head.weight", "trunk.conv_stem.weight", "trunk.bn1.weight"} <= learned
    assert not any("running" in name for name in learned)


def test_the_network_ends_in_evaluation_mode_and_begins_as_it_is_built(workplace):
    begun = []
    network, _ = train(workplace, at_start=lambda network: begun.append(network.training), schedule__length=1)
    assert begun == [False]
    assert not network.training


def test_embeddings_are_those_of_the_network_one_by_one(workplace):
    settings = tiny.settings_of(tiny.recipe_file(workplace / "r.yaml"))
    network = build_network(settings.backbone).eval()
    images, transform = CachedImages("cub", "test"), plain_transform(settings.images)
    rows = np.array([5, 0, 17])
    alone = torch.stack([transform(images.image(row)) for row in rows])
    with torch.no_grad():
        expected, features = network(alone), network.features(alone)
    found = embed_images(engine(), network, images, rows, transform, batch_size=2)
    assert np.allclose(found, expected, atol=1e-5)
    frozen = embed_images(engine(), without_head(network), images, rows, transform, batch_size=3)
    assert np.allclose(frozen, nn.functional.normalize(features), atol=1e-5)


def test_compiling_is_asked_of_torch(workplace, monkeypatch):
    """The compiler itself takes minutes; that the network goes through it is what can be seen here."""
    asked = []
    monkeypatch.setattr(torch, "compile", lambda module: asked.append(module) or module)
    settings = tiny.settings_of(tiny.recipe_file(workplace / "r.yaml"))
    network = build_network(settings.backbone)
    engine().set_up_network(network)
    assert asked == []
    engine(compile=True).set_up_network(network)
    assert asked == [network]


def test_what_lies_on_the_device_is_in_channels_last_order(workplace):
    settings = tiny.settings_of(tiny.recipe_file(workplace / "r.yaml"))
    network = build_network(settings.backbone)
    running = engine()
    running.set_up_network(network)
    assert network.trunk.conv_head.weight.is_contiguous(memory_format=torch.channels_last)
    assert running.to_device(torch.rand(2, 3, 8, 8)).is_contiguous(memory_format=torch.channels_last)


def test_a_loss_of_your_own(workplace):
    _, curve = train(workplace, own_loss("return value"), **small())
    assert len(curve) == 1
