"""The images of a user's own data set: found in a folder of class folders or in a table, and decoded."""

import hashlib
import threading
import warnings
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from suite.data.builders.parquet import encode_webp
from suite.errors import SuiteError, allowed, told
from suite.hashing import sha256_file
from suite.settings.params import DatasetSettings
from suite.settings.paths import WRITTEN_FOLDERS

SUFFIXES = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""What counts as an image in a folder."""
QUALITY = 90
_WORKERS = 4
_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr"}
"""Modes of 8 bits a channel, which become RGB without loss of range."""
LICENCE_FILES = ("licence", "licence.txt", "license", "license.txt")
"""Names, in any case, of a file whose first line is the licence of all images of its class folder."""
_HALVES = {"train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval"}
"""Names of folders that hold a half of a data set, and no class."""
NOT_IMAGES, HIDDEN = "no image in a class folder", "hidden"
DANGLING, TAKEN = "a link that leads nowhere", "a link to a folder that is taken already"
EMPTY, SPECIAL = "a folder without an image", "neither file nor folder"
"""Why something in a folder is left out."""
_LINKED = "linked"


@dataclass(frozen=True, slots=True)
class Item:
    """An image file and its class.

    Attributes:
        file: where it is.
        name: how the folder or table names it.
        label: name of its class.
        source: where it comes from; by default its name.
        licence: its licence; empty where the entry's own counts.
    """

    file: Path
    name: str
    label: str
    source: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """All images of a data set, and what was found in its folder besides.

    Attributes:
        items: the images.
        left_out: names of what is no image of a class, by reason.
        linked: folders that were reached by a link.
        nested: classes with images in folders below their own.
    """

    items: list[Item]
    left_out: dict[str, list[str]] = field(default_factory=dict)
    linked: list[str] = field(default_factory=list)
    nested: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Decoded:
    """An image as it is stored.

    Attributes:
        file_sha256: digest of the file's bytes.
        pixels_sha256: digest of its size and all its pixels, before it is cut.
        webp: the stored image.
        problem: why it could not be read; empty if it could.
        frames: whether it has further frames, which are left out.
        warning: what the library that read it complained of.
    """

    file_sha256: str = ""
    pixels_sha256: str = ""
    webp: bytes = b""
    problem: str = ""
    frames: bool = False
    warning: str = ""


def list_images(settings: DatasetSettings, setting: str) -> Listing:
    """Find the images of an entry with a path.

    Raises:
        SuiteError: there is nothing at the path, or a table lacks a column or a value, or names a file twice.
    """
    path = Path(str(settings.path))
    _check_place(path, setting)
    if path.is_dir():
        for name in ("path_column", "label_column", "source_column", "licence_column"):
            if name in settings.model_fields_set:
                raise SuiteError(
                    f"{setting}.{name} is of a table, and path is a folder; allowed: no {name}, or a table"
                )
        return _in_folder(path, setting)
    if path.is_file() and path.suffix.lower() in (".csv", ".parquet"):
        return _in_table(path, settings, setting)
    found = "is neither" if path.exists() else "does not exist"
    raise SuiteError(
        f"{setting}.path = {settings.path!r} {found}; allowed: a folder of class folders, or a .csv or .parquet"
    )


def _in_folder(path: Path, setting: str) -> Listing:
    """Images below a folder of class folders; links to folders are followed, each folder is taken once."""
    items: list[Item] = []
    found: dict[str, list[str]] = defaultdict(list)
    licences: dict[str, str] = {}
    for entry, kind in _walk(path):
        parts = entry.relative_to(path).parts
        if kind:
            found[kind].append("/".join(parts))
        elif len(parts) > 1 and entry.suffix.lower() in SUFFIXES:
            items.append(Item(entry, "/".join(parts), parts[0]))
        elif len(parts) == 2 and entry.name.lower() in LICENCE_FILES:
            licences[parts[0]] = _first_line(entry, f"{setting}.path")
        else:
            found[NOT_IMAGES].append("/".join(parts))
    _check_halves(path, items, setting)
    classes = {item.label for item in items} | set(found[TAKEN]) | set(found[HIDDEN])
    found[EMPTY] = [entry.name for entry in path.iterdir() if entry.is_dir() and entry.name not in classes]
    given = [replace(item, licence=licences.get(item.label, "")) for item in items]
    return Listing(
        sorted(given, key=lambda item: item.name.split("/")),
        {reason: sorted(names) for reason, names in found.items() if names and reason != _LINKED},
        sorted(found[_LINKED]),
        sorted({item.label for item in items if item.name.count("/") > 1}),
    )


def _walk(path: Path) -> Iterator[tuple[Path, str]]:
    """Files below a folder, each with why it is left out or an empty text, and the folders that links lead to."""
    seen = {path.resolve()}
    folders, links = [path], list[Path]()
    while folders or links:
        folder = folders.pop(0) if folders else links.pop(0)  # behind links comes last what is not taken already
        if folder.is_symlink():
            if folder.resolve() in seen:
                yield folder, TAKEN
                continue
            yield folder, _LINKED
        seen.add(folder.resolve())
        for entry in sorted(folder.iterdir()):
            if entry.name.startswith("."):
                yield entry, HIDDEN
            elif entry.is_dir():
                (links if entry.is_symlink() else folders).append(entry)
            else:
                yield entry, "" if entry.is_file() else SPECIAL if entry.exists() else DANGLING


def _check_halves(path: Path, items: list[Item], setting: str) -> None:
    """Refuse a folder of halves, which hold class folders themselves."""
    halves = sorted({item.label for item in items if item.name.count("/") > 1 and item.label.lower() in _HALVES})
    if len(halves) > 1:
        raise SuiteError(
            f"{setting}.path = {str(path)!r} holds {allowed(halves)}, which are parts of a data set and no classes; "
            "allowed: a folder of class folders; the suite halves the classes by itself"
        )


def _first_line(file: Path, setting: str) -> str:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise SuiteError(f"{setting}: {file} is not UTF-8 text; save it as UTF-8") from error
    return next((line.strip() for line in lines if line.strip()), "")


def _in_table(path: Path, settings: DatasetSettings, setting: str) -> Listing:
    import pandas as pd

    read = {
        ".csv": lambda: pd.read_csv(path, dtype=str, keep_default_na=False),
        ".parquet": lambda: pd.read_parquet(path),
    }
    try:
        table = read[path.suffix.lower()]()
    except Exception as error:
        raise SuiteError(f"{setting}.path: {path} is no table: {told(error)}") from error
    if path.suffix.lower() == ".csv" and not isinstance(table.index, pd.RangeIndex):
        raise SuiteError(f"{setting}.path: {path}: rows have more fields than the header; name every column")
    options = ("path_column", "label_column", "source_column", "licence_column")
    columns = {option: column for option in options if (column := getattr(settings, option)) is not None}
    for option, column in columns.items():
        if column not in table.columns:
            raise SuiteError(
                f"{setting}.{option} = {column!r}: {path} has no such column; allowed: {allowed(table.columns)}"
            )
        empty = table[column].isna() | (table[column].astype(str).str.strip() == "")
        if empty.any() and option in ("path_column", "label_column"):
            raise SuiteError(f"{setting}.path: {path}, row {int(np.flatnonzero(empty)[0]) + 1} has no {column}")
    names = table[settings.path_column].astype(str).str.strip()
    if names.duplicated().any():
        raise SuiteError(
            f"{setting}.path: {path} names {names[names.duplicated()].iloc[0]} twice; allowed: one row a file"
        )

    def text(column: str | None) -> list[str]:
        return [""] * len(table) if column is None else table[column].astype("string").fillna("").str.strip().tolist()

    rows = zip(
        names, text(settings.label_column), text(settings.source_column), text(settings.licence_column), strict=True
    )
    return Listing([Item(path.parent / name, name, label, source, licence) for name, label, source, licence in rows])


def _check_place(path: Path, setting: str) -> None:
    """Refuse images in folders that the suite itself writes and clears, and folders that hold the project."""
    if path.is_dir() and path.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise SuiteError(
            f"{setting}.path = {str(path)!r} holds the project itself; allowed: a folder of class folders of its own"
        )
    for folder in WRITTEN_FOLDERS:
        if path.exists() and folder.resolve() in (path.resolve(), *path.resolve().parents):
            raise SuiteError(
                f"{setting}.path = {str(path)!r} lies in {folder}/, which the suite writes; allowed: any other folder"
            )


def decode_images(items: list[Item], side: int) -> list[Decoded]:
    """Read, check and cut all images, in their order."""
    with _noting_warnings(), ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(lambda item: _decode(item.file, side), items))


_complaints = threading.local()
"""Warnings about the image that this thread reads."""


@contextmanager
def _noting_warnings() -> Iterator[None]:
    """Keep warnings with the image that they are about, whichever thread reads it, in place of printing them."""

    def note(message: Warning | str, *_: object, **__: object) -> None:
        _complaints.noted = getattr(_complaints, "noted", "") or " ".join(str(message).split())

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note
        yield


def _decode(file: Path, side: int) -> Decoded:
    try:
        _complaints.noted = ""
        if file.exists() and not file.is_file() and not file.is_dir():
            return Decoded(problem="is no file")  # a pipe, from which reading would wait for ever
        digest = sha256_file(file)
        with Image.open(file) as image:
            if image.mode not in _MODES or _is_deep(image):
                depth = image.mode if image.mode not in _MODES else f"{image.mode} of 16 bits"
                return Decoded(problem=f"{depth} pixels, allowed are 8 bits a channel")
            frames = getattr(image, "n_frames", 1) > 1
            upright = ImageOps.exif_transpose(image)
            whole = _on_white(upright)
    except FileNotFoundError:
        return Decoded(problem="does not exist")
    except UnidentifiedImageError:
        return Decoded(problem="is no image")
    except Exception as error:  # damaged files raise almost anything
        return Decoded(problem=f"{type(error).__name__}: {' '.join(str(error).split())}")
    pixels = hashlib.sha256(f"{whole.size}".encode() + whole.tobytes()).hexdigest()
    square = ImageOps.fit(whole, (side, side), Image.Resampling.BICUBIC)
    return Decoded(digest, pixels, encode_webp(np.asarray(square), QUALITY), frames=frames, warning=_complaints.noted)


def _is_deep(image: Image.Image) -> bool:
    """Whether a file has more than 8 bits a channel, although Pillow reads it into a mode of 8 bits."""
    for tile in getattr(image, "tile", ()):
        parts = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if any(isinstance(part, str) and ";16" in part for part in parts):
            return True
        if tile.codec_name == "ppm" and any(isinstance(part, int) and part > 255 for part in parts):
            return True
    return False


def _on_white(image: Image.Image) -> Image.Image:
    """An opaque RGB image; transparent parts become white, as in the embedded data sets."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    ground = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(ground, layer).convert("RGB")
