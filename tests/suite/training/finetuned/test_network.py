"""The cut of a backbone: both parts together give what the whole network gives."""

import pytest
import timm
import torch
from torch import nn

from suite.errors import SuiteError
from suite.training.backbone import Backbone
from suite.training.finetuned.network import chain, cut_backbone, fold_batch_norm, sha256_weights


def backbone(name: str) -> Backbone:
    """A network of random weights whose batch norm is no identity."""
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, num_classes=0).eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0, 0.1)
    return Backbone(model.requires_grad_(False), model.num_features, (0.5,) * 3, (0.5,) * 3)


@pytest.mark.parametrize(
    ("name", "cut", "shape"),
    [
        ("tf_efficientnet_lite0", "blocks.4.2", (112, 6, 6)),
        ("tf_efficientnet_lite0", "blocks.5.0", (192, 3, 3)),
        ("tf_efficientnet_lite0", "conv_stem", (32, 48, 48)),
        ("resnet18", "layer3.0", (256, 6, 6)),
    ],
)
def test_both_parts_together_are_the_network(name, cut, shape):
    whole = backbone(name)
    standing, learning = cut_backbone(whole, 96, cut, "cut")
    pixels = torch.randn(3, 3, 96, 96)
    with torch.no_grad():
        maps = standing(pixels)
        found, expected = learning(maps), whole.model(pixels)
    assert maps.shape[1:] == shape
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_no_batch_norm_is_left_and_the_backbone_stays():
    whole = backbone("tf_efficientnet_lite0")
    before = sha256_weights(whole.model)
    parts = cut_backbone(whole, 96, "blocks.4.2", "cut")
    assert not any(isinstance(layer, nn.BatchNorm2d) for part in parts for layer in part.modules())
    assert sha256_weights(whole.model) == before


def test_folding_is_the_affine_map_of_each_channel():
    torch.manual_seed(1)
    block = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU()).double().eval()
    norm = block[1]
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2.0)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    raw = block[0](images)
    mean, deviation = (
        values[None, :, None, None] for values in (norm.running_mean, (norm.running_var + norm.eps).sqrt())
    )
    expected = ((raw - mean) / deviation * norm.weight[None, :, None, None] + norm.bias[None, :, None, None]).relu()
    fold_batch_norm(block)
    torch.testing.assert_close(block(images), expected)


def test_names_are_those_of_timm():
    model = backbone("tf_efficientnet_lite0").model
    for name, block in chain(model):
        assert model.get_submodule(name) is block


@pytest.mark.parametrize("cut", ["blocks.9", "blocks.4", "bn2", "global_pool", ""])
def test_an_unknown_cut_is_refused(cut):
    with pytest.raises(
        SuiteError, match=r"cut = '.*' is no block of the backbone before its last; allowed: .*blocks\.4\.2"
    ):
        cut_backbone(backbone("tf_efficientnet_lite0"), 96, cut, "cut")


def test_a_network_that_is_no_chain_is_refused():
    model = timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=0, img_size=96).eval()
    with pytest.raises(SuiteError, match="cannot be cut; allowed: chains such as EfficientNet"):
        cut_backbone(Backbone(model, 192, (0.5,) * 3, (0.5,) * 3, 96), 96, "blocks.3", "cut")


def test_the_digest_of_weights_sees_each_value():
    layer = nn.Linear(2, 2)
    before = sha256_weights(layer)
    with torch.no_grad():
        layer.bias[1] += 1e-3
    assert sha256_weights(layer) != before
