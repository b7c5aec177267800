"""The images of a user's own data set: found in a folder of class folders or in a table, and decoded."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from suite.data.builders.parquet import encode_webp
from suite.errors import SuiteError, allowed
from suite.hashing import sha256_file
from suite.settings.params import DatasetSettings

SUFFIXES = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""What counts as an image in a folder."""
QUALITY = 90
_WORKERS = 4
_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr"}
"""Modes of 8 bits a channel, which become RGB without loss of range."""


@dataclass(frozen=True, slots=True)
class Item:
    """An image file and its class.

    Attributes:
        file: where it is.
        name: how the folder or table names it.
        label: name of its class.
    """

    file: Path
    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Listing:
    """All images of a data set, and the files in its folder that are none."""

    items: list[Item]
    left_out: list[str]


@dataclass(frozen=True, slots=True)
class Decoded:
    """An image as it is stored.

    Attributes:
        file_sha256: digest of the file's bytes.
        pixels_sha256: digest of its size and all its pixels, before it is cut.
        webp: the stored image.
        problem: why it could not be read; empty if it could.
    """

    file_sha256: str = ""
    pixels_sha256: str = ""
    webp: bytes = b""
    problem: str = ""


def list_images(settings: DatasetSettings, setting: str) -> Listing:
    """Find the images of an entry with a path.

    Raises:
        SuiteError: there is nothing at the path, or a table lacks a column or a value, or names a file twice.
    """
    path = Path(str(settings.path))
    if path.is_dir():
        return _in_folder(path)
    if path.is_file() and path.suffix in (".csv", ".parquet"):
        return _in_table(path, settings, setting)
    found = "is neither" if path.exists() else "does not exist"
    raise SuiteError(
        f"{setting}.path = {settings.path!r} {found}; allowed: a folder of class folders, or a .csv or .parquet"
    )


def _in_folder(path: Path) -> Listing:
    items, left_out = [], []
    for file in sorted(path.rglob("*")):
        parts = file.relative_to(path).parts
        if any(part.startswith(".") for part in parts) or not file.is_file():
            continue
        name = "/".join(parts)
        if len(parts) > 1 and file.suffix.lower() in SUFFIXES:
            items.append(Item(file, name, parts[0]))
        else:
            left_out.append(name)
    return Listing(items, left_out)


def _in_table(path: Path, settings: DatasetSettings, setting: str) -> Listing:
    import pandas as pd

    read = {
        ".csv": lambda: pd.read_csv(path, dtype=str, keep_default_na=False),
        ".parquet": lambda: pd.read_parquet(path),
    }
    try:
        table = read[path.suffix]()
    except Exception as error:
        raise SuiteError(f"{setting}.path: {path} is no table: {type(error).__name__}: {error}") from error
    columns = {"path_column": settings.path_column, "label_column": settings.label_column}
    for option, column in columns.items():
        if column not in table.columns:
            raise SuiteError(
                f"{setting}.{option} = {column!r}: {path} has no such column; allowed: {allowed(table.columns)}"
            )
        empty = table[column].isna() | (table[column].astype(str).str.strip() == "")
        if empty.any():
            raise SuiteError(f"{setting}.path: {path}, row {int(np.flatnonzero(empty)[0]) + 1} has no {column}")
    names = table[settings.path_column].astype(str).str.strip()
    if names.duplicated().any():
        raise SuiteError(
            f"{setting}.path: {path} names {names[names.duplicated()].iloc[0]} twice; allowed: one row a file"
        )
    labels = table[settings.label_column].astype(str).str.strip()
    return Listing([Item(path.parent / name, name, label) for name, label in zip(names, labels, strict=True)], [])


def decode_images(items: list[Item], side: int) -> list[Decoded]:
    """Read, check and cut all images, in their order."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(lambda item: _decode(item.file, side), items))


def _decode(file: Path, side: int) -> Decoded:
    try:
        digest = sha256_file(file)
        with Image.open(file) as image:
            if image.mode not in _MODES:
                return Decoded(problem=f"{image.mode} pixels, allowed are 8 bits a channel")
            upright = ImageOps.exif_transpose(image)
            whole = _on_white(upright)
    except FileNotFoundError:
        return Decoded(problem="does not exist")
    except UnidentifiedImageError:
        return Decoded(problem="is no image")
    except Exception as error:  # damaged files raise almost anything
        return Decoded(problem=f"{type(error).__name__}: {error}")
    pixels = hashlib.sha256(f"{whole.size}".encode() + whole.tobytes()).hexdigest()
    square = ImageOps.fit(whole, (side, side), Image.Resampling.BICUBIC)
    return Decoded(digest, pixels, encode_webp(np.asarray(square), QUALITY))


def _on_white(image: Image.Image) -> Image.Image:
    """An opaque RGB image; transparent parts become white, as in the embedded data sets."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    ground = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(ground, layer).convert("RGB")
