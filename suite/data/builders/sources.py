"""Pinned sources: the table of packages beside a builder, their checksums, and fetching through npm and apt-get.

Nothing is read from a source before its SHA-256 equals the pinned one, fetched now or found in the cache.
"""

import shutil
import subprocess
import tarfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from suite.errors import SuiteError
from suite.hashing import sha256_file


class SourceError(SuiteError):
    """A pinned source could not be had or is not the pinned one."""


class Source(BaseModel):
    """One pinned package.

    Attributes:
        name: package name, for npm with its scope.
        version: exact version.
        sha256: SHA-256 of the package file, 64 lower-case hexadecimal digits.
        licence: SPDX identifier.
        attribution: the line that names the authors, as the licence asks.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str
    attribution: str


def verify_sha256(path: Path, expected: str) -> None:
    """Check a file against its pinned SHA-256.

    Args:
        path: file to check.
        expected: 64 lower-case hexadecimal digits.

    Raises:
        SourceError: where the file is missing or its checksum is another one; the message names file and both sums.
    """
    if not path.is_file():
        raise SourceError(f"{path} is missing")
    found = sha256_file(path)
    if found != expected:
        raise SourceError(f"{path} is not the pinned source: its SHA-256 is {found}, expected {expected}")


def fetch_npm(name: str, version: str, sha256: str, cache: Path) -> Path:
    """Fetch the package file of an npm package, or take it from the cache.

    Args:
        name: package name with its scope, such as "@iconify-json/noto".
        version: exact version.
        sha256: pinned SHA-256 of the package file.
        cache: folder of package files; made where missing.

    Returns:
        Path of the verified .tgz file, named as `npm pack` names it.

    Raises:
        SourceError: where npm is not installed or fails, or the checksum is another one.
    """
    path = cache / f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"
    if not path.is_file():
        if shutil.which("npm") is None:
            raise SourceError(f"npm is needed to fetch {name}@{version}; install it or put the file at {path}")
        cache.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", f"{name}@{version}", "--silent", "--ignore-scripts"]
        done = subprocess.run(command, cwd=cache, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SourceError(f"npm pack {name}@{version} failed: {done.stderr.strip()}")
    verify_sha256(path, sha256)
    return path


def fetch_deb(name: str, version: str, sha256: str, cache: Path) -> Path:
    """Fetch a Debian package of architecture "all", or take it from the cache.

    Args:
        name: package name, such as "sweethome3d-furniture".
        version: exact version.
        sha256: pinned SHA-256 of the .deb file.
        cache: folder of package files; made where missing.

    Returns:
        Path of the verified .deb file, named as `apt-get download` names it.

    Raises:
        SourceError: where apt-get is not installed or fails, or the checksum is another one.
    """
    path = cache / f"{name}_{version.replace(':', '%3a')}_all.deb"
    if not path.is_file():
        if shutil.which("apt-get") is None:
            raise SourceError(f"apt-get is needed to fetch {name}={version}; install it or put the file at {path}")
        cache.mkdir(parents=True, exist_ok=True)
        command = ["apt-get", "download", f"{name}={version}"]
        done = subprocess.run(command, cwd=cache, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SourceError(f"apt-get download {name}={version} failed: {done.stderr.strip()}")
    verify_sha256(path, sha256)
    return path


def unpack_deb(package: Path, target: Path) -> None:
    """Unpack the files of a Debian package with dpkg-deb.

    Args:
        package: a verified .deb file.
        target: folder to unpack into; made where missing.

    Raises:
        SourceError: where dpkg-deb is not installed or fails.
    """
    if shutil.which("dpkg-deb") is None:
        raise SourceError(f"dpkg-deb is needed to unpack {package}; install the package dpkg")
    target.mkdir(parents=True, exist_ok=True)
    command = ["dpkg-deb", "-x", str(package), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SourceError(f"dpkg-deb -x {package} failed: {done.stderr.strip()}")


def read_member(archive: Path, member: str) -> bytes:
    """Read one file out of an npm package file.

    Args:
        archive: a .tgz file.
        member: path inside the package, without the leading "package/".

    Returns:
        The bytes of the file.

    Raises:
        SourceError: where the archive holds no such file.
    """
    with tarfile.open(archive, "r:gz") as tar:
        try:
            file = tar.extractfile(f"package/{member}")
        except KeyError:
            file = None
        if file is None:
            raise SourceError(f"{archive} holds no file {member}")
        return file.read()


def load_sources(path: Path) -> list[Source]:
    """Read the table of pinned packages kept beside a builder, a JSON list of objects with the fields of `Source`.

    Raises:
        pydantic.ValidationError: where a field is missing, unknown or ill-typed; the message names it.
    """
    return TypeAdapter(list[Source]).validate_json(path.read_bytes())
