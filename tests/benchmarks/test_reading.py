"""Images a second that one process reads for training: decoding as cached, the augmentation of a recipe, a tensor.

Photographs are crops of the two that scikit-learn brings, converted as the image cache converts them. Dividing the images a
second that a GPU trains on by this gives the cores that keep it busy.
"""

import io
import time
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from suite.data.archives.convert import Converted, convert
from suite.settings.paper_recipes import load_paper_recipe
from suite.training.whole_network.batches import RowBatch, TrainingLoader
from suite.training.whole_network.transforms import training_transform

pytestmark = pytest.mark.benchmark
COUNT, BATCH, BATCHES = 200, 100, 20
RECIPE = "pfml_table5"


class Photographs:
    """Files of the cache in memory."""

    def __init__(self) -> None:
        random, photos = np.random.default_rng(0), load_sample_images().images
        self.files: list[bytes] = []
        for number in range(COUNT):
            photo = photos[number % len(photos)]
            top, left = random.integers(0, photo.shape[0] - 375), random.integers(0, photo.shape[1] - 500)
            stream = io.BytesIO()
            Image.fromarray(photo[top : top + 375, left : left + 500]).save(stream, "JPEG", quality=95)
            converted = convert(stream.getvalue(), 256)
            assert isinstance(converted, Converted)
            self.files.append(converted.data)

    def image(self, row: int) -> Image.Image:
        """The image of a row."""
        return Image.open(io.BytesIO(self.files[row])).convert("RGB")


def test_reading(capsys: Any) -> None:
    torch.set_num_threads(1)
    transform = training_transform(load_paper_recipe(RECIPE).settings.images)
    load = TrainingLoader(Photographs(), transform, workers=1, pin=False)
    random = np.random.default_rng(0)
    batches = [RowBatch(random.integers(0, COUNT, BATCH), random.integers(0, 2**31, BATCH)) for _ in range(BATCHES)]
    for _ in load(batches[:2]):  # the process starts
        pass
    started = time.perf_counter()
    images = sum(len(batch) for batch in load(batches))
    rate = images / (time.perf_counter() - started)
    assert images == BATCH * BATCHES
    with capsys.disabled():
        print(f"\nreading, {RECIPE}: {rate:.0f} images a second in one process")  # noqa: T201 - the result
