"""Reading a data set's parquet file."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from suite.data.split import cut_classes
from suite.errors import SuiteError

COLUMNS = ("image", "label", "class_name", "source", "licence")


@dataclass(frozen=True, slots=True)
class ImageTable:
    """Images of a data set with their classes.

    Attributes:
        images: N encoded images.
        labels: (N,) int64, 0 to C - 1, in the stored order of classes.
        class_names: C names.
        sources: N names of the source of each image.
        licences: N SPDX identifiers.
    """

    images: list[bytes]
    labels: NDArray[np.int64]
    class_names: list[str]
    sources: list[str]
    licences: list[str]

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return len(self.class_names)

    def decode(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Pixels (len(rows), H, W, 3) of these rows."""
        return np.stack([np.asarray(Image.open(io.BytesIO(self.images[row])).convert("RGB")) for row in rows])


def read_labels(path: Path, max_classes: int | None = None) -> NDArray[np.int64]:
    """Labels (N,) alone of a data set, or of its first ``max_classes`` classes, as ``read_table`` has them."""
    labels: NDArray[np.int64] = pq.read_table(path, columns=["label"])["label"].to_numpy().astype(np.int64)
    if max_classes is None:
        return labels
    chosen = cut_classes(int(labels.max()) + 1, max_classes)
    kept: NDArray[np.int64] = np.searchsorted(chosen, labels[np.isin(labels, chosen)])
    return kept


def read_table(path: Path, max_classes: int | None = None) -> ImageTable:
    """Read a data set, or its first ``max_classes`` classes: as many of the training half as of the test half.

    Raises:
        SuiteError: the file lacks a column, or its labels are not 0 to C - 1.
    """
    table = pq.read_table(path)
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise SuiteError(f"data file {path} lacks column {missing[0]}; its columns must be {', '.join(COLUMNS)}")
    labels = table["label"].to_numpy().astype(np.int64)
    count = int(labels.max()) + 1 if len(labels) else 0
    if count < 4 or not np.array_equal(np.unique(labels), np.arange(count)):
        raise SuiteError(
            f"data file {path}: labels must be 0 to C - 1 with C >= 4, got {len(np.unique(labels))} classes"
        )
    if max_classes is not None:
        chosen = cut_classes(count, max_classes)
        keep = np.isin(labels, chosen)
        table, labels = table.filter(pa.array(keep)), np.searchsorted(chosen, labels[keep])
        count = len(chosen)
    names = table["class_name"].to_pylist()
    first_rows = np.unique(labels, return_index=True)[1]
    return ImageTable(
        images=table["image"].to_pylist(),
        labels=labels,
        class_names=[names[row] for row in first_rows],
        sources=table["source"].to_pylist(),
        licences=table["licence"].to_pylist(),
    )
