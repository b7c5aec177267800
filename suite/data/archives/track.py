"""Archives under DVC: ``benchmarks/archives/NAME`` and its ``.dvc`` file. Images of the cache are not tracked: they follow.

``push: false`` in the ``.dvc`` file keeps ``dvc push`` from copying gigabytes that may not be passed on into the remote that
lies in the repository.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from suite.data.archives.members import Contents
from suite.errors import SuiteError
from suite.files import replacing, write_text
from suite.settings.yaml_files import read_yaml

ARCHIVES_FOLDER = "archives"


def check_repository(folder: Path) -> None:
    """Check that a folder lies in a DVC repository.

    Raises:
        SuiteError: it does not.
    """
    if not any((parent / ".dvc" / "config").is_file() for parent in (folder.absolute(), *folder.absolute().parents)):
        raise SuiteError(
            f"{folder} lies in no DVC repository: run from the project's root, or leave DVC out with --no-track"
        )


def is_tracked(contents: Contents, name: str, folder: Path) -> bool:
    """Whether this very file stands in the archives folder under DVC."""
    path = folder / ARCHIVES_FOLDER / name
    notes = path.with_name(f"{name}.dvc")
    if not (path.is_file() and notes.is_file()):
        return False
    try:
        (out,) = read_yaml(notes)["outs"]
        return bool(out["md5"] == contents.md5 and path.stat().st_size == out["size"])
    except (SuiteError, KeyError, TypeError, ValueError):  # not what dvc writes: it is asked to write it anew
        return False


def track(contents: Contents, name: str, folder: Path) -> Path:
    """Put an archive into the archives folder, as a hard link where that is possible, and add it to DVC.

    Raises:
        SuiteError: another file has its place, or DVC fails.
    """
    path = folder / ARCHIVES_FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        _put(contents.path, path)
    elif not path.samefile(contents.path) and path.stat().st_size != contents.path.stat().st_size:
        raise SuiteError(f"{path} already exists and differs from {contents.path}; move one of them away")
    command = [sys.executable, "-m", "dvc", "add", "--quiet", path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SuiteError(f"dvc add {path} failed: {done.stderr.strip() or done.stdout.strip()}")
    _do_not_push(path.with_name(f"{name}.dvc"), contents.md5)
    return path


def _put(source: Path, path: Path) -> None:
    try:
        os.link(source, path)
    except OSError:  # another file system, or one without links
        with replacing(path) as temporary:
            shutil.copyfile(source, temporary)


def _do_not_push(notes: Path, md5: str) -> None:
    content = yaml.safe_load(notes.read_text(encoding="utf-8"))
    if content["outs"][0]["md5"] != md5:
        raise SuiteError(
            f"{notes.with_suffix('')} already exists and differs from the one that was verified; move it away"
        )
    content["outs"][0]["push"] = False
    write_text(notes, yaml.safe_dump(content, sort_keys=False))
