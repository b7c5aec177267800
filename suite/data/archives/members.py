"""Reading tar (plain, gz, bz2, xz) and zip files as a stream of regular files, without extracting anything.

Nothing of an archive is ever written under a name that it chose, and no link in it is followed. Archives that hold members
with names outside the archive, devices, or links that lead out are refused all the same: no publisher made them.
"""

import bz2
import gzip
import hashlib
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol, cast

from suite.errors import SuiteError

Advance = Callable[[int], None]
"""Called with a number of bytes that were read."""

LARGEST_MEMBER = 2**28
"""Bytes of the largest file that is read from an archive: 256 MiB, against archives made to fill the memory."""
_BLOCK = 2**20
_MATLAB = b"MATLAB "
_ENCRYPTED = 0x1
"""Of a zip member's flags."""
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,
    UnicodeDecodeError,  # a name that says that it is UTF-8 and is not
)


@dataclass(slots=True)
class Contents:
    """What an archive holds.

    Attributes:
        path: the archive.
        md5: digest of its bytes.
        names: names of its regular files in the order in which they lie in it.
        texts: contents of the files whose base name was asked for.
        flaw: what is wrong with its end, beyond the last file; empty for a sound archive.
    """

    path: Path
    md5: str
    names: list[str] = field(default_factory=list)
    texts: dict[str, bytes] = field(default_factory=dict)
    flaw: str = ""


def survey(path: Path, wanted: Collection[str], advance: Advance) -> Contents:
    """Read an archive once from end to end: its MD5, the names of its files, and the files named in ``wanted``.

    ``._`` files and ``__MACOSX`` folders, which macOS adds, are left out. A MATLAB file counts as an archive of itself.

    Raises:
        SuiteError: the archive is truncated or damaged, holds a name twice, or holds an unsafe member.
    """
    with path.open("rb") as stream:
        hashing = _Hashing(stream, advance)
        if _starts_with(path, _MATLAB):
            contents = Contents(path, hashing.finish(), [path.name], {path.name: path.read_bytes()})
        elif zipfile.is_zipfile(path):
            contents = Contents(path, hashing.finish())
            with explained(path):
                _survey_zip(contents, wanted)
        else:
            contents = _survey_tar(path, hashing, wanted)
    twice = [name for name, count in Counter(contents.names).items() if count > 1]
    if twice:
        raise SuiteError(f"{path} holds {min(twice)} twice: it is no archive as it was published")
    return contents


def _survey_zip(contents: Contents, wanted: Collection[str]) -> None:
    with zipfile.ZipFile(contents.path) as archive:
        for member in sorted(archive.infolist(), key=lambda member: member.header_offset):
            check_zip_member(contents.path, member)
            if not member.is_dir() and _is_of_interest(member.filename):
                contents.names.append(member.filename)
                if PurePosixPath(member.filename).name in wanted:
                    _check_size(contents.path, member.filename, member.file_size)
                    contents.texts[member.filename] = archive.read(member)


def _survey_tar(path: Path, hashing: "_Hashing", wanted: Collection[str]) -> Contents:
    contents = Contents(path, "")
    with explained(path):
        plain = _Decompressed(path, hashing)
        with tarfile.open(fileobj=cast("IO[bytes]", plain), mode="r|", bufsize=_BLOCK) as archive:
            for member in archive:
                _check_tar_member(path, member)
                if member.isreg() and _is_of_interest(member.name):
                    contents.names.append(_plain_name(member.name))
                    if PurePosixPath(member.name).name in wanted:
                        contents.texts[_plain_name(member.name)] = _read(archive, member, path)
    while plain.read(_BLOCK):  # to the end of the compressed stream, where its checksum stands
        pass
    contents.flaw = plain.flaw
    contents.md5 = hashing.finish()
    return contents


def read_files(path: Path, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """The contents of these files, in the order in which they lie in the archive. A tar file is read once, from its start.

    A zip member whose checksum is wrong comes as empty bytes.

    Raises:
        SuiteError: the archive is truncated or damaged.
    """
    chosen = set(names)
    if not chosen:
        return
    with explained(path):
        if zipfile.is_zipfile(path):
            yield from _read_zip(path, chosen)
        else:
            yield from _read_tar(path, chosen)


def _read_zip(path: Path, chosen: set[str]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for member in sorted(archive.infolist(), key=lambda member: member.header_offset):
            if member.filename in chosen:
                _check_size(path, member.filename, member.file_size)
                data = b""
                with suppress(zipfile.BadZipFile, zlib.error):
                    data = archive.read(member)
                yield member.filename, data


def _read_tar(path: Path, chosen: set[str]) -> Iterator[tuple[str, bytes]]:
    left = len(chosen)
    with path.open("rb") as stream:
        plain = _Decompressed(path, stream)
        with tarfile.open(fileobj=cast("IO[bytes]", plain), mode="r|", bufsize=_BLOCK) as archive:
            for member in archive:
                if member.isreg() and _plain_name(member.name) in chosen:
                    yield _plain_name(member.name), _read(archive, member, path)
                    left -= 1
                    if not left:
                        return


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> bytes:
    _check_size(path, member.name, member.size)
    file = archive.extractfile(member)
    return b"" if file is None else file.read()


def _plain_name(name: str) -> str:
    """Tar files made with ``tar c .`` have ``./`` before each name."""
    return str(PurePosixPath(name))


def _is_of_interest(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.name.startswith("._") and "__MACOSX" not in path.parts


def _check_size(path: Path, name: str, size: int) -> None:
    if size > LARGEST_MEMBER:
        raise SuiteError(f"{path}: {name} has {size} bytes; allowed: up to {LARGEST_MEMBER}")


def _check_tar_member(path: Path, member: tarfile.TarInfo) -> None:
    try:
        # What extraction into some folder would refuse; the folder need not exist.
        tarfile.data_filter(member, "/nowhere")
    except tarfile.FilterError as error:
        raise SuiteError(f"{path} is unsafe and was not used: {error}") from error
    if member.name.startswith("/"):  # the filter would make it relative
        raise SuiteError(f"{path} is unsafe and was not used: {member.name!r} is an absolute path")


def check_zip_member(path: Path, member: zipfile.ZipInfo) -> None:
    """Check that a member of a zip file is a file or folder within it that can be read.

    Raises:
        SuiteError: its name leads out, it is encrypted, a link or a special file.
    """
    name = PurePosixPath(member.filename.replace("\\", "/"))
    mode = member.external_attr >> 16
    if name.is_absolute() or ".." in name.parts or (name.parts and name.parts[0].endswith(":")):
        raise SuiteError(
            f"{path} is unsafe and was not used: {member.filename!r} would be extracted outside its folder"
        )
    if member.flag_bits & _ENCRYPTED:
        raise SuiteError(f"{path}: {member.filename!r} is encrypted; allowed: archives without a password")
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise SuiteError(f"{path} is unsafe and was not used: {member.filename!r} is a link or a special file")


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Hashing:
    """A file that is read once, in order, and whose MD5 grows along."""

    def __init__(self, stream: IO[bytes], advance: Advance) -> None:
        self._stream = stream
        self._advance = advance
        self._md5 = hashlib.md5(usedforsecurity=False)

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self._md5.update(data)
        self._advance(len(data))
        return data

    def finish(self) -> str:
        """Read what is left; the digest of the whole file."""
        while self.read(_BLOCK):
            pass
        return self._md5.hexdigest()


_OPENERS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}


class _Decompressed:
    """The stream that a compressed file holds, by the file's first bytes; other files as they are.

    Where it breaks off, it ends, and ``flaw`` says why: whether that matters, the MD5 decides. A truncated file is noticed
    by the tar reader, if it breaks off within a member.
    """

    def __init__(self, path: Path, stream: _Readable) -> None:
        opener = next((opener for begin, opener in _OPENERS.items() if _starts_with(path, begin)), None)
        # read1 gives what there is before it raises.
        self._read: Callable[[int], bytes] = stream.read if opener is None else opener(stream).read1
        self.flaw = ""

    def read(self, size: int, /) -> bytes:
        if self.flaw:
            return b""
        try:
            return self._read(size)
        except _BROKEN as error:
            self.flaw = str(error)
            return b""


def _starts_with(path: Path, begin: bytes) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(begin)) == begin


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Tell errors of reading an archive as one line.

    Raises:
        SuiteError: one was raised.
    """
    try:
        yield
    except _BROKEN as error:
        raise SuiteError(f"{path} is truncated, altered or no archive: {error}; fetch or copy it again") from error
