"""Rows of an embedded data set, their images, and the parquet file that holds them.

One row is one image. The order of the rows, the schema and every writer option are fixed here, so that two builds from
the same sources give the same bytes (for one version of pyarrow, whose name and version parquet stores in the footer).
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

CLASS_ORDER_SEED = 20240
"""Seed of the stored class order; the first half of that order is the training half."""
EFFORT = 6
"""The WebP encoder's slowest setting: the same quality in fewer bytes."""

SCHEMA = pa.schema(
    [
        pa.field("image", pa.binary(), nullable=False),
        pa.field("label", pa.int32(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("licence", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Row:
    """One image of an embedded data set.

    Attributes:
        image: WebP bytes of an opaque, square RGB image.
        label: position of the class in the stored order, from 0.
        class_name: human-readable name of the class.
        source: the package, vendor or file which the image comes from.
        licence: SPDX identifier of the source.
    """

    image: bytes
    label: int
    class_name: str
    source: str
    licence: str


def shuffled_labels(class_names: Iterable[str], seed: int = CLASS_ORDER_SEED) -> dict[str, int]:
    """Give every class its place in the fixed shuffled order.

    Args:
        class_names: names of the classes; their order and repetitions do not matter.
        seed: seed of the permutation.

    Returns:
        A label for each name, a permutation of 0 .. number of classes - 1.
    """
    names = sorted(set(class_names))
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(names))
    return {names[place]: label for label, place in enumerate(order)}


def encode_webp(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """Encode an image with loss.

    Args:
        pixels: (H, W, 3) RGB image.
        quality: WebP quality, 0 to 100.

    Returns:
        The bytes of a WebP file; the same for the same pixels, quality and version of libwebp.
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=quality, method=EFFORT)
    return buffer.getvalue()


def write_parquet(path: Path, rows: Sequence[Row]) -> None:
    """Write rows sorted by label, then source; rows equal in both keep the order given.

    Args:
        path: file to write; its folder is made where missing.
        rows: the images, in any order of classes.

    Raises:
        ValueError: where there is no row, the labels are not exactly 0 .. C - 1, or a label has two class names.
    """
    names: dict[int, str] = {}
    for row in rows:
        if names.setdefault(row.label, row.class_name) != row.class_name:
            raise ValueError(f"label {row.label} names two classes: {names[row.label]!r} and {row.class_name!r}")
    if not names or sorted(names) != list(range(len(names))):
        raise ValueError(f"labels must be exactly 0 .. C - 1 with C > 0, got {len(names)} different labels")
    if len(set(names.values())) != len(names):
        raise ValueError("two labels carry the same class name")
    ordered = sorted(rows, key=lambda row: (row.label, row.source))
    columns = {field.name: [getattr(row, field.name) for row in ordered] for field in SCHEMA}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.table(columns, schema=SCHEMA),
        path,
        compression={"image": "none", "label": "zstd", "class_name": "zstd", "source": "zstd", "licence": "zstd"},
        use_dictionary=["class_name", "source", "licence"],
        write_statistics=False,
        row_group_size=4096,
        version="2.6",
        data_page_version="1.0",
        store_schema=False,
    )
