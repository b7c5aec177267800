"""What belongs to the user and not to the repository: loss files, recipes and data sets that settings files name.

DVC watches files that ``dvc.yaml`` names, and nobody should have to edit that. So the folder ``user/`` says what there is:
``digests.json``, on which the stage ``plan`` depends, ``benchmarks.json``, on which that of the benchmarks does, and
``stages.yaml``, from which ``dvc.yaml`` takes whether it needs the stage ``user@files``. That stage renews the digests at
the start of each ``dvc repro``. The files are in git, and say "nothing" in the repository.
"""

import contextlib
import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from suite.data.user import UserData, remove_others, renew, user_datasets
from suite.errors import Problems, SuiteError
from suite.files import read_json, write_json, write_text
from suite.hashing import PACKAGES, sha256_file, sha256_user_code, user_files
from suite.losses.build import parts_of
from suite.processes import guarded
from suite.settings.benchmarks import BenchmarkSettings, load_benchmarks
from suite.settings.finetuned import load_finetuned
from suite.settings.params import LossSettings, Settings
from suite.settings.paths import (
    BENCHMARKS_FILE,
    FINETUNED_FILE,
    PARAMS_FILE,
    USER_BENCHMARKS_FILE,
    USER_DIGESTS_FILE,
    USER_STAGES_FILE,
    WATCHED_FOLDER,
)

_INSTALLED = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
_STAGES = """# Written by `suite plan`: [files] where a settings file names files of yours, which `suite user` then looks at.
user: {}
"""


def update_user_files(settings: Settings) -> list[str]:
    """Convert a user's data sets where their sources have changed, and renew the digests of all files of theirs.

    What is wrong of the benchmarks is no problem here. It stands in their digests, so that their own plans tell it.

    Returns:
        Remarks on the data sets.

    Raises:
        SuiteError: loss files are missing or no Python, or the images of data sets are not fit for use.
    """
    problems, losses, datasets = Problems(), dict[str, str](), dict[str, UserData]()
    for place, loss in _entries(settings):
        with problems:
            losses |= dict(_user_files_of(place, loss))
    for name, entry in user_datasets(settings).items():
        with problems:
            datasets[name] = renew(name, entry)
    problems.tell()
    remove_others(list(datasets))
    digests: dict[str, Any] = {}
    if losses:
        digests["losses"] = losses
    if datasets:
        digests["datasets"] = {name: data.data_sha256 for name, data in datasets.items()}
    write_json(USER_DIGESTS_FILE, digests)
    if BENCHMARKS_FILE.is_file():
        try:
            update_benchmark_files(load_benchmarks())
        except SuiteError as error:
            write_json(USER_BENCHMARKS_FILE, {"problem": str(error)})
    _write_stages()
    return [f"{name}: {remark}" for name, data in datasets.items() for remark in data.remarks]


def update_benchmark_files(settings: BenchmarkSettings) -> None:
    """Renew the digests of the files that the rows of the benchmarks name: losses, and recipes beside the papers'.

    Raises:
        SuiteError: a loss file is missing or no Python, or a module is not installed.
    """
    problems, losses, recipes = Problems(), dict[str, str](), dict[str, str]()
    for dataset, name in settings.named_rows:
        row, place = settings.row(dataset, name), f"{BENCHMARKS_FILE}: benchmarks.{dataset}.{name}.target"
        recipe = Path(row.recipe)
        if recipe.suffix == ".yaml" and recipe.is_file():  # a missing one is told where it is read
            recipes[row.recipe] = sha256_file(recipe)
        for part in filter(None, parts_of(row.target) if row.target else ()):
            with problems:
                losses |= dict(_user_file(part, f"{place} = {part!r}"))
    problems.tell()
    found = {"losses": losses, "recipes": recipes}
    write_json(USER_BENCHMARKS_FILE, {kind: digests for kind, digests in found.items() if digests})
    _write_stages()


def _write_stages() -> None:
    files = [path for path in (USER_DIGESTS_FILE, USER_BENCHMARKS_FILE) if path.is_file()]
    there = any(read_json(path, "delete it, then run: suite plan") for path in files)
    write_text(USER_STAGES_FILE, _STAGES.format("[files]" if there else "[]"))


def _entries(settings: Settings) -> Iterator[tuple[str, LossSettings]]:
    """All entries of losses, by file and setting; of the file of the other regime too, whose plans have the same digests."""
    grid = {f"{PARAMS_FILE}: losses.{name}": entry for name, entry in settings.losses.items()}
    also = {PARAMS_FILE: settings.tuning.also}
    with contextlib.suppress(SuiteError):  # where its own plans are made, it is told that this file cannot be read
        also[FINETUNED_FILE] = load_finetuned().tuning.also if FINETUNED_FILE.is_file() else {}
    yield from grid.items()
    for file, entries in also.items():
        yield from ((f"{file}: tuning.also.{name}", entry) for name, entry in entries.items())


def _user_files_of(place: str, entry: LossSettings) -> Iterator[tuple[str, str]]:
    """Targets in files, with digests."""
    targets = {"target": entry.target, "wraps.target": entry.wraps and entry.wraps.target, "miner": entry.miner}
    for option, target in targets.items():
        if target:
            yield from _user_file(target, f"{place}.{option} = {target!r}")


def _user_file(target: str, setting: str) -> Iterator[tuple[str, str]]:
    """A target in a file, with its digest; nothing of one that lies in ``my_losses/`` with everything that it imports."""
    file, watched = Path(target.rpartition(":")[0]), WATCHED_FOLDER.resolve()
    if file.suffix != ".py":
        _check_installed(target, setting)
    elif any(watched not in found.resolve().parents for found in user_files(file, setting)):
        yield target, sha256_user_code(file, setting)


def _check_installed(target: str, setting: str) -> None:
    """Refuse a module that is neither installed nor of this repository: nothing would notice an edit of it.

    Raises:
        SuiteError: it is such a module.
    """
    module = target.rpartition(":")[0]
    if not module or module.partition(".")[0] in PACKAGES:
        return
    with guarded(f"{setting}: its import"), contextlib.suppress(ImportError, ValueError):  # told where it is loaded
        spec = find_spec(module)
        origin = Path(spec.origin).resolve() if spec is not None and spec.has_location and spec.origin else None
        if origin is not None and not any(Path(place).resolve() in origin.parents for place in _INSTALLED):
            raise SuiteError(
                f"{setting}: {origin} is not installed, so that an edit of it would go unnoticed; allowed: a module of an "
                "installed package, or a file in the project as path/file.py:Class"
            )
