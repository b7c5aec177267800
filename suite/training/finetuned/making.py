"""Making views: images through the standing blocks of the backbone, block by block, in parallel processes.

Where it was interrupted it goes on with the files that lack. The changes of an image belong to (data set, view, row) alone,
blocks have a fixed size and one thread computes each: the bytes do not depend on the number of processes. What decides them
is in ``maps``, whose digest is part of the manifest; an edit of this file makes no view stale.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress, TaskID

from suite.data.table import ImageTable
from suite.errors import SuiteError
from suite.files import clear_unfinished, replacing, write_json
from suite.hashing import sha256_file
from suite.processes import in_parallel
from suite.progress import progress_bar
from suite.settings.finetuned import ViewPlan
from suite.settings.paths import FINETUNED_FILE, PARAMS_FILE
from suite.training.backbone import Backbone
from suite.training.finetuned.maps import BLOCK, Maker, backbone_block, features_block, rows_of, view_block
from suite.training.finetuned.views import (
    FEATURES_NAME,
    MANIFEST_NAME,
    Rows,
    cut,
    made_from,
    read_manifest,
    views_folder,
)

_SPARE = 1.1
"""Room on the disk that is asked for, as a multiple of what the views take."""


def write_views(plan: ViewPlan, table: ImageTable, backbone: Backbone, console: Console) -> bool:
    """Make the views that lack.

    Args:
        plan: what they are made from.
        table: the images of the data set.
        backbone: the whole network.
        console: where size and progress are shown.

    Returns:
        Whether any lacked.

    Raises:
        SuiteError: the backbone cannot be cut there, the disk has too little room, or float16 cannot hold a value.
    """
    folder = views_folder(plan.dataset)
    standing, blocks = cut(plan, table, backbone)
    maker = Maker(plan, table, replace(backbone, model=standing))
    training = rows_of(table, 1)
    total = len(table.labels) + plan.views * len(training)
    made = _Made(folder, made_from(plan, standing, blocks))
    if plan.whole_network:
        _write_features(made, backbone, table, training, console)
        return made.any
    _announce(made, plan.views, total, maker.maps(0, training[:1]).shape[1:], console)
    with progress_bar(console, "images") as progress:
        bar = progress.add_task(f"views of {plan.dataset}", total=total)
        for number in range(plan.views + 1):
            rows = rows_of(table, number)
            if not made.has(f"{number}.npy"):
                made.add(f"{number}.npy", _assembled(view_block, (maker, number, rows), len(rows), progress, bar))
            progress.update(bar, completed=len(table.labels) + number * len(training), refresh=True)
        if not made.has(FEATURES_NAME):
            plain = np.load(folder / "0.npy", mmap_mode="r")
            made.add(
                FEATURES_NAME, _assembled(features_block, (blocks, plain, training), len(training), progress, None)
            )
    console.print(f"views of {plan.dataset}: done")
    return made.any


def _write_features(made: "_Made", backbone: Backbone, table: ImageTable, rows: Rows, console: Console) -> None:
    """Where the whole network learns, all that is made is the features of the plain training images."""
    with progress_bar(console, "images") as progress:
        bar = progress.add_task(f"features of {made.folder.name}", total=len(rows))
        if not made.has(FEATURES_NAME):
            made.add(
                FEATURES_NAME,
                _assembled(backbone_block, (backbone, table, rows), len(rows), progress, bar),
            )
    console.print(f"features of {made.folder.name}: done; the whole network learns, there are no views")


def _assembled(
    function: Callable[[Any, int], NDArray[np.float16]],
    shared: object,
    count: int,
    progress: Progress,
    bar: TaskID | None,
) -> NDArray[np.float16]:
    """What ``function(shared, start)`` gives for each block of ``count`` rows, as one array.

    Raises:
        SuiteError: a value is not finite.
    """
    found: dict[int, NDArray[np.float16]] = {}
    for start, block in in_parallel(function, shared, range(0, count, BLOCK)):
        if not np.isfinite(block).all():
            raise SuiteError(
                f"{FINETUNED_FILE}: recipe.cut: maps or features hold a value that is not finite in float16, whose "
                f"greatest is {np.finfo(np.float16).max:.0f}; allowed: a cut after another block, or another backbone in "
                f"{PARAMS_FILE}"
            )
        found[start] = block
        if bar is not None:
            progress.update(bar, advance=len(block), refresh=True)
    return np.concatenate([found[start] for start in sorted(found)])


class _Made:
    """The files of a folder that are done; those that were made from something else, or cut by a kill, are deleted.

    Args:
        folder: of the views.
        made_from: all that decides their bytes.

    Attributes:
        folder: of the views.
        any: whether a file was added.
    """

    def __init__(self, folder: Path, made_from: dict[str, Any]) -> None:
        self.folder, self._made_from, self.any = folder, made_from, False
        manifest = read_manifest(folder)
        self._files: dict[str, str] = {}
        known: Any = manifest.get("files") if isinstance(manifest, dict) else None
        if isinstance(known, dict) and manifest.get("made_from") == made_from:
            self._files = known
            clear_unfinished(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)

    def has(self, name: str) -> bool:
        """Whether a file is done and whole."""
        path = self.folder / name
        return name in self._files and path.is_file() and sha256_file(path) == self._files[name]

    def add(self, name: str, array: NDArray[np.float16]) -> None:
        """Write a file, then name it in the manifest."""
        self.any = True
        path = self.folder / name
        with replacing(path) as temporary, temporary.open("wb") as stream:
            np.save(stream, array)
        self._files[name] = sha256_file(path)
        write_json(self.folder / MANIFEST_NAME, {"made_from": self._made_from, "files": self._files})


def _announce(made: "_Made", views: int, total: int, shape: Sequence[int], console: Console) -> None:
    """Say how large the views are.

    Raises:
        SuiteError: the disk has too little room.
    """
    size = total * int(np.prod(shape)) * 2
    name = made.folder.name
    console.print(f"views of {name}: {total} maps of {' x '.join(map(str, shape))}, {size / 1e6:.0f} MB")
    made.folder.mkdir(parents=True, exist_ok=True)
    have = sum(path.stat().st_size for path in made.folder.iterdir())
    free = shutil.disk_usage(made.folder).free
    if _SPARE * (size - have) > free:
        raise SuiteError(
            f"{FINETUNED_FILE}: recipe.views = {views}: the views of {name} take {size / 1e6:.0f} MB, the disk has "
            f"{free / 1e6:.0f} MB left; allowed: fewer views, or a cut after a later block"
        )
