"""Small zip files of strangers: read whole into memory, with every size checked before anything is unpacked."""

import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from suite.data.archives.members import check_zip_member, explained
from suite.errors import SuiteError


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
        SuiteError: it is missing, damaged or larger than allowed, holds a name twice, or holds an unsafe member.
    """
    where = Path(name or path)
    if not path.is_file():
        raise SuiteError(f"{where} is missing; allowed: a bundle as suite submit writes it")
    if (size := path.stat().st_size) > limits.file:
        raise SuiteError(f"{where} has {size:,} bytes; allowed: up to {limits.file:,}")
    with explained(where), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > limits.members:
            raise SuiteError(f"{where} holds {len(members):,} files; allowed: up to {limits.members:,}")
        for member in members:
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
        return {member.filename: archive.read(member) for member in members if not member.is_dir()}
