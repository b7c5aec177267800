"""The house: rooms and their order, sizes of modules, and how many files a run passes through."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.path_of_a_run import as_text, follow
from tests.helpers.paths import ROOT

ROOMS = {"cli", "report", "judging", "training", "evaluation", "losses", "data", "settings"}
BASE = {"errors", "files", "hashing", "processes", "progress", "randomness"}
MOST_FILES = 16
MOST_LINES = 300


def test_there_are_eight_rooms_and_the_base():
    found = {path.parent.name for path in (ROOT / "suite").glob("*/__init__.py")}
    folders = {path.name for path in (ROOT / "suite").iterdir() if path.is_dir() and list(path.rglob("*.py"))}
    assert found == folders == ROOMS
    assert {path.stem for path in (ROOT / "suite").glob("*.py")} == BASE | {"__init__"}


@pytest.mark.parametrize("folder", ["suite", "pfml", "baselines"])
def test_no_module_is_long(folder):
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / folder).rglob("*.py")
    }
    assert len(lengths) > 5
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_a_run_passes_through_few_files(tmp_path):
    path = follow(tmp_path)
    text = as_text(path)
    sys.stdout.write(text + "\n")
    assert path.records.count('"status": "ok"') == 2
    # What is in any case on the way: else the profiler saw nothing, or no worker.
    ends = {"suite/cli/pipeline.py": "train", "suite/evaluation/records.py": "write_records"}
    assert {name for name, function in ends.items() if function in path.called.get(name, [])} == set(ends), text
    assert "run_frozen" in path.called["suite/training/run/frozen.py"], text
    assert "run_epochs" in path.called["suite/training/run/loop.py"], text
    assert set(path.called) <= set(path.loaded), text
    assert len(path.called) <= MOST_FILES, text


@pytest.fixture
def tree(tmp_path):
    """A copy of what the contracts speak of."""
    for folder in ("pfml", "baselines", "suite"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "static"))
    (tmp_path / "tests/helpers").mkdir(parents=True)
    shutil.copy(ROOT / "tests/helpers/import_contracts.py", tmp_path / "tests/helpers")
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def lint(tree):
    """Exit status and output of ``lint-imports``."""
    code = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"], cwd=tree, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


def test_the_contracts_of_imports_are_kept():
    status, text = lint(ROOT)
    assert status == 0, text
    assert "Contracts: 4 kept, 0 broken." in text


def plant(tree: Path, file: str, statement: str) -> None:
    """An import inside a function."""
    path = tree / file
    path.write_text(path.read_text() + f"\n\ndef _late() -> None:\n    {statement}\n")


DOWNWARDS = "Rooms of suite/ import downwards; there are no others"
TORCH = "pfml imports torch alone"
LIBRARIES = "baselines import pfml and libraries"
CIRCLE = "No circle of modules, in any package"


@pytest.mark.parametrize(
    ("file", "statement", "broken", "shown"),
    [
        (
            "suite/data/noise.py",
            "from suite.judging.verify import compare",
            {DOWNWARDS, CIRCLE},
            "suite.data is not allowed to import suite.judging",
        ),
        (
            "suite/report/readme.py",
            "import suite.cli.main",
            {DOWNWARDS, CIRCLE},
            "suite.report is not allowed to import suite.cli",
        ),
        (
            "suite/files.py",
            "from suite.settings import paths",
            {DOWNWARDS, CIRCLE},
            "suite.files is not allowed to import suite.settings",
        ),
        ("suite/training/run/loop.py", "from suite.training.run.frozen import fit", {CIRCLE}, "in suite.training.run."),
        ("pfml/loss.py", "import numpy", {TORCH}, "pfml.loss -> numpy"),
        ("pfml/loss.py", "from baselines import frame", {TORCH}, "pfml.loss -> baselines.frame"),
        ("baselines/hist.py", "from suite import files", {LIBRARIES}, "baselines.hist -> suite.files"),
    ],
    ids=["upwards", "the command line", "the base", "a circle", "pfml a library", "pfml our packages", "baselines"],
)
def test_an_import_inside_a_function_is_reported(tree, file, statement, broken, shown):
    plant(tree, file, statement)
    status, text = lint(tree)
    text = " ".join(text.split())
    assert status == 1, text
    assert {name for name in (DOWNWARDS, TORCH, LIBRARIES, CIRCLE) if f"{name} BROKEN" in text} == broken, text
    assert shown in text


def test_a_ninth_room_is_reported(tree):
    (tree / "suite/attic").mkdir()
    (tree / "suite/attic/__init__.py").write_text("")
    status, text = lint(tree)
    assert status == 1, text
    assert "attic" in text
