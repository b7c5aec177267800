"""Data sets of the user's own: an entry of ``params.yaml`` with a path, converted into the suite's parquet format.

``user_data/NAME.parquet`` holds the images, ``user_data/NAME.json`` what they were made from, so that a changed source is
noticed: by names, sizes and times of the files first, and by their content where these differ.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from suite.data.builders.parquet import Row, shuffled_labels, write_parquet
from suite.data.catalog import EMBEDDED, user_data_path
from suite.data.user_checks import check_classes, check_duplicates, check_readable
from suite.data.user_images import Item, Listing, decode_images, list_images
from suite.errors import SuiteError, allowed
from suite.files import replacing, write_json
from suite.hashing import sha256_file, sha256_value
from suite.randomness import entropy
from suite.settings.params import DatasetSettings, Settings
from suite.settings.paths import PARAMS_FILE, USER_DATA_FOLDER

_CONVERSION = ("path_column", "label_column", "side", "licence")
"""Settings that the converted file depends on, besides its sources."""
_FORMAT = 1
"""Increased when the conversion changes, so that older files are converted again."""


@dataclass(frozen=True, slots=True)
class UserData:
    """A converted data set, as ``user_data/NAME.json`` describes it.

    Attributes:
        data_sha256: digest of the parquet file.
        settings: what it was converted with.
        content_sha256: digest of all names, labels and bytes of its sources.
        stamp: digest of all names, labels, sizes and times of its sources.
        classes: number of classes.
        images: number of images.
        remarks: weaknesses that are no errors.
    """

    data_sha256: str
    settings: dict[str, Any]
    content_sha256: str
    stamp: str
    classes: int
    images: int
    remarks: list[str]


def renew(name: str, settings: DatasetSettings) -> UserData:
    """Convert a data set unless its converted file fits its sources.

    Raises:
        SuiteError: the name is that of an embedded data set, or the sources do not fulfil what `suite.data.user_checks`
            asks for; an older converted file is left as it is.
    """
    setting = f"{PARAMS_FILE}: datasets.{name}"
    if name in EMBEDDED:
        raise SuiteError(f"{setting}.path: {name} is an embedded data set; allowed: any other name")
    listing = list_images(settings, setting)
    stamp, chosen = _stamp(listing.items), _chosen(settings)
    known = described(name)
    if known is not None and known.settings == chosen:
        if known.stamp == stamp:
            return known
        if known.content_sha256 == _content(listing.items):
            return _describe(name, UserData(**asdict(known) | {"stamp": stamp}))
    return _convert(name, settings, listing, setting)


def renew_named(settings: Settings, name: str) -> UserData:
    """Renew the data set of an entry of ``params.yaml``.

    Raises:
        SuiteError: there is no such entry with a path, or its images are not fit for use.
    """
    entries = user_datasets(settings)
    if name not in entries:
        raise SuiteError(
            f"{PARAMS_FILE}: datasets.{name}: not an entry with a path; allowed: {allowed(entries) or 'none is there'}"
        )
    return renew(name, entries[name])


def _convert(name: str, settings: DatasetSettings, listing: Listing, setting: str) -> UserData:
    items = listing.items
    check_classes(items, setting)
    decoded = decode_images(items, settings.side)
    check_readable(items, decoded, setting)
    labels = shuffled_labels((item.label for item in items), entropy("classes", name))
    remarks = check_duplicates(items, decoded, labels, setting)
    if listing.left_out:
        remarks.append(
            f"{len(listing.left_out)} files are left out, because they are not images in class folders, "
            f"e.g. {listing.left_out[0]}"
        )
    rows = [
        Row(image.webp, labels[item.label], item.label, item.name, settings.licence)
        for item, image in zip(items, decoded, strict=True)
    ]
    path = user_data_path(name)
    with replacing(path) as temporary:
        write_parquet(temporary, rows)
    content = sha256_value(
        [(item.name, item.label, image.file_sha256) for item, image in zip(items, decoded, strict=True)]
    )
    made = UserData(sha256_file(path), _chosen(settings), content, _stamp(items), len(labels), len(items), remarks)
    return _describe(name, made)


def _chosen(settings: DatasetSettings) -> dict[str, Any]:
    return {key: getattr(settings, key) for key in _CONVERSION} | {"format": _FORMAT}


def _describe(name: str, data: UserData) -> UserData:
    write_json(user_data_path(name).with_suffix(".json"), asdict(data))
    return data


def described(name: str) -> UserData | None:
    """What is known of the converted file, if it is there and has the bytes that were written."""
    path = user_data_path(name)
    try:
        known = UserData(**json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
        return known if sha256_file(path) == known.data_sha256 else None
    except (OSError, ValueError, TypeError):
        return None


def _stamp(items: list[Item]) -> str:
    def state(file: Path) -> tuple[int, int]:
        return (file.stat().st_size, file.stat().st_mtime_ns) if file.is_file() else (0, 0)

    return sha256_value([(item.name, item.label, *state(item.file)) for item in items])


def _content(items: list[Item]) -> str:
    """The digest that `_convert` writes; a missing file counts as empty."""
    return sha256_value(
        [(item.name, item.label, sha256_file(item.file) if item.file.is_file() else "") for item in items]
    )


def user_datasets(settings: Settings) -> dict[str, DatasetSettings]:
    """The entries of ``datasets`` with a path."""
    return {name: entry for name, entry in settings.datasets.items() if entry.path is not None}


def remove_others(names: list[str]) -> None:
    """Delete converted files of data sets that ``params.yaml`` no longer names."""
    for path in USER_DATA_FOLDER.glob("*.*"):
        if path.suffix in (".parquet", ".json") and path.stem not in names:
            path.unlink()
