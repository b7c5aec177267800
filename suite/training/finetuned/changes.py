"""Random changes of images: crops, flips and mild changes of colour."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import ColorJitter, Compose, RandomHorizontalFlip, RandomResizedCrop

from suite.settings.finetuned import ViewPlan


def changes(plan: ViewPlan, side: int) -> Callable[[Image.Image], Image.Image]:
    """Random changes of an image, to a square of ``side`` pixels; their randomness is torch's global generator."""
    colour = plan.colour
    change: Callable[[Image.Image], Image.Image] = Compose(
        [
            RandomResizedCrop(side, scale=(plan.crop, 1.0)),
            RandomHorizontalFlip(0.5 if plan.flip else 0.0),
            ColorJitter(brightness=colour, contrast=colour, saturation=colour),
        ]
    )
    return change


def changed(plan: ViewPlan, images: NDArray[np.uint8], seeds: Sequence[int]) -> NDArray[np.uint8]:
    """Images (B, H, W, 3) after random changes, each by its own seed (B,); torch's global generator is left at the last."""
    change = changes(plan, images.shape[1])
    found = np.empty_like(images)
    for place, seed in enumerate(seeds):
        torch.manual_seed(seed)
        found[place] = np.asarray(change(Image.fromarray(images[place])))
    return found
