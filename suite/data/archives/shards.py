"""Writing the shards of a cache, resumable shard by shard.

A shard is a run of images in the order in which they lie in the archives, so that a tar file is read once from its start. A
shard counts as done when its notes, written after it, hold the SHA-256 of its bytes.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from suite.data.archives.annotations import Item
from suite.data.archives.cache import shard_name
from suite.data.archives.check import Unusable
from suite.data.archives.convert import Converted, convert
from suite.data.archives.members import Contents, read_files
from suite.files import replacing, write_json
from suite.hashing import sha256_file
from suite.processes import worker_count

SHARD_IMAGES = 4096
"""Images of a shard: about 150 MB, half a minute of work at most to be done again after a kill."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is converted.

    Attributes:
        files: archives by role.
        items: the annotated images that have a file, in the order in which they lie in the archives.
        short_side: see ``convert``.
    """

    files: dict[str, Contents]
    items: list[Item]
    short_side: int

    def shard(self, number: int) -> list[Item]:
        """The images of a shard."""
        return self.items[number * SHARD_IMAGES : (number + 1) * SHARD_IMAGES]

    @property
    def num_shards(self) -> int:
        """Number of shards."""
        return -(-len(self.items) // SHARD_IMAGES)


@dataclass(frozen=True, slots=True)
class Shard:
    """A finished shard: its digest, rows of the index without annotations, and images that could not be decoded."""

    sha256: str
    bytes: int
    rows: list[dict[str, Any]]
    unusable: list[Unusable]


def in_archive_order(items: Sequence[Item], files: dict[str, Contents]) -> list[Item]:
    """The items that have a file, archive by archive in the order of their files."""
    places = {(role, name): (i, j) for i, role in enumerate(files) for j, name in enumerate(files[role].names)}
    there = [item for item in items if (item.archive, item.name) in places]
    return sorted(there, key=lambda item: places[item.archive, item.name])


@dataclass(frozen=True, slots=True)
class Site:
    """Where a cache is being made.

    Attributes:
        shards: folder that becomes the cache.
        notes: folder of the notes on finished shards.
    """

    shards: Path
    notes: Path

    def shard_path(self, number: int) -> Path:
        """File of a shard."""
        return self.shards / shard_name(number)

    def notes_path(self, number: int) -> Path:
        """Notes on a shard."""
        return self.notes / f"{number:05d}.json"


def finished(site: Site, number: int, items: Sequence[Item]) -> Shard | None:
    """A shard that was finished; None if it was not, or its bytes or images are not what they were."""
    data, notes = site.shard_path(number), site.notes_path(number)
    if not (data.is_file() and notes.is_file()):
        return None
    try:
        kept = json.loads(notes.read_text(encoding="utf-8"))
        if kept["items"] != _names(items) or sha256_file(data) != kept["sha256"]:
            return None
        rows = [row | {key: bytes.fromhex(row[key]) for key in ("sha256", "cached_sha256")} for row in kept["rows"]]
        unusable = [Unusable(**each) for each in kept["unusable"]]
    except (ValueError, KeyError, TypeError):  # cut, or not what was written
        return None
    return Shard(kept["sha256"], data.stat().st_size, rows, unusable)


def write_shards(
    site: Site, job: Job, waiting: Sequence[int], on_unusable: Callable[[Unusable], None], advance: Callable[[], None]
) -> Iterator[int]:
    """Write these shards in order; yields the number of each that is done.

    Args:
        site: where they go.
        job: what is converted.
        waiting: numbers of the shards to write, ascending.
        on_unusable: called for each image that cannot be decoded; may raise to stop.
        advance: called for each image.
    """
    wanted = [item for number in waiting for item in job.shard(number)]
    by_key = {(item.archive, item.name): item for item in wanted}
    numbers = {(item.archive, item.name): number for number in waiting for item in job.shard(number)}
    converted = _converted(job, wanted)
    for number, images in itertools.groupby(converted, key=lambda pair: numbers[pair[0]]):
        writer = _Writer(number)
        with replacing(site.shard_path(number)) as temporary, temporary.open("wb") as stream:
            for key, result in images:
                if isinstance(result, str):
                    writer.unusable.append(Unusable(*key, result))
                    on_unusable(writer.unusable[-1])
                else:
                    stream.write(result.data)
                    writer.add(by_key[key], result)
                advance()
        write_json(site.notes_path(number), writer.notes(_names(job.shard(number))))
        yield number


def _converted(job: Job, wanted: Sequence[Item]) -> Iterator[tuple[tuple[str, str], Converted | str]]:
    """Images in archive order with their conversion; decoding runs in threads, for which PIL lets go of the interpreter."""

    def tasks() -> Iterator[Any]:
        for role, items in itertools.groupby(wanted, key=lambda item: item.archive):
            for name, data in read_files(job.files[role].path, [item.name for item in items]):
                yield delayed(_convert)((role, name), data, job.short_side)

    threads = worker_count(len(wanted))
    parallel = Parallel(n_jobs=threads, prefer="threads", return_as="generator", pre_dispatch=8 * threads, batch_size=1)
    yield from parallel(tasks())


def _convert(key: tuple[str, str], data: bytes, short_side: int) -> tuple[tuple[str, str], Converted | str]:
    return key, convert(data, short_side)


class _Writer:
    """What is known of a shard while it is written."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.rows: list[dict[str, Any]] = []
        self.unusable: list[Unusable] = []
        self._offset = 0
        self._sha256 = hashlib.sha256()

    def add(self, item: Item, image: Converted) -> None:
        """Take note of an image that was written."""
        self.rows.append(
            {
                "shard": self.number,
                "offset": self._offset,
                "length": len(image.data),
                "width": image.width,
                "height": image.height,
                "archive": item.archive,
                "name": item.name,
                "sha256": image.sha256.hex(),
                "cached_sha256": hashlib.sha256(image.data).hexdigest(),
            }
        )
        self._offset += len(image.data)
        self._sha256.update(image.data)

    def notes(self, names: list[list[str]]) -> dict[str, Any]:
        """What ``shard-N.json`` holds."""
        unusable = [{"archive": each.archive, "name": each.name, "reason": each.reason} for each in self.unusable]
        return {"sha256": self._sha256.hexdigest(), "items": names, "rows": self.rows, "unusable": unusable}


def _names(items: Sequence[Item]) -> list[list[str]]:
    return [[item.archive, item.name] for item in items]
