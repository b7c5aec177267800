"""Small pictures of a data set's images, each written once however often it is shown."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from suite.data.catalog import DATA_FOLDER, SHA256, user_data_path, verified
from suite.data.table import ImageTable, read_table

SIDE, QUALITY = 64, 60


class Pictures:
    """Thumbnails of one data set.

    Attributes:
        table: the data set.
    """

    def __init__(self, dataset: str, table: ImageTable, site: Path) -> None:
        """Write into ``site/images/DATASET``."""
        self.table = table
        self._site = site
        self._place = f"images/{dataset}"

    def path(self, row: int) -> str:
        """Path within the site of the thumbnail of a row, made when first asked for."""
        name = f"{self._place}/{row}.webp"
        target = self._site / name
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(thumbnail(self.table.images[row]))
        return name

    def class_name(self, row: int) -> str:
        """Name of the class of a row."""
        return self.table.class_names[int(self.table.labels[row])]


def open_pictures(dataset: str, slug: str, site: Path) -> Pictures | None:
    """The pictures of a data set, or None where its file is not there."""
    path = DATA_FOLDER / f"{dataset}.parquet" if dataset in SHA256 else user_data_path(dataset)
    return Pictures(slug, read_table(verified(dataset).path), site) if path.is_file() else None


def thumbnail(encoded: bytes) -> bytes:
    """An encoded image as a WebP of at most ``SIDE`` pixels a side."""
    image = Image.open(io.BytesIO(encoded)).convert("RGB")
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=QUALITY, method=6)
    return stream.getvalue()


def first_rows(labels: NDArray[np.int64], classes: NDArray[np.int64], each: int) -> dict[int, list[int]]:
    """The first ``each`` rows of each class."""
    return {int(label): np.flatnonzero(labels == label)[:each].tolist() for label in classes}
