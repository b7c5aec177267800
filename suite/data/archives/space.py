"""Whether the disk has room, asked before anything is written."""

import shutil
from pathlib import Path

from suite.errors import SuiteError

BYTES_OF_IMAGE = 90_000
"""Room reserved for an image of 256 px short side; photographs take half of it, see docs/benchmarks.md."""
_SIDE = 256


def cache_bytes(images: int, short_side: int, archive_bytes: int) -> int:
    """Room that a cache may need: never much more than the archives when sizes are kept."""
    if short_side == 0:
        return archive_bytes * 6 // 5
    return images * BYTES_OF_IMAGE * short_side**2 // _SIDE**2


def check_space(folder: Path, needed: int, what: str) -> None:
    """Compare the room that is needed with what the file system of a folder has left.

    Raises:
        SuiteError: it has less.
    """
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise SuiteError(
            f"{folder} has {free / 1e9:.1f} GB of free disk space, {what} needs about {needed / 1e9:.1f} GB: free some, or "
            "choose another place with --folder"
        )
