"""Making the cache of a data set from its archives: complete under its name, or not there at all."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import PIL
from filelock import FileLock, Timeout
from rich.console import Console

from suite.data.archives.annotations import Item
from suite.data.archives.cache import CACHE_FOLDER, FORMAT, INDEX_FILE, META_FILE, cache_folder, shard_name, write_index
from suite.data.archives.check import Unusable, check_unusable
from suite.data.archives.convert import ENCODING
from suite.data.archives.editions import Edition
from suite.data.archives.identify import Identified
from suite.data.archives.shards import SHARD_IMAGES, Job, Shard, Site, finished, in_archive_order, write_shards
from suite.errors import SuiteError
from suite.files import clear_unfinished, read_json, write_json
from suite.hashing import sha256_file, sha256_value
from suite.progress import progress_bar

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Source:
    """Verified archives and how they are to be converted.

    Attributes:
        dataset: name of the data set.
        edition: what it must hold.
        identified: the archives.
        items: all annotated images.
        missing: those of them without a file.
        short_side: pixels; 0 keeps the size.
        max_unusable: annotated images that may be left out.
    """

    dataset: str
    edition: Edition
    identified: Identified
    items: list[Item]
    missing: list[Unusable]
    short_side: int
    max_unusable: int

    @property
    def key(self) -> str:
        """Digest of all that the cache depends on; a started cache is continued only under the same key."""
        return sha256_value(
            {
                "format": FORMAT,
                "edition": self.edition.model_dump(),
                "md5": {role: contents.md5 for role, contents in self.identified.files.items()},
                "short_side": self.short_side,
                "encoding": ENCODING,
                "pillow": PIL.__version__,
                "shard_images": SHARD_IMAGES,
            }
        )


@contextmanager
def locked(dataset: str, folder: Path) -> Iterator[None]:
    """Hold a data set's lock, so that two processes do not make one cache.

    Raises:
        SuiteError: another process holds it.
    """
    path = folder / CACHE_FOLDER / f".{dataset}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=0):
            yield
    except Timeout as error:
        raise SuiteError(f"another process is adding {dataset} to {folder}; wait for it ({path})") from error


def build_cache(source: Source, folder: Path, console: Console) -> None:
    """Make or finish the cache of a data set. What a killed or stopped run has finished is kept and used.

    Raises:
        SuiteError: too many images cannot be used, an archive is damaged, or the disk is full.
    """
    final = cache_folder(source.dataset, folder)
    site = Site(final.with_name(f".{source.dataset}.partial"), final.with_name(f".{source.dataset}.notes"))
    _prepare(site, source.key)
    job = Job(source.identified.files, in_archive_order(source.items, source.identified.files), source.short_side)
    try:
        shards = _all_shards(site, job, source, console)
        _finish(site.shards, shards, source)
        _move_into_place(site, final)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        done = len(list(site.notes.glob("0*.json")))
        raise SuiteError(
            f"no room left to write to {site.shards} ({error.strerror}): free some space and run the same command again; "
            f"{done} of {job.num_shards} shards are done and kept"
        ) from error


def _prepare(site: Site, key: str) -> None:
    """Drop what was started under another key, and what a killed process was writing."""
    kept = site.notes / "key.json"
    if not _holds(kept, key):
        shutil.rmtree(site.shards, ignore_errors=True)
        shutil.rmtree(site.notes, ignore_errors=True)
        write_json(kept, key)
    site.shards.mkdir(parents=True, exist_ok=True)
    for folder in (site.shards, site.notes):
        clear_unfinished(folder)


def _holds(path: Path, key: str) -> bool:
    try:
        return path.is_file() and bool(read_json(path) == key)
    except SuiteError:  # cut: what lies beside it may be of any key
        return False


def _all_shards(site: Site, job: Job, source: Source, console: Console) -> list[Shard]:
    unusable = list(source.missing)
    shards: dict[int, Shard] = {}
    for number in range(job.num_shards):
        found = finished(site, number, job.shard(number))
        if found is not None:
            shards[number] = found
            unusable += found.unusable
    title = source.edition.title
    check_unusable(unusable, source.max_unusable, title)
    if shards:
        console.print(f"{source.dataset}: resuming, {len(shards)} of {job.num_shards} shards are done")
    waiting = [number for number in range(job.num_shards) if number not in shards]

    def on_unusable(each: Unusable) -> None:
        unusable.append(each)
        check_unusable(unusable, source.max_unusable, title)

    with progress_bar(console, "images") as progress:
        done = sum(len(job.shard(number)) for number in shards)
        bar = progress.add_task(f"images of {source.dataset}", total=len(job.items), completed=done)
        for number in write_shards(
            site, job, waiting, on_unusable, lambda: progress.update(bar, advance=1, refresh=True)
        ):
            written = finished(site, number, job.shard(number))
            if written is None:
                raise SuiteError(f"{site.shard_path(number)} does not hold what was written; check the disk")
            shards[number] = written
    return [shards[number] for number in range(job.num_shards)]


def _finish(folder: Path, shards: list[Shard], source: Source) -> None:
    by_key = {(item.archive, item.name): item for item in source.items}
    rows = [row | _annotation(by_key[row["archive"], row["name"]], source) for shard in shards for row in shard.rows]
    unusable = source.missing + [each for shard in shards for each in shard.unusable]
    if len(rows) + len(unusable) != len(source.items):
        raise SuiteError(f"{source.edition.title}: an archive changed while it was read; run the same command again")
    data_sha256 = write_index(folder / INDEX_FILE, rows)
    edition = source.edition
    meta: dict[str, Any] = {
        "format": FORMAT,
        "dataset": source.dataset,
        "title": edition.title,
        "form": source.identified.form,
        "archives": {role: each.md5 for role, each in source.identified.files.items()},
        "as_published": not source.identified.altered,
        "classes": edition.classes,
        "training_classes": edition.training_classes,
        "training_images": sum(row["training"] for row in rows),
        "test_images": sum(not row["training"] for row in rows),
        "unusable": [asdict(each) for each in sorted(unusable, key=lambda each: (each.archive, each.name))],
        "short_side": source.short_side,
        "encoding": ENCODING,
        "pillow": PIL.__version__,
        "data_sha256": data_sha256,
        "index_sha256": sha256_file(folder / INDEX_FILE),
        "shards": [
            {"file": shard_name(number), "bytes": shard.bytes, "sha256": shard.sha256}
            for number, shard in enumerate(shards)
        ],
        "key": source.key,
    }
    write_json(folder / META_FILE, meta)


def _annotation(item: Item, source: Source) -> dict[str, Any]:
    return {
        "label": item.class_id - 1,
        "class_name": item.class_name,
        "training": item.class_id <= source.edition.training_classes,
        "image_id": item.image_id,
    }


def _move_into_place(site: Site, final: Path) -> None:
    old = final.with_name(f".{final.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    site.shards.rename(final)
    shutil.rmtree(site.notes, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
