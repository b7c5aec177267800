"""Data sets of the user's own: an entry of ``params.yaml`` with a path, converted into the suite's parquet format.

``user_data/NAME.parquet`` holds the images, ``user_data/NAME.json`` what they were made from, so that a changed source is
noticed: by names, sizes and times of the files first, and by their content where these differ.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from suite.data.builders.parquet import Row, shuffled_labels, write_parquet
from suite.data.catalog import EMBEDDED, user_data_path
from suite.data.user_checks import (
    check_classes,
    check_duplicates,
    check_names,
    check_readable,
    remarks_on,
    remarks_on_files,
)
from suite.data.user_images import Listing, decode_images, list_images
from suite.errors import SuiteError, allowed
from suite.files import replacing, write_json
from suite.hashing import sha256_file, sha256_value
from suite.randomness import entropy
from suite.settings.params import DatasetSettings, Settings
from suite.settings.paths import PARAMS_FILE, USER_DATA_FOLDER

_CONVERSION = ("path_column", "label_column", "source_column", "licence_column", "side", "licence")
"""Settings that the converted file depends on, besides its sources."""
_FORMAT = 2
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
        SuiteError: the name is that of an embedded data set, the sources do not fulfil what `suite.data.user_checks` asks
            for, or a file that the suite did not write is in the way; nothing is changed then.
    """
    setting = f"{PARAMS_FILE}: datasets.{name}"
    if name in EMBEDDED:
        raise SuiteError(f"{setting}.path: {name} is an embedded data set; allowed: any other name")
    listing = list_images(settings, setting)
    stamp, chosen = _stamp(listing), _chosen(settings)
    known = described(name)
    if known is not None and known.settings == chosen:
        if known.stamp == stamp:
            return known
        if known.content_sha256 == _content(listing):
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
    check_names(items, setting)
    check_classes(items, setting)
    decoded = decode_images(items, settings.side)
    check_readable(items, decoded, setting)
    labels = shuffled_labels((item.label for item in items), entropy("classes", name))
    remarks = [
        *check_duplicates(items, decoded, labels, setting),
        *remarks_on(listing),
        *remarks_on_files(items, decoded),
    ]
    rows = [
        Row(image.webp, labels[item.label], item.label, item.source or item.name, item.licence or settings.licence)
        for item, image in zip(items, decoded, strict=True)
    ]
    path = user_data_path(name)
    _check_own(path, setting)
    content = _digest(listing, [image.file_sha256 for image in decoded])
    with replacing(path) as temporary:
        write_parquet(temporary, rows)
        digest = sha256_file(temporary)
        # The description comes first: a file without one is somebody else's.
        made = UserData(digest, _chosen(settings), content, _stamp(listing), len(labels), len(items), remarks)
        _describe(name, made)
    return made


def _check_own(path: Path, setting: str) -> None:
    """Refuse to overwrite a file that the suite did not write."""
    for file in (path, path.with_suffix(".json")):
        if file.exists() and _description(path) is None:
            raise SuiteError(f"{setting}: {file} is in the way and was not written by the suite; move it elsewhere")


def _chosen(settings: DatasetSettings) -> dict[str, Any]:
    return {key: getattr(settings, key) for key in _CONVERSION} | {"format": _FORMAT}


def _describe(name: str, data: UserData) -> UserData:
    write_json(user_data_path(name).with_suffix(".json"), asdict(data))
    return data


def described(name: str) -> UserData | None:
    """What is known of the converted file, if it is there and has the bytes that were written."""
    path = user_data_path(name)
    known = _description(path)
    try:
        return known if known is not None and sha256_file(path) == known.data_sha256 else None
    except OSError:
        return None


def _description(path: Path) -> UserData | None:
    """What stands beside a converted file, if the suite wrote it."""
    try:
        return UserData(**json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _stamp(listing: Listing) -> str:
    def state(file: Path) -> tuple[int, int]:
        return (file.stat().st_size, file.stat().st_mtime_ns) if file.is_file() else (0, 0)

    return _digest(listing, [state(item.file) for item in listing.items])


def _content(listing: Listing) -> str:
    """The digest that `_convert` writes; a missing file counts as empty."""
    return _digest(listing, [sha256_file(item.file) if item.file.is_file() else "" for item in listing.items])


def _digest(listing: Listing, states: Sequence[object]) -> str:
    """Digest of all names, labels, sources and licences with the states of their files, and of what was left out."""
    told = [(item.name, item.label, item.source, item.licence) for item in listing.items]
    return sha256_value([list(zip(told, states, strict=True)), remarks_on(listing)])


def user_datasets(settings: Settings) -> dict[str, DatasetSettings]:
    """The entries of ``datasets`` with a path."""
    return {name: entry for name, entry in settings.datasets.items() if entry.path is not None}


def measured_path(name: str) -> Path:
    """The file that keeps the measured table of a data set's sheet, beside its converted file."""
    return user_data_path(name).with_suffix(".measured.md")


def remove_others(names: list[str]) -> None:
    """Delete the files kept of data sets that ``params.yaml`` no longer names; other files stay."""
    for description in sorted(USER_DATA_FOLDER.glob("*.json")):
        if description.stem not in names and described(description.stem) is not None:
            measured_path(description.stem).unlink(missing_ok=True)
            user_data_path(description.stem).unlink()
            description.unlink()
