"""Convolutions as matrix products: the same values and gradients as convolutions, in float64."""

import copy

import pytest
import torch
from torch import nn

from suite.training.finetuned.layers import ChannelsFirst, Depthwise, Pointwise, fast


def channels_first(maps):
    """(N, C, h, w) as (C, N, P)."""
    return maps.flatten(2).transpose(0, 1).contiguous()


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: nn.Conv2d(6, 4, 1), (3, 3)),
        (lambda: nn.Conv2d(6, 6, 3, padding=1, groups=6), (3, 3)),
        (lambda: nn.Conv2d(6, 6, 5, padding=2, groups=6), (3, 3)),
        (lambda: nn.Conv2d(6, 6, 5, stride=2, padding=2, groups=6), (6, 5)),
        (lambda: nn.Conv2d(6, 6, 3, dilation=2, padding=2, groups=6), (4, 4)),
        (lambda: nn.Conv2d(6, 6, 2, groups=6), (2, 2)),
    ],
    ids=["pointwise", "3 x 3", "kernel wider than map", "stride", "dilation", "no padding"],
)
def test_values_and_gradients_are_those_of_the_convolution(make, size):
    torch.manual_seed(0)
    convolution = make().double()
    mine = copy.deepcopy(convolution)
    layer = Pointwise(mine) if convolution.groups == 1 else Depthwise(mine, size)
    layer = layer.double()
    maps = torch.randn(3, 6, *size, dtype=torch.float64, requires_grad=True)
    same = maps.detach().clone().requires_grad_()
    expected = convolution(maps)
    found = layer(channels_first(same))
    torch.testing.assert_close(found, channels_first(expected))
    weights = torch.randn_like(expected)
    (expected * weights).sum().backward()
    (found * channels_first(weights)).sum().backward()
    torch.testing.assert_close(same.grad, maps.grad)
    torch.testing.assert_close(layer.weight.grad, convolution.weight.grad)
    torch.testing.assert_close(layer.bias.grad, convolution.bias.grad)


def block():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(4, 8, 1), nn.ReLU6(), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Identity()),
        nn.Conv2d(8, 5, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def test_blocks_compute_channels_first_up_to_the_first_that_does_not_suit():
    blocks = block()
    maps = torch.randn(2, 4, 3, 3)
    expected = blocks(maps)
    weights = dict(blocks.named_parameters())
    found = fast(blocks, (4, 3, 3))
    assert [type(step) for step in found] == [ChannelsFirst, nn.AdaptiveAvgPool2d, nn.Flatten]
    torch.testing.assert_close(found(maps), expected)
    assert {id(p) for p in found.parameters()} == {id(p) for p in weights.values()}


@pytest.mark.parametrize(
    "first",
    [
        nn.Conv2d(4, 8, 3, padding=1),
        nn.Conv2d(4, 8, 1, groups=2),
        nn.Conv2d(4, 8, 1, stride=2),
        nn.Conv2d(4, 8, 1, bias=False),
        nn.Sequential(nn.Conv2d(4, 8, 1), nn.BatchNorm2d(8).eval()),
        nn.Sequential(nn.Conv2d(4, 8, 1), nn.AdaptiveAvgPool2d(1)),
    ],
    ids=["dense", "groups", "stride", "no bias", "batch norm", "pooling"],
)
def test_other_layers_are_left_as_they_are(first):
    blocks = nn.Sequential(first, nn.Flatten())
    assert fast(blocks, (4, 3, 3)) is blocks


def test_depthwise_convolutions_of_large_maps_stay_convolutions():
    def converted(side):
        blocks = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.Flatten())
        return isinstance(fast(blocks, (4, side, side))[0], ChannelsFirst)

    assert converted(8)
    assert not converted(9)
