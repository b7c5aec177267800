"""The whole network learns: from images, which are changed at random for each batch; no block stands, so nothing is cached.

On a GPU where there is one. What is computed there is the same up to rounding, not bit by bit.
"""

import os
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from suite.data.table import ImageTable
from suite.randomness import torch_seed
from suite.settings.finetuned import ViewPlan
from suite.training.backbone import Backbone
from suite.training.finetuned.changes import changed
from suite.training.finetuned.views import FEATURES_NAME, Rows, Source, open_files

_MANY = 2**31 - 1
"""Views are drawn from so many: each image of each batch is changed anew."""


def has_gpu() -> bool:
    """Whether this machine has one that torch can use. CUDA is not begun: workers are forked from this process."""
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    return torch.cuda.is_available()


@dataclass(frozen=True)
class Images(Source):
    """The images of a data set.

    Attributes:
        plan: how views are changed.
        backbone: what makes pixels of images.
        images: (N, H, W, 3) of 0..255.
    """

    plan: ViewPlan
    backbone: Backbone = field(repr=False)
    images: NDArray[np.uint8] = field(repr=False)
    device = torch.device("cuda" if has_gpu() else "cpu")

    @property
    def count(self) -> int:
        """Number of views that are drawn from."""
        return _MANY

    def plain(self, rows: Rows) -> Tensor:
        """Pixels (B, 3, H, W) of the images of these rows."""
        return self.backbone.pixels(self.images[rows]).to(self.device)

    def drawn(self, places: Rows, numbers: Rows) -> Tensor:
        """Pixels (B, 3, H, W) of the training images at these places (B,), changed by (data set, number, row) alone."""
        rows = self.training_rows[places]
        with torch.random.fork_rng(devices=[]):  # a loss may draw from the same generator
            seeds = [
                torch_seed("view", self.plan.dataset, int(n), int(row)) for n, row in zip(numbers, rows, strict=True)
            ]
            images = changed(self.plan, self.images[rows], seeds)
        return self.backbone.pixels(images).to(self.device)


def load_images(plan: ViewPlan, table: ImageTable, backbone: Backbone) -> Images:
    """Read the images of a data set.

    Args:
        plan: how they are changed.
        table: the images.
        backbone: the whole network.

    Raises:
        SuiteError: the features beside them are missing, stale or altered.
    """
    (features,), known = open_files(plan, table, backbone, [FEATURES_NAME])
    images = table.decode(np.arange(len(table.labels)))
    return Images(features=features, **known, plan=plan, backbone=backbone, images=images)
