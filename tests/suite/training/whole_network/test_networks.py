"""Networks with random weights, and the embedded one with its own."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from suite.errors import SuiteError
from suite.settings.paper_recipes import Backbone, load_paper_recipe, paper_recipe_names
from suite.settings.params import BackboneSettings
from suite.training.backbone import load_backbone
from suite.training.whole_network.networks import EMBEDDED_WEIGHTS, build_network

RESNET = {
    "architecture": "resnet50",
    "weights": None,
    "pooling": "average_plus_max",
    "embedding_dim": 16,
    "head_initialisation": "kaiming_normal_fan_out",
    "freeze_batch_norm": "statistics_and_affine",
}
LITE = RESNET | {"architecture": "tf_efficientnet_lite0"}
VIT = RESNET | {"architecture": "vit_small_patch16_224", "pooling": "token", "freeze_batch_norm": "none"}


def network(settings, **changes):
    torch.manual_seed(0)
    return build_network(Backbone.model_validate(settings | changes))


def images(count=4, side=64):
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("settings", "side"), [(RESNET, 64), (LITE, 64), (VIT, 224)])
def test_embeddings_are_unit_vectors_of_the_dimension(settings, side):
    embeddings = network(settings)(images(2, side))
    assert embeddings.shape == (2, 16)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(2), atol=1e-5)


def test_embeddings_are_float32_under_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        assert network(LITE)(images()).dtype == torch.float32


@pytest.mark.parametrize(
    ("pooling", "formula"),
    [
        ("average", lambda maps: maps.reshape(*maps.shape[:2], -1).sum(2) / maps[0, 0].numel()),
        ("max", lambda maps: maps.flatten(2).sort(dim=2).values[:, :, -1]),
        ("average_plus_max", lambda maps: maps.flatten(2).mean(2) + maps.flatten(2).max(2).values),
    ],
)
def test_pooling_of_maps(pooling, formula):
    net = network(LITE, pooling=pooling).eval()
    maps = net.trunk.forward_features(images())
    expected = nn.functional.normalize(formula(maps) @ net.head.weight.T + net.head.bias)
    assert maps.shape[2:] == (2, 2)
    assert torch.allclose(net(images()), expected, atol=1e-5)


def test_pooling_of_tokens():
    net = network(VIT).eval()
    tokens = net.trunk.forward_features(images(2, 224))
    assert tokens.shape == (2, 1 + 14 * 14, 384)
    assert torch.equal(net.pool(tokens), tokens[:, 0])
    net = network(VIT, pooling="average")
    assert torch.allclose(net.pool(tokens), tokens[:, 1:].mean(1))


def changes_of(net):
    """Which of running statistics, scale and shift of batch norm, and convolutions a step of training changes."""
    optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=1.0)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.train()
    net(images())[:, 0].sum().backward()
    optimiser.step()
    after = net.state_dict()
    norms = {name for name, layer in net.trunk.named_modules() if isinstance(layer, nn.BatchNorm2d)}
    parts = {"statistics": [], "affine": [], "convolutions": []}
    for name in before:
        owner, _, last = name.removeprefix("trunk.").rpartition(".")
        if owner in norms:
            parts["statistics" if last.startswith(("running", "num")) else "affine"].append(name)
        elif name.startswith("trunk"):
            parts["convolutions"].append(name)
    return {part for part, names in parts.items() if any(not torch.equal(before[n], after[n]) for n in names)}


@pytest.mark.parametrize(
    ("settings", "frozen", "changed"),
    [
        (LITE, "none", {"statistics", "affine", "convolutions"}),
        (LITE, "statistics", {"affine", "convolutions"}),
        (LITE, "statistics_and_affine", {"convolutions"}),
        (RESNET, "statistics_and_affine", {"convolutions"}),
    ],
)
def test_frozen_batch_norm(settings, frozen, changed):
    assert changes_of(network(settings, freeze_batch_norm=frozen)) == changed


def test_in_warm_up_only_the_head_learns_and_afterwards_frozen_scales_stay_so():
    net = network(LITE)
    learning = {name for name, parameter in net.named_parameters() if parameter.requires_grad}
    net.learn_trunk(learn=False)
    assert {name for name, parameter in net.named_parameters() if parameter.requires_grad} == {
        "head.weight",
        "head.bias",
    }
    net.learn_trunk(learn=True)
    assert {name for name, parameter in net.named_parameters() if parameter.requires_grad} == learning
    assert not any("bn1" in name for name in learning)


def test_the_head_starts_as_the_recipe_says():
    net = network(RESNET, embedding_dim=512)
    assert net.head.weight.std().item() == pytest.approx((2 / 512) ** 0.5, rel=0.01)
    assert not net.head.bias.any()
    assert network(LITE, head_initialisation="default").head.bias.any()


def test_the_embedded_weights_give_the_embedded_features():
    net = network(LITE, weights=EMBEDDED_WEIGHTS, pooling="average").eval()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    features = torch.from_numpy(load_backbone(BackboneSettings()).features(pixels))
    with torch.no_grad():
        assert torch.allclose(net.pool(net.trunk.forward_features(batch)), features, atol=1e-5)
    assert all(p.requires_grad for n, p in net.named_parameters() if "conv" in n)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "bn_inception"}, "no maintained library has it; allowed: resnet50, vit_small"),
        (
            {"weights": "resnet18.tv_in1k"},
            "backbone.weights = 'resnet18.tv_in1k' are not of resnet50; allowed: resnet50.TAG",
        ),
        ({"pooling": "token"}, "backbone.pooling = 'token' with resnet50; allowed: average, max, average_plus_max"),
        ({"weights": "resnet50.magic"}, "backbone.weights = 'resnet50.magic' cannot be loaded: "),
    ],
)
def test_what_cannot_be_built_is_refused(changes, message):
    with pytest.raises(SuiteError, match=re.escape(message)):
        network(RESNET, **changes)
    with pytest.raises(SuiteError, match=r"allowed: token, average$"):
        network(VIT, pooling="max")


def test_the_weights_of_all_recipes_are_known_to_timm():
    import timm

    for name in paper_recipe_names():
        weights = load_paper_recipe(name).settings.backbone.weights
        assert weights is None or timm.models.get_pretrained_cfg(weights).architecture == "resnet50"
    assert timm.models.get_pretrained_cfg("vit_small_patch16_224.dino").architecture == "vit_small_patch16_224"
