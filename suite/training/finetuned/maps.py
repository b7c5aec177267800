"""What decides the bytes of views, besides files and processes: which images a view has, and what is made of them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from suite.data.split import num_training_classes
from suite.data.table import ImageTable
from suite.randomness import torch_seed
from suite.settings.finetuned import ViewPlan
from suite.training.backbone import Backbone
from suite.training.finetuned.changes import changed
from suite.training.finetuned.views import Maps, Rows, as_input

BLOCK = 64
"""Images that are computed at once: a sum over more of them may round differently."""


def rows_of(table: ImageTable, number: int) -> Rows:
    """Rows of the data set that a view shows: all in the plain view 0, those of training images in others."""
    labels = table.labels
    return np.flatnonzero(labels < num_training_classes(table.num_classes)) if number else np.arange(len(labels))


@dataclass(frozen=True, slots=True)
class Maker:
    """What makes maps.

    Attributes:
        plan: how images are changed.
        table: the images of the data set.
        standing: the backbone with its standing blocks alone: it gives maps in place of features.
    """

    plan: ViewPlan
    table: ImageTable
    standing: Backbone

    def maps(self, number: int, rows: Rows) -> Maps:
        """Maps (B, C, h, w) of a view of these rows."""
        images = self.table.decode(rows)
        if number:
            images = changed(
                self.plan, images, [torch_seed("view", self.plan.dataset, number, int(row)) for row in rows]
            )
        return _half(self.standing.features(images))


def view_block(shared: tuple[Maker, int, Rows], start: int) -> Maps:
    """Maps of a block of the rows of a view."""
    maker, number, rows = shared
    return maker.maps(number, rows[start : start + BLOCK])


def features_block(shared: tuple[nn.Module, Maps, Rows], start: int) -> NDArray[np.float16]:
    """Pooled features (B, F) of a block of rows, from their plain maps through the blocks that learn."""
    blocks, plain, rows = shared
    with torch.inference_mode():
        features: NDArray[np.float32] = blocks(as_input(plain[rows[start : start + BLOCK]])).numpy()
    return _half(features)


def backbone_block(shared: tuple[Backbone, ImageTable, Rows], start: int) -> NDArray[np.float16]:
    """Pooled features (B, F) of a block of rows, from their images through the whole backbone."""
    backbone, table, rows = shared
    return _half(backbone.features(table.decode(rows[start : start + BLOCK])))


def _half(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """Values in float16; what is too large for it becomes infinite, which whoever stores them refuses."""
    with np.errstate(over="ignore"):
        return values.astype(np.float16)
