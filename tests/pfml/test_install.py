"""`pip install pfml-suite` brings the losses with torch alone.

The wheel is built and installed without its dependencies, and runs where only torch and what torch asks for can be
imported: as much as a fresh environment shows, without downloading torch again.
"""

import json
import os
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]

STEP = """
import importlib.abc, importlib.metadata, json, sys

allowed = {"pfml-suite", *json.loads(sys.argv[1])}


class TorchAlone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        owners = OWNERS.get(name.partition(".")[0], [])
        if owners and not allowed & {owner.lower().replace("_", "-") for owner in owners}:
            raise ModuleNotFoundError(f"{name} is not in an environment with torch alone")


OWNERS = importlib.metadata.packages_distributions()
sys.meta_path.insert(0, TorchAlone())
try:
    import pandas
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("the test does not keep pandas out")

import torch
from baselines.cpml import CPMLLoss
from pfml import PotentialFieldLoss
import pfml

assert pfml.__file__.startswith(sys.argv[2]), pfml.__file__
for loss in PotentialFieldLoss(5, 8, 2), CPMLLoss(5, 8, 2):
    embeddings = torch.nn.functional.normalize(torch.randn(6, 8)).requires_grad_()
    loss(embeddings, torch.arange(6) % 5).backward()
    assert embeddings.grad.isfinite().all()
print("ok")
"""


def closure(name: str, found: set[str]) -> set[str]:
    """A distribution and what it requires here, by their normal names."""
    key = name.lower().replace("_", "-").replace(".", "-")
    if key not in found:
        found.add(key)
        for line in requires(key) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                try:
                    closure(requirement.name, found)
                except ModuleNotFoundError:
                    continue
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel unpacked, as pip leaves it in site-packages."""
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "pfml", "baselines", "suite"):
        (source / name).symlink_to(ROOT / name)
    build = "import os, sys, setuptools.build_meta as b; os.chdir(sys.argv[1]); print(b.build_wheel(sys.argv[2]))"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", build, str(source), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(folder / done.stdout.split()[-1]) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_the_core_requires_torch_and_nothing_else(installed: Path) -> None:
    (metadata,) = installed.glob("*.dist-info")
    lines = [Requirement(line) for line in Distribution.at(metadata).requires or []]
    assert [line.name for line in lines if line.marker is None] == ["torch"]
    extras = {str(line.marker) for line in lines if line.marker is not None}
    assert 'extra == "suite"' in extras


def test_it_tells_type_checkers_of_its_types(installed: Path) -> None:
    assert (installed / "pfml" / "py.typed").is_file()
    assert (installed / "pfml" / "_kernel" / "README.md").is_file()


def test_a_step_of_training_with_torch_alone(installed: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STEP, json.dumps(sorted(closure("torch", set()))), str(installed)],
        cwd=installed,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "ok"), done.stderr
