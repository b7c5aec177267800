"""The image cache of a data set: a few shard files, an index, and ``meta.json``, which is written last.

    benchmarks/cache/cub/shard-00000.bin   JPEG files, one after the other
    benchmarks/cache/cub/index.parquet     one row an image: where it lies, label, class, split, its name in the archive
    benchmarks/cache/cub/meta.json         settings, counts, digests

Rows are ordered by label, then by the SHA-256 of the image as published: the same order whichever form of the archives they
came from. ``data_sha256`` covers labels, split and bytes of all images in that order, and so is the same for both forms too.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from suite.errors import SuiteError
from suite.files import replacing
from suite.hashing import sha256_file
from suite.settings.paths import BENCHMARKS_FOLDER

CACHE_FOLDER = "cache"
INDEX_FILE = "index.parquet"
META_FILE = "meta.json"
FORMAT = 1
"""Version of the layout; a cache of another one is made anew."""

SCHEMA = pa.schema(
    [
        ("shard", pa.int32()),
        ("offset", pa.int64()),
        ("length", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("label", pa.int32()),
        ("class_name", pa.string()),
        ("training", pa.bool_()),
        ("image_id", pa.int32()),
        ("archive", pa.string()),
        ("name", pa.string()),
        ("sha256", pa.binary(32)),
        ("cached_sha256", pa.binary(32)),
    ]
)


def cache_folder(dataset: str, folder: Path = BENCHMARKS_FOLDER) -> Path:
    """The cache of a data set."""
    return folder / CACHE_FOLDER / dataset


_NEEDED = (
    "key",
    "data_sha256",
    "index_sha256",
    "classes",
    "training_classes",
    "training_images",
    "test_images",
    "unusable",
)
"""What ``meta.json`` must hold besides the shards."""


def shard_name(number: int) -> str:
    """File name of a shard."""
    return f"shard-{number:05d}.bin"


def write_index(path: Path, rows: list[dict[str, Any]]) -> str:
    """Write the index in its order; the data's SHA-256."""
    ordered = sorted(rows, key=lambda row: (row["label"], row["sha256"], row["archive"], row["name"]))
    table = pa.Table.from_pylist(ordered, schema=SCHEMA)
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", use_dictionary=["class_name", "archive"])
    digest = hashlib.sha256()
    for row in ordered:
        digest.update(f"{row['label']} {row['training']:d} ".encode() + row["cached_sha256"])
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Cache:
    """An image cache that is complete.

    Attributes:
        folder: where it lies.
        meta: what ``meta.json`` holds.
        table: the index.
    """

    folder: Path
    meta: dict[str, Any]
    table: pa.Table

    def column(self, name: str) -> NDArray[Any]:
        """A column of the index as an array."""
        values: NDArray[Any] = self.table[name].to_numpy()
        return values

    @property
    def data_sha256(self) -> str:
        """Digest of labels, split and images."""
        return str(self.meta["data_sha256"])

    @property
    def images_sha256(self) -> str:
        """Digest of the training images as published, in their order, whatever form and size the cache was made of."""
        training = self.column("training")
        rows = zip(self.column("label")[training], self.column("sha256")[training], strict=True)
        return hashlib.sha256(b"".join(f"{label} ".encode() + sha256 for label, sha256 in rows)).hexdigest()

    @property
    def num_training_classes(self) -> int:
        """Classes that train: labels 0 to this - 1. In SOP this is not half of the classes."""
        return int(self.meta["training_classes"])

    @property
    def class_names(self) -> list[str]:
        """Names of the classes by label."""
        labels, first = np.unique(self.column("label"), return_index=True)
        names = self.table["class_name"].take(pa.array(first)).to_pylist()
        by_label = dict(zip(labels.tolist(), names, strict=True))
        return [str(by_label.get(label, "")) for label in range(int(self.meta["classes"]))]


def open_cache(dataset: str, folder: Path = BENCHMARKS_FOLDER) -> Cache:
    """Open the cache of a data set. Sizes are compared, bytes are not: ``verify_cache`` does that.

    Raises:
        SuiteError: there is none, or a file of it is missing, cut short or damaged.
    """
    path = cache_folder(dataset, folder)
    again = f"suite data add {dataset} FILE..."
    if not (path / META_FILE).is_file():
        raise SuiteError(f"data set {dataset} has no image cache in {path}; make it from its archives with: {again}")
    remake = f"delete {path} and make it again with: {again}"
    try:
        meta = json.loads((path / META_FILE).read_text(encoding="utf-8"))
        table = pq.read_table(path / INDEX_FILE)
        sizes = {shard["file"]: shard["bytes"] for shard in meta["shards"]}
        missing = [name for name in _NEEDED if name not in meta]
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise SuiteError(f"image cache {path} is damaged: {' '.join(str(error).split())}; {remake}") from error
    if missing:
        raise SuiteError(f"image cache {path}: {META_FILE} lacks {', '.join(missing)}; {remake}")
    if meta.get("format") != FORMAT or table.schema.names != SCHEMA.names:
        raise SuiteError(f"image cache {path} has another format than this version reads; {remake}")
    for name, size in sizes.items():
        found = (path / name).stat().st_size if (path / name).is_file() else 0
        if found != size:
            raise SuiteError(f"image cache {path}: {name} has {found} bytes, not {size}; {remake}")
    return Cache(path, meta, table)


def verify_cache(cache: Cache) -> None:
    """Compare the bytes of all files with the digests in ``meta.json``.

    Raises:
        SuiteError: a file was altered.
    """
    expected = {shard["file"]: shard["sha256"] for shard in cache.meta["shards"]}
    expected[INDEX_FILE] = cache.meta["index_sha256"]
    for name, sha256 in expected.items():
        if sha256_file(cache.folder / name) != sha256:
            raise SuiteError(
                f"image cache {cache.folder}: {name} was altered; delete the folder and add the data again"
            )
