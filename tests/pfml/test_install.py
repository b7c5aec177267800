"""`pip install pfml-suite` brings the losses with torch alone.

The wheel of this tree asks for torch and nothing else. pip installs it into a new virtual environment, alone; then links to
torch and to what torch requires here are laid beside it, so that torch is not downloaded again. pip never sees the links.
"""

import subprocess
import sys
import venv
import zipfile
from importlib.metadata import Distribution, distribution, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
BUILD = "import os, sys, setuptools.build_meta as b; os.chdir(sys.argv[1]); print(b.build_wheel(sys.argv[2]))"
STEP = """
import torch
import pfml
from baselines.cpml import CPMLLoss

for loss in pfml.PotentialFieldLoss(5, 8, 2), CPMLLoss(5, 8, 2):
    embeddings = torch.nn.functional.normalize(torch.randn(6, 8)).requires_grad_()
    loss(embeddings, torch.arange(6) % 5).backward()
    assert embeddings.grad.isfinite().all()
print(pfml.__file__)
"""


def closure(name: str, extras: frozenset[str] = frozenset(), found: dict[str, Distribution] | None = None) -> Any:
    """A distribution and all that it requires here, by their normal names."""
    found = {} if found is None else found
    for line in requires(name) or []:
        requirement = Requirement(line)
        key = requirement.name.lower().replace("_", "-").replace(".", "-")
        wanted = [
            requirement.marker is None or requirement.marker.evaluate({"extra": extra}) for extra in {"", *extras}
        ]
        if any(wanted) and key not in found:
            found[key] = distribution(requirement.name)
            closure(requirement.name, frozenset(requirement.extras), found)
    return {name: distribution(name)} | found


def run(*command: str | Path, cwd: Path) -> str:
    """What a command prints; a failure shows its errors."""
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "pfml", "baselines", "suite"):
        (source / name).symlink_to(ROOT / name)
    return folder / run(sys.executable, "-W", "ignore", "-c", BUILD, source, folder, cwd=folder).split()[-1]


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment with the wheel, and with torch after that."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    found = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--isolated", "--python", found, "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", wheel, cwd=folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    for requirement in closure("torch").values():
        for top in {file.parts[0] for file in requirement.files or []} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(Path(str(requirement.locate_file(top))).resolve())
    return found


def test_the_core_requires_torch_and_nothing_else(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as content:
        content.extractall(tmp_path)
    (metadata,) = tmp_path.glob("*.dist-info")
    lines = [Requirement(line) for line in Distribution.at(metadata).requires or []]
    assert [line.name for line in lines if line.marker is None] == ["torch"]
    extras = {str(line.marker) for line in lines if line.marker is not None}
    assert 'extra == "suite"' in extras
    assert (tmp_path / "pfml" / "py.typed").is_file(), "type checkers find its types"
    assert (tmp_path / "pfml" / "_kernel" / "README.md").is_file()


def test_a_step_of_training_with_torch_alone(python: Path) -> None:
    folder = python.parents[1]
    where = run(python, "-I", "-B", "-W", "ignore", "-c", STEP, cwd=folder)
    assert Path(where.strip()).is_relative_to(folder)
    allowed = {name.replace("-", "_") for name in closure("torch")}
    for absent in {"numpy", "pandas", "pydantic", "timm", "pytorch_metric_learning"} - allowed:
        found = run(python, "-I", "-c", f"import importlib.util as u; print(u.find_spec({absent!r}))", cwd=folder)
        assert found.strip() == "None"


def test_the_command_says_which_libraries_it_lacks(python: Path) -> None:
    done = subprocess.run([python.with_name("suite"), "losses"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: the libraries of the suite are missing: in a clone of its repository run pip install -e '.[suite]'"
    ]
