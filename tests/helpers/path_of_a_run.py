"""Which files of suite/ a run passes through, from the command to its record on disk.

``python -m tests.helpers.path_of_a_run`` runs ``suite train`` in a small folder and prints the files whose functions are
called, in this process and in its workers, with the first functions of each. What runs during imports is no call; the
constructor of a dataclass is one of the file that declares it.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.helpers.paths import ROOT

_HOOK = """
import os, sys

log = os.open(os.environ["PATH_OF_A_RUN"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
root = os.environ["PATH_OF_A_RUN_ROOT"]
seen = set()


def importing(frame):
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_code.co_filename.startswith(root):
            return True
        frame = frame.f_back
    return False


def note(frame, event, _):
    code = frame.f_code
    if event != "call" or code in seen:
        return
    file = code.co_filename
    if file == "<string>":  # the constructor of a dataclass
        file = str(frame.f_globals.get("__file__"))
    if file.startswith(root) and not importing(frame):
        seen.add(code)
        os.write(log, f"called {file}\\t{code.co_qualname}\\n".encode())


def loaded():
    for module in list(sys.modules.values()):
        if str(getattr(module, "__file__", None)).startswith(root):
            os.write(log, f"loaded {module.__file__}\\t\\n".encode())


import atexit, threading

atexit.register(loaded)
threading.setprofile(note)
sys.setprofile(note)
"""
"""A module that Python runs at its start; workers are forked, so they go on with its profiler and write to the same file."""


class PathOfARun(NamedTuple):
    """What a run passes through.

    Attributes:
        called: functions that were called, by file from the root, both in the order of their first call.
        loaded: files that were loaded, those of packages included.
        records: what the run left.
    """

    called: dict[str, list[str]]
    loaded: list[str]
    records: str


def follow(folder: Path) -> PathOfARun:
    """Run ``suite train emoji pfml`` in an empty folder and note what it passes through."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "SUITE_WORKERS": "2"}
    prepare = "from tests.helpers.synthetic import tuned; tuned('pfml', seeds=2, proxies_per_class=1)"
    _python(prepare, folder, environment)
    hook = folder / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(_HOOK)
    log = folder / "log"
    environment |= {
        "PYTHONPATH": os.pathsep.join((str(hook), str(ROOT))),
        "PATH_OF_A_RUN": str(log),
        "PATH_OF_A_RUN_ROOT": str(ROOT / "suite"),
    }
    _python("from suite.cli.main import main; main()", folder, environment, "train", "emoji", "pfml")
    called: dict[str, list[str]] = {}
    loaded = set()
    for line in log.read_text().splitlines():
        kind, _, rest = line.partition(" ")
        path, _, function = rest.partition("\t")
        name = Path(path).relative_to(ROOT).as_posix()
        if kind == "loaded":
            loaded.add(name)
        elif function not in called.setdefault(name, []):
            called[name].append(function)
    return PathOfARun(called, sorted(loaded), (folder / "runs/emoji-pfml/records.jsonl").read_text())


def as_text(path: PathOfARun) -> str:
    """The files and their first functions, a line each."""
    lines = [f"{name}: {', '.join(functions[:6])}" for name, functions in path.called.items()]
    return "\n".join([f"{len(path.called)} files are called, {len(path.loaded)} loaded", *lines])


def _python(code: str, folder: Path, environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        sys.stdout.write(as_text(follow(Path(place))) + "\n")
