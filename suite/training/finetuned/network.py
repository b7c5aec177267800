"""The backbone cut in two: blocks that stand still, and blocks that learn with an embedding layer behind them.

A network of timm is taken as a chain: its children in their order, plain ``nn.Sequential`` opened, each under its name in
timm (``conv_stem``, ``blocks.4.2``, ``layer3.0``). Whether the chain is the network is measured on random pixels; a network
that does more than pass its input through its children (a transformer adds positions) is refused.

Batch norm keeps the statistics of the pretrained weights. Then it is an affine map of each channel, and it is folded into
the convolution before it: what learns are the folded weights. This saves a pass over memory a layer.
"""

import copy
import hashlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from suite.errors import SuiteError, allowed
from suite.training.backbone import Backbone
from suite.training.finetuned.layers import fast

_TOLERANCE = 1e-3
"""Relative difference of two computations of the same features in float32, at most."""


def cut_backbone(backbone: Backbone, side: int, cut: str, setting: str) -> tuple[nn.Module, nn.Module]:
    """Cut a backbone in two.

    Args:
        backbone: in evaluation mode.
        side: pixels of the images.
        cut: name of the last block that stands.
        setting: what names the cut, for error messages.

    Returns:
        The blocks that stand, from pixels (N, 3, H, W) to maps (N, C, h, w), and those that learn, from maps to pooled
        features (N, F), for maps of this size alone; batch norm is folded in both. They are copies.

    Raises:
        SuiteError: the network is no chain, has no such block, or none learns after it.
    """
    steps = list(chain(copy.deepcopy(backbone.model)))
    names = [name for name, _ in steps]
    with_weights = [i for i, (_, step) in enumerate(steps) if any(True for _ in step.parameters())]
    places = names[: with_weights[-1]]
    if cut not in places:
        raise SuiteError(f"{setting} = {cut!r} is no block of the backbone before its last; allowed: {allowed(places)}")
    last = places.index(cut) + 1
    standing, learning = (nn.Sequential(*(step for _, step in chosen)) for chosen in (steps[:last], steps[last:]))
    pixels = _pixels(side)
    with torch.inference_mode():
        expected = backbone.model(pixels)
    _check_same(nn.Sequential(standing, learning), pixels, expected, setting)
    for part in (standing, learning):
        fold_batch_norm(part)
        part.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        shape = standing(pixels).shape[1:]
    learning = fast(learning, shape)
    _check_same(nn.Sequential(standing, learning), pixels, expected, setting)
    return standing, learning


def whole_backbone(backbone: Backbone, side: int, setting: str) -> nn.Module:
    """A copy of a backbone all of whose blocks learn, from pixels (N, 3, H, W) to pooled features (N, F), batch norm folded.

    Args:
        backbone: in evaluation mode.
        side: pixels of the images.
        setting: what asks for it, for error messages.

    Raises:
        SuiteError: folding batch norm changes what the network computes.
    """
    network = copy.deepcopy(backbone.model)
    pixels = _pixels(side)
    with torch.inference_mode():
        expected = backbone.model(pixels)
    fold_batch_norm(network)
    _check_same(network, pixels, expected, setting)
    return network.to(memory_format=torch.channels_last)


def _pixels(side: int) -> Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


def chain(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The blocks of a network in their order, with their names; a plain ``nn.Sequential`` gives its own blocks."""
    for name, child in module.named_children():
        if type(child) is nn.Sequential:
            yield from chain(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child


def fold_batch_norm(module: nn.Module) -> None:
    """Fold each batch norm with kept statistics into the convolution that stands right before it, in place.

    Of timm's layers that are batch norm and activation in one the activation stays.
    """
    for parent in module.modules():
        for (_, first), (name, second) in pairwise(list(parent.named_children())):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                assert second.running_mean is not None
                assert second.running_var is not None
                first.weight, first.bias = fuse_conv_bn_weights(
                    first.weight,
                    first.bias,
                    second.running_mean,
                    second.running_var,
                    second.eps,
                    second.weight,
                    second.bias,
                )
                activation = getattr(second, "act", None)
                setattr(parent, name, activation if isinstance(activation, nn.Module) else nn.Identity())


def _check_same(network: nn.Module, pixels: Tensor, expected: Tensor, setting: str) -> None:
    with torch.inference_mode():
        try:
            found = network(pixels)
        except Exception as error:  # blocks raise almost anything on what they do not take
            raise _no_chain(setting) from error
    if found.shape != expected.shape or (found - expected).abs().max() > _TOLERANCE * expected.abs().max():
        raise _no_chain(setting)


def _no_chain(setting: str) -> SuiteError:
    return SuiteError(
        f"{setting}: this backbone is more than a chain of blocks and cannot be cut; allowed: chains such as EfficientNet, "
        "ResNet, RegNet or ConvNeXt"
    )


def sha256_weights(module: nn.Module) -> str:
    """Digest of all tensors of a module with their names."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        values: Any = tensor.detach().contiguous().numpy()
        digest.update(f"{name} {values.dtype} {values.shape}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
