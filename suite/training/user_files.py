"""What belongs to the user and not to the repository: loss files and data sets that ``params.yaml`` names.

DVC watches files that ``dvc.yaml`` names, and nobody should have to edit that. So the folder ``user/`` says what there is:
``digests.json``, on which the stage ``plan`` depends, and ``stages.yaml``, from which ``dvc.yaml`` takes whether it needs
the stage ``user@files``. That stage renews the digests at the start of each ``dvc repro``. Both files are in git, and say
"nothing" in the repository.
"""

import contextlib
import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from suite.data.user import UserData, remove_others, renew, user_datasets
from suite.errors import Problems, SuiteError
from suite.files import write_json, write_text
from suite.hashing import PACKAGES, sha256_user_code, user_files
from suite.processes import guarded
from suite.settings.finetuned import load_finetuned
from suite.settings.params import LossSettings, Settings
from suite.settings.paths import FINETUNED_FILE, PARAMS_FILE, USER_DIGESTS_FILE, USER_STAGES_FILE, WATCHED_FOLDER

_INSTALLED = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
_STAGES = """# Written by `suite plan`: [files] where params.yaml names files of yours, which `suite user` then looks at.
user: {}
"""


def update_user_files(settings: Settings) -> list[str]:
    """Convert a user's data sets where their sources have changed, and renew the digests of all files of theirs.

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
    write_text(USER_STAGES_FILE, _STAGES.format("[files]" if digests else "[]"))
    return [f"{name}: {remark}" for name, data in datasets.items() for remark in data.remarks]


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
    """Targets in files, with digests; without those that lie in ``my_losses/`` with everything that they import."""
    watched = WATCHED_FOLDER.resolve()
    targets = {"target": entry.target, "wraps.target": entry.wraps and entry.wraps.target, "miner": entry.miner}
    for option, target in targets.items():
        file = Path(target.rpartition(":")[0]) if target else Path()
        if file.suffix == ".py":
            setting = f"{place}.{option} = {target!r}"
            if any(watched not in found.resolve().parents for found in user_files(file, setting)):
                yield str(target), sha256_user_code(file, setting)
        elif target:
            _check_installed(target, f"{place}.{option} = {target!r}")


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
