"""A clone of the committed project with the smoke settings, run by the real dvc."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from suite.data.catalog import EMBEDDED
from suite.settings.tuned_recipes import Trial, TunedRecipe, save_tuned, tuned_path
from tests.helpers.paths import ROOT

SMOKE = Path(__file__).parent / "params.yaml"
BEST = {"margin": 0.3, "learning_rate": 0.002}
"""Of the tuned recipe that a clone has for triplet; pfml has none and is searched."""
RECIPE = TunedRecipe(
    dataset="emoji",
    loss="triplet",
    data_sha256=EMBEDDED["emoji"].sha256,
    search_space={},
    folds=2,
    training={"epochs": 2},
    best=BEST,
    best_map_at_r=0.5,
    best_fold_map_at_r=[0.4, 0.6],
    trial_quartiles=[0.5, 0.5, 0.5],
    failed_trials=0,
    validation_epoch=1,
    seconds=1.0,
    trials=[Trial(values=BEST, fold_map_at_r=[0.4, 0.6])] * 2,
)


@dataclass(frozen=True)
class Clone:
    """A working copy; commands run in it with this interpreter's programs first on the path."""

    path: Path
    first: str = ""
    """What the first ``dvc repro`` printed."""

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
        files = [path for path in (self.path / "results").iterdir() if path.is_file() and path.name != "times.csv"]
        return {path.name: path.read_bytes() for path in files}


def forget_studies(folder):
    """Delete the records of studies that were promoted into git."""
    for path in (folder / "results/studies").glob("*/*"):
        if path.name != "README.md":
            path.unlink()


def clone(target):
    """Clone the repository's HEAD, and put the smoke settings and recipe in place of the committed ones; no studies."""
    subprocess.run(["git", "clone", "-q", ROOT, target], check=True)
    for path in [*(target / "results").iterdir(), target / "dvc.lock", target / "recipes/tuned"]:
        if path.name != "studies":
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    forget_studies(target)
    shutil.copy(SMOKE, target / "params.yaml")
    save_tuned(RECIPE, target / tuned_path("emoji", "triplet"))
    made = Clone(target)
    made.dvc("pull", "-q", "data.dvc")
    return made


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """The folder of a clone in which ``dvc repro`` has run once, and what it printed; one for all workers of pytest."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    printed = folder / "smoke.txt"
    with FileLock(folder / "smoke.lock"):
        if not printed.exists():
            shutil.rmtree(folder / "smoke", ignore_errors=True)  # of a process whose repro failed
            printed.write_text(clone(folder / "smoke/project").dvc("repro").stdout, encoding="utf-8")
    return folder / "smoke/project", printed.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def reproduced(smoke, tmp_path_factory):
    """A copy of the clone in which ``dvc repro`` has run once."""
    source, first = smoke
    return Clone(shutil.copytree(source, tmp_path_factory.mktemp("clone") / "project", symlinks=True), first=first)
