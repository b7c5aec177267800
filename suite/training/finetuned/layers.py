"""Pointwise and depthwise convolutions of small maps as matrix products: what late blocks of mobile networks consist of.

Maps are laid out (C, N, P), channels first and the P = h * w places of an image last. Then a pointwise convolution is one
product of its weights (D, C) with (C, N * P), and a depthwise one is, channel by channel, a product of (N, P) with a matrix
(P, Q) that spreads the kernel over pairs of places. Weights keep their shapes and meaning; only sums are taken in another
order. On one CPU core late blocks of EfficientNet train faster so than by convolutions (docs/finetuning.md).
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

_MOST_PLACES = 64
"""Places of the largest maps that are treated so: the matrix of a depthwise convolution has P * Q entries a channel."""
_IN_PLACE = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU, nn.Hardtanh, nn.Dropout)
_ELEMENTWISE = (nn.Identity, nn.GELU, *_IN_PLACE)


class Pointwise(nn.Module):
    """A 1 x 1 convolution of maps (C, N, P)."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight = convolution.weight
        assert convolution.bias is not None
        self.bias = convolution.bias

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (D, N, P)."""
        channels, count, places = maps.shape
        product = torch.addmm(self.bias[:, None], self.weight.flatten(1), maps.reshape(channels, count * places))
        return product.view(-1, count, places)


class Depthwise(nn.Module):
    """A depthwise convolution of maps (C, N, P) of one size.

    Args:
        convolution: a kernel for each channel, with whatever stride and padding.
        size: height and width of the maps that it takes.
    """

    spread: Tensor

    def __init__(self, convolution: nn.Conv2d, size: Sequence[int]) -> None:
        super().__init__()
        self.weight = convolution.weight
        assert convolution.bias is not None
        self.bias = convolution.bias
        self.register_buffer("spread", _spread(convolution, size))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (C, N, Q)."""
        channels, _, places = maps.shape
        matrices = (self.weight.flatten(1) @ self.spread).view(channels, places, -1)
        return torch.baddbmm(self.bias[:, None, None], maps, matrices)


def _spread(convolution: nn.Conv2d, size: Sequence[int]) -> Tensor:
    """(K, P * Q): 1 where an entry of the kernel leads from a place of the input to one of the output, else 0.

    It is measured: the convolution of a single channel is given each single place, with each single entry of its kernel.
    """
    one = type(convolution)(
        1,
        1,
        cast("tuple[int, int]", convolution.kernel_size),
        convolution.stride,  # type: ignore[arg-type]
        convolution.padding,  # type: ignore[arg-type]
        convolution.dilation,  # type: ignore[arg-type]
        bias=False,
    )
    height, width = size
    places = torch.eye(height * width).view(-1, 1, height, width)
    entries = torch.eye(one.weight.numel()).view(-1, *one.weight.shape)
    with torch.no_grad():
        found = []
        for entry in entries:
            one.weight.copy_(entry)
            found.append(one(places).flatten())
    return torch.stack(found)


class ChannelsFirst(nn.Module):
    """Blocks on maps (N, C, h, w) that compute on (C, N, P) inside; what they give is (N, D, Q, 1)."""

    def __init__(self, blocks: nn.Module) -> None:
        super().__init__()
        self.blocks = blocks

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, D, Q, 1)."""
        found: Tensor = self.blocks(maps.flatten(2).transpose(0, 1).contiguous())
        return found.transpose(0, 1)[..., None]


def fast(blocks: nn.Sequential, shape: Sequence[int]) -> nn.Sequential:
    """The blocks, with as many of them from the first on as can be in one ``ChannelsFirst``.

    Args:
        blocks: take maps (N, C, h, w); batch norm is folded.
        shape: (C, h, w).

    Returns:
        Blocks with the same parameters, to be called in place of the given ones, which must not be used any more.
    """
    sizes = _input_sizes(blocks, shape)
    steps = list(blocks)
    count = 0
    while count < len(steps) and _suits(steps[count], sizes):
        count += 1
    if not count:
        return blocks
    chosen = nn.Sequential(*steps[:count])
    _replace(chosen, sizes)
    return nn.Sequential(ChannelsFirst(chosen), *steps[count:])


def _input_sizes(blocks: nn.Module, shape: Sequence[int]) -> dict[nn.Module, tuple[int, ...]]:
    """Height and width of what each convolution takes."""
    sizes: dict[nn.Module, tuple[int, ...]] = {}

    def note(layer: nn.Module, given: tuple[Tensor]) -> None:
        sizes[layer] = tuple(given[0].shape[2:])

    hooks = [layer.register_forward_pre_hook(note) for layer in blocks.modules() if isinstance(layer, nn.Conv2d)]
    with torch.inference_mode():
        blocks(torch.zeros(1, *shape))
    for hook in hooks:
        hook.remove()
    return sizes


def _suits(block: nn.Module, sizes: dict[nn.Module, tuple[int, ...]]) -> bool:
    """Whether a block's layers with weights are products and the others treat each value by itself."""
    computing = [
        layer for layer in block.modules() if not list(layer.children()) or list(layer.parameters(recurse=False))
    ]
    return all(
        isinstance(layer, _ELEMENTWISE) or (isinstance(layer, nn.Conv2d) and _is_product(layer, sizes))
        for layer in computing
    )


def _is_product(layer: nn.Conv2d, sizes: dict[nn.Module, tuple[int, ...]]) -> bool:
    if layer.bias is None or layer not in sizes:
        return False
    return _is_pointwise(layer) or (
        layer.groups == layer.in_channels == layer.out_channels and sizes[layer][0] * sizes[layer][1] <= _MOST_PLACES
    )


def _is_pointwise(layer: nn.Conv2d) -> bool:
    return (layer.kernel_size, layer.stride, layer.padding, layer.groups) == ((1, 1), (1, 1), (0, 0), 1)


def _replace(module: nn.Module, sizes: dict[nn.Module, tuple[int, ...]]) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Conv2d):
            setattr(module, name, Pointwise(child) if _is_pointwise(child) else Depthwise(child, sizes[child]))
        elif isinstance(child, _IN_PLACE):
            child.inplace = False  # changing a view in place would make autograd copy it, and its gradient
        else:
            _replace(child, sizes)
