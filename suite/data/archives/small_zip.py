"""Small zip files of strangers: read whole into memory, with every size checked before anything is unpacked."""

import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from suite.data.archives.members import check_zip_member, explained
from suite.errors import SuiteError, shortened

_HEADER, _ENTRY, _END = 30, 46, 22
"""Bytes, besides names, of a file's header, of its entry in the directory, and of the end of the directory."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a zip file may hold at most.

    Attributes:
        file: bytes of the file itself.
        members: number of its files.
        member: bytes of one of them, unpacked.
        total: bytes of all of them, unpacked.
    """

    file: int
    members: int
    member: int
    total: int


def read_small_zip(path: Path, limits: Limits, name: str = "") -> dict[str, bytes]:
    """All files of a zip file by name.

    Args:
        path: the file.
        limits: what it may hold at most.
        name: what to call it in messages; by default its path.

    Raises:
        SuiteError: it is missing, damaged or larger than allowed, holds a name twice, an unsafe member, or bytes that belong
            to none of its files.
    """
    where = Path(name or path)
    if not path.is_file():
        raise SuiteError(f"{where} is missing; allowed: a bundle as suite submit writes it")
    if (size := path.stat().st_size) > limits.file:
        raise SuiteError(f"{where} has {size:,} bytes; allowed: up to {limits.file:,}")
    with explained(where), _sound(where), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > limits.members:
            raise SuiteError(f"{where} holds {len(members):,} files; allowed: up to {limits.members:,}")
        for member in members:
            _check_name(where, member)
            check_zip_member(where, member)
            if member.file_size > limits.member:
                raise SuiteError(
                    f"{where}: {member.filename!r} has {member.file_size:,} bytes; allowed: up to {limits.member:,}"
                )
        if (total := sum(member.file_size for member in members)) > limits.total:
            raise SuiteError(f"{where} unpacks to {total:,} bytes; allowed: up to {limits.total:,}")
        twice = [member for member, count in Counter(member.filename for member in members).items() if count > 1]
        if twice:
            raise SuiteError(f"{where} holds {min(twice)!r} twice; allowed: each file once")
        found = {member.filename: archive.read(member) for member in members}
        _check_layout(where, path, members)
        return found


@contextmanager
def _sound(where: Path) -> Iterator[None]:
    """Tell what the library raises of bytes that make no sense as what it is: a damaged file."""
    try:
        yield
    except (ValueError, LookupError, RuntimeError, MemoryError, OverflowError, struct.error) as error:
        raise SuiteError(f"{where} is truncated, altered or no archive; fetch or copy it again") from error


def _check_name(where: Path, member: zipfile.ZipInfo) -> None:
    """Refuse a member without a name, one whose name ends earlier than it is long, and folders."""
    if not member.filename or member.filename != member.orig_filename or member.filename.endswith(("/", "\\")):
        shown = shortened(repr(member.orig_filename), 200)
        raise SuiteError(f"{where} holds {shown}; allowed: files with names of printed characters")


def _check_layout(where: Path, path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse bytes before, between, within and behind the files, and comments: nobody would see them.

    A file is a header, its name and its stream; then come an entry for each in the directory, and its end.
    """
    content, place = path.read_bytes(), 0
    for member in sorted(members, key=lambda each: each.header_offset):
        start = place + _HEADER + len(member.filename.encode())
        stream = content[start : start + member.compress_size]
        if member.header_offset != place or member.extra or member.comment or not _is_whole(member, stream):
            raise SuiteError(f"{where}: {member.filename!r} has bytes beside its content; allowed: files alone")
        place = start + member.compress_size
    length = sum(_ENTRY + len(member.filename.encode()) for member in members)
    if content[place : place + 2] != b"PK" or len(content) != place + length + _END:
        raise SuiteError(
            f"{where} holds bytes that belong to none of its files; allowed: files alone, without comments"
        )


def _is_whole(member: zipfile.ZipInfo, stream: bytes) -> bool:
    """Whether a stream is the file and nothing else."""
    if member.compress_type != zipfile.ZIP_DEFLATED:
        return member.compress_type == zipfile.ZIP_STORED and len(stream) == member.file_size
    plain = zlib.decompressobj(-zlib.MAX_WBITS)
    plain.decompress(stream, member.file_size + 1)
    return plain.eof and not plain.unused_data
