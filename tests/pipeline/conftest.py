"""A clone of the committed project with the smoke settings, run by the real dvc."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMOKE = Path(__file__).parent / "params.yaml"


@dataclass(frozen=True)
class Clone:
    """A working copy; commands run in it with this interpreter's programs first on the path."""

    path: Path

    @property
    def environment(self):
        programs = str(Path(sys.executable).parent)
        return os.environ | {"PATH": programs + os.pathsep + os.environ["PATH"], "PYTHONPATH": str(self.path)}

    def run(self, *command, check=True):
        done = subprocess.run(
            command, cwd=self.path, env=self.environment, capture_output=True, text=True, timeout=600, check=False
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(command)} exited {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def dvc(self, *arguments, check=True):
        return self.run("dvc", *arguments, check=check)

    def results(self):
        return {path.name: path.read_bytes() for path in (self.path / "results").iterdir() if path.name != "times.csv"}


def clone(target):
    """Clone the repository's HEAD, and put the smoke settings in place of the default ones."""
    subprocess.run(["git", "clone", "-q", ROOT, target], check=True)
    for name in ("results", "dvc.lock"):
        path = target / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    shutil.copy(SMOKE, target / "params.yaml")
    made = Clone(target)
    made.dvc("pull", "-q", "data.dvc")
    return made


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    """A clone in which ``dvc repro`` has run once."""
    made = clone(tmp_path_factory.mktemp("clone") / "project")
    made.dvc("repro")
    return made
