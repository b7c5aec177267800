"""``suite data add``: from the archives that a user has to a verified cache, and the archives under DVC."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from suite.data.archives import cars, cub, sop
from suite.data.archives.annotations import Parser
from suite.data.archives.build import Source, build_cache, locked
from suite.data.archives.cache import META_FILE, Cache, cache_folder, open_cache, verify_cache
from suite.data.archives.check import Unusable, check_counts, check_unusable, compare_with_files, describe
from suite.data.archives.editions import EDITIONS_FILE, Edition, edition_of, load_editions
from suite.data.archives.identify import Identified, identify
from suite.data.archives.members import Contents, survey
from suite.data.archives.space import cache_bytes, check_space
from suite.data.archives.track import check_repository, is_tracked, track
from suite.errors import SuiteError
from suite.files import read_json
from suite.progress import progress_bar
from suite.settings.paths import BENCHMARKS_FOLDER

PARSERS: dict[str, Parser] = {"cub": cub.items, "cars": cars.items, "sop": sop.items}
_TEXTS = frozenset(cub.TEXTS + cars.TEXTS + sop.TEXTS)
_MEGABYTE = 10**6


@dataclass(frozen=True, slots=True)
class Options:
    """How a data set is added.

    Attributes:
        folder: holds ``archives/`` and ``cache/``.
        editions: what each data set must hold.
        short_side: pixels of the shorter side; 0 keeps the size.
        max_unusable: annotated images that may be missing or corrupt; they are left out.
        track: whether the archives are put under DVC.
    """

    folder: Path = BENCHMARKS_FOLDER
    editions: Path = EDITIONS_FILE
    short_side: int = 256
    max_unusable: int = 0
    track: bool = True


def add(dataset: str, files: Sequence[Path], options: Options, console: Console) -> Cache:
    """Verify the archives of a data set, make or finish its cache, and put the archives under DVC.

    Everything is checked before anything is written. Run again after a kill or an error, it goes on where it stopped; run
    again when done, it verifies the cache.

    Raises:
        SuiteError: see the modules of this package; one line that names the file and what was expected.
    """
    if options.folder.exists() and not options.folder.is_dir():
        raise SuiteError(
            f"suite data add: --folder {options.folder} is a file; allowed: a folder, or a name for a new one"
        )
    editions = load_editions(options.editions)
    edition = edition_of(dataset, editions)
    if dataset not in PARSERS:
        raise SuiteError(f"suite data add: no parser for {dataset!r}; allowed: {', '.join(PARSERS)}")
    if options.track:
        check_repository(options.folder)
    identified = identify(dataset, editions, _survey(files, console))
    source = _verified(dataset, edition, identified, options, console)
    with locked(dataset, options.folder):
        cache = _existing(source, options.folder)
        if cache is None:
            _check_space(source, options)
            build_cache(source, options.folder, console)
            cache = open_cache(dataset, options.folder)
        if options.track:
            _track(source, options.folder, console)
    _report(cache, console)
    return cache


def _survey(files: Sequence[Path], console: Console) -> list[Contents]:
    for path in files:
        if not path.is_file():
            raise SuiteError(f"suite data add: there is no file {path}")
    surveyed = []
    with progress_bar(console, "MB") as progress:
        for path in files:
            bar = progress.add_task(f"verifying {path.name}", total=path.stat().st_size // _MEGABYTE)
            read = 0

            def advance(count: int, bar: object = bar) -> None:
                nonlocal read
                before, read = read // _MEGABYTE, read + count
                if read // _MEGABYTE > before:
                    progress.update(bar, completed=read // _MEGABYTE, refresh=True)  # type: ignore[arg-type]

            surveyed.append(survey(path, _TEXTS, advance))
    return surveyed


def _verified(dataset: str, edition: Edition, identified: Identified, options: Options, console: Console) -> Source:
    items = PARSERS[dataset](identified.files)
    check_counts(edition, items)
    missing, unlisted = compare_with_files(items, identified.files)
    check_unusable(missing, options.max_unusable, edition.title)
    for line in identified.altered:
        _note(console, line)
    if identified.altered:
        _note(
            console,
            f"classes, images and split fit {edition.title} ({edition.classes:,} classes, {edition.training_images:,} + "
            f"{edition.test_images:,} images), so it is used as a mirror; whether its pixels are the published ones cannot "
            "be told",
        )
    if unlisted:
        _note(console, f"{len(unlisted):,} image files have no annotation and are left out: {', '.join(unlisted[:3])}")
    return Source(dataset, edition, identified, items, missing, options.short_side, options.max_unusable)


def _existing(source: Source, folder: Path) -> Cache | None:
    """The cache, if it is complete and was made from the same archives in the same way; its bytes are verified then."""
    meta = cache_folder(source.dataset, folder) / META_FILE
    if not meta.is_file():
        return None
    found = read_json(meta, f"delete {meta.parent} and run the same command again")
    if not isinstance(found, dict) or found.get("key") != source.key:
        return None
    cache = open_cache(source.dataset, folder)
    verify_cache(cache)
    check_unusable(_unusable(cache), source.max_unusable, source.edition.title)
    return cache


def _check_space(source: Source, options: Options) -> None:
    archives = sum(contents.path.stat().st_size for contents in source.identified.files.values())
    needed = cache_bytes(len(source.items), options.short_side, archives)
    if options.track:
        needed += 2 * archives  # in the archives folder, unless it can be linked, and in DVC's cache
    check_space(options.folder, needed, f"{source.edition.title} with its archives")


def _track(source: Source, folder: Path, console: Console) -> None:
    published = {file.md5: file.name for form in source.edition.forms.values() for file in form.values()}
    for contents in source.identified.files.values():
        name = published.get(contents.md5, contents.path.name)
        if not is_tracked(contents, name, folder):
            console.print(f"dvc add {track(contents, name, folder)}", highlight=False)


def _report(cache: Cache, console: Console) -> None:
    meta = cache.meta
    unusable = _unusable(cache)
    if unusable:
        _note(console, f"{len(unusable):,} annotated images are left out: {describe(unusable)}")
    size = sum(shard["bytes"] for shard in meta["shards"]) / _MEGABYTE
    test_classes = meta["classes"] - meta["training_classes"]
    console.print(
        f"{cache.folder}: {meta['training_images']:,} images of {meta['training_classes']:,} training classes, "
        f"{meta['test_images']:,} images of {test_classes:,} test classes, {size:,.1f} MB",
        highlight=False,
    )


def _unusable(cache: Cache) -> list[Unusable]:
    return [Unusable(**each) for each in cache.meta["unusable"]]


def _note(console: Console, text: str) -> None:
    console.print(f"[bold yellow]NOTE:[/] {escape(text)}", highlight=False)
