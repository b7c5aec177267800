"""The data sets by name: the embedded ones with the SHA-256 that each file must have, and those of a user.

``data.dvc`` tracks the same files, but to DVC an edited file is a new version of the data. For a benchmark it is an error.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from suite.errors import SuiteError, allowed
from suite.hashing import sha256_file
from suite.settings.paths import DATA_FOLDER, USER_DATA_FOLDER


@dataclass(frozen=True, slots=True)
class EmbeddedDataset:
    """A data set that comes with the suite; ``suite.data.builders.NAME`` builds it.

    Attributes:
        sha256: digest that its file must have.
        about: what its classes and images are.
    """

    sha256: str
    about: str


EMBEDDED = {
    "emoji": EmbeddedDataset(
        "5246349f64244f2907ad316a30c51a6f23bc6581d3a0baa912b2184f65c1f19b",
        "a class is an emoji, an instance a vendor's drawing of it",
    ),
    "furniture": EmbeddedDataset(
        "9b152b0aa482098255e8ba5e0f86cc9c7ffbc6c1303856b6f58318ab4b215986",
        "a class is a 3D model, an instance a view of it",
    ),
    "typefaces": EmbeddedDataset(
        "cbec0d68c1b46c7f1582976d412db625894840054835abbc1e7ccf6dd0964989",
        "a class is a font family, an instance a block of random letters",
    ),
}
"""All embedded data sets by name."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A verified data file.

    Attributes:
        name: name of the data set.
        path: the parquet file.
        sha256: digest of its bytes.
    """

    name: str
    path: Path
    sha256: str


def user_data_path(name: str) -> Path:
    """The converted file of a data set of the user's own."""
    return USER_DATA_FOLDER / f"{name}.parquet"


def check_name(name: str, setting: str) -> None:
    """Check that a data set exists.

    Raises:
        SuiteError: it does not; the message names the setting and the allowed names.
    """
    if name not in EMBEDDED and not user_data_path(name).is_file():
        raise SuiteError(
            f"{setting}: unknown data set {name!r}; allowed: {allowed(EMBEDDED)}, or an entry of params.yaml with a path"
        )


def check_embedded(name: str, setting: str) -> None:
    """Check that a data set is one of those that come with the suite.

    Raises:
        SuiteError: it is not; the message names the setting and the allowed names.
    """
    if name not in EMBEDDED:
        raise SuiteError(f"{setting}: {name!r} is no embedded data set; allowed: {allowed(EMBEDDED)}")


def verified(name: str, folder: Path = DATA_FOLDER) -> DataFile:
    """The file of a data set, its bytes checked.

    Raises:
        SuiteError: unknown name, missing file, or a file that is not the pinned one.
    """
    check_name(name, "data set")
    if name not in EMBEDDED:
        return _verified_user_data(name)
    path = folder / f"{name}.parquet"
    if not path.is_file():
        raise SuiteError(f"data file {path} is missing; fetch it with: dvc pull data.dvc")
    actual = sha256_file(path)
    if actual != EMBEDDED[name].sha256:
        raise SuiteError(
            f"data file {path} was altered: its sha256 is {actual}, allowed is {EMBEDDED[name].sha256}; "
            f"restore it with: git checkout data.dvc && dvc checkout --force data.dvc"
        )
    return DataFile(name, path, actual)


def _verified_user_data(name: str) -> DataFile:
    path = user_data_path(name)
    try:
        expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["data_sha256"]
    except (OSError, ValueError, KeyError) as error:
        raise SuiteError(f"data file {path} has no description beside it; run: suite data user {name}") from error
    actual = sha256_file(path)
    if actual != expected:
        raise SuiteError(
            f"data file {path} was altered: its sha256 is {actual}, allowed is {expected}; run: suite data user {name}"
        )
    return DataFile(name, path, actual)
