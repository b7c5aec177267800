"""What is done to images before the network, as a recipe's ``images`` say; on PIL images, with torchvision."""

from collections.abc import Callable, Sequence

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import (
    CenterCrop,
    Compose,
    Normalize,
    PILToTensor,
    RandomHorizontalFlip,
    RandomResizedCrop,
    Resize,
)

from suite.settings.paper_recipes import Images

Transform = Callable[[Image.Image], Tensor]
"""From an RGB image to a tensor (3, H, W) in float32."""

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
"""Mean and deviation of networks that take pixels in [-1, 1], such as the embedded one and timm's first ViT-S/16."""
BGR_MEAN = (104.0, 117.0, 128.0)
"""Of networks ported from Caffe: blue, green, red in 0 to 255, no division."""


def training_transform(settings: Images) -> Transform:
    """Resize (if set), random resized crop, random flip, normalisation. Randomness is torch's global one."""
    steps: list[Callable[..., object]] = [] if settings.train_resize is None else [Resize(settings.train_resize)]
    steps += [
        RandomResizedCrop(settings.train_crop, scale=settings.train_crop_scale),
        RandomHorizontalFlip(settings.flip),
        _normalisation(settings),
    ]
    transform: Transform = Compose(steps)
    return transform


def test_transform(settings: Images) -> Transform:
    """Resize, centre crop, normalisation."""
    transform: Transform = Compose(
        [Resize(settings.test_resize), CenterCrop(settings.test_crop), _normalisation(settings)]
    )
    return transform


def _normalisation(settings: Images) -> Callable[[Image.Image], Tensor]:
    if settings.pixels == "bgr_255":
        return BgrPixels()
    return RgbPixels(HALF, HALF) if settings.pixels == "rgb_half" else RgbPixels(IMAGENET_MEAN, IMAGENET_DEVIATION)


class RgbPixels:
    """Red, green, blue in [0, 1], minus a mean, divided by a deviation, one a channel."""

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        self._to_tensor = PILToTensor()
        self._normalise = Normalize(mean, deviation)

    def __call__(self, image: Image.Image) -> Tensor:
        """Normalised pixels (3, H, W)."""
        scaled: Tensor = self._normalise(self._to_tensor(image).float().div_(255))
        return scaled


class BgrPixels:
    """Blue, green, red in 0 to 255 minus ``BGR_MEAN``."""

    def __init__(self) -> None:
        self._to_tensor = PILToTensor()

    def __call__(self, image: Image.Image) -> Tensor:
        """Shifted pixels (3, H, W)."""
        pixels: Tensor = self._to_tensor(image)
        return pixels.flip(0).float() - torch.tensor(BGR_MEAN)[:, None, None]
