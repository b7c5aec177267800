"""The cached images as a torch data set: random access through a memory map, one JPEG decoded a call."""

import io
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch.utils.data
from numpy.typing import NDArray
from PIL import Image

from suite.data.archives.cache import open_cache, shard_name
from suite.settings.paths import BENCHMARKS_FOLDER

Part = Literal["training", "test", "all"]


class CachedImages(torch.utils.data.Dataset[tuple[Any, int]]):
    """Images of a benchmark with their labels.

    Maps are opened on the first access of each process, so that the data set may be sent to workers of any kind.

    Args:
        dataset: cub, cars or sop.
        part: training classes, test classes, or all.
        transform: applied to each PIL RGB image.
        folder: holds ``cache/``.

    Attributes:
        labels: (N,) int64: 0 to C_train - 1 in the training part, C_train to C - 1 in the test part.
        data_sha256: digest of the whole data set.
        num_training_classes: C_train.
        class_names: names of all classes, by label.

    Raises:
        SuiteError: there is no complete cache.
    """

    def __init__(
        self,
        dataset: str,
        part: Part = "all",
        transform: Callable[[Image.Image], Any] | None = None,
        folder: Path = BENCHMARKS_FOLDER,
    ) -> None:
        cache = open_cache(dataset, folder)
        training = cache.column("training")
        chosen = {"training": training, "test": ~training, "all": np.ones_like(training)}[part]
        self.transform = transform
        self.labels: NDArray[np.int64] = cache.column("label")[chosen].astype(np.int64)
        self.data_sha256 = cache.data_sha256
        self.num_training_classes = cache.num_training_classes
        self.class_names = cache.class_names
        self._folder = cache.folder
        self._places = np.stack([cache.column(name)[chosen] for name in ("shard", "offset", "length")], axis=1)
        self._maps: dict[int, mmap.mmap] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        image = self.image(row)
        return (image if self.transform is None else self.transform(image)), int(self.labels[row])

    def image(self, row: int) -> Image.Image:
        """The image of a row, RGB, before the transform."""
        with Image.open(io.BytesIO(self.encoded(row))) as image:
            return image.convert("RGB")

    def encoded(self, row: int) -> bytes:
        """The JPEG file of a row."""
        shard, offset, length = (int(value) for value in self._places[row])
        if shard not in self._maps:
            with (self._folder / shard_name(shard)).open("rb") as stream:
                self._maps[shard] = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        return self._maps[shard][offset : offset + length]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_maps": {}}
