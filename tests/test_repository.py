"""What must hold of the repository as a whole."""

import ast
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml

from suite.report.readme import filled
from tests.helpers.paths import ROOT


def imported_packages(folder):
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name.split(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                yield path, node.module.split(".")[0]


@pytest.mark.parametrize(("folder", "forbidden"), [("pfml", {"baselines", "suite"}), ("baselines", {"suite"})])
def test_arrows_point_one_way(folder, forbidden):
    assert [(path, name) for path, name in imported_packages(folder) if name in forbidden] == []


def test_pfml_depends_on_torch_alone():
    standard = {"collections", "dataclasses", "math", "typing", "itertools", "functools", "numbers", "enum", "warnings"}
    assert {name for _, name in imported_packages("pfml")} - standard == {"torch", "pfml"}


def test_the_readme_shows_the_committed_results():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme == filled(readme, ROOT / "results")


def test_tracked_files_stay_small():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    paths = [ROOT / name.decode() for name in listed.split(b"\0") if name]
    assert sum(path.stat().st_size for path in paths if path.is_file()) < 75e6  # 27 MB are the images


def test_the_lock_fits_the_declared_ranges():
    from packaging.requirements import Requirement

    lines = (ROOT / "requirements.lock").read_text().splitlines()
    locked = {name.lower(): version for name, _, version in (line.partition("==") for line in lines if "==" in line)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for text in [*project["dependencies"], *extras["suite"], *extras["docs"], *extras["test"]]:
        requirement = Requirement(text)
        if requirement.name == project["name"]:
            assert requirement.extras <= extras.keys()
            continue
        assert requirement.specifier.contains(locked[requirement.name.lower()]), text


def test_a_clone_has_the_same_bytes_whatever_git_is_set_to(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path / "from"], check=True)
    for name in (".gitattributes", "params.yaml", "suite/errors.py"):
        target = tmp_path / "from" / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "add", "-A"], cwd=tmp_path / "from", check=True)
    subprocess.run(["git", *author, "commit", "-qm", "a"], cwd=tmp_path / "from", check=True)
    subprocess.run(["git", "clone", "-q", "-c", "core.autocrlf=true", tmp_path / "from", tmp_path / "to"], check=True)
    for name in ("params.yaml", "suite/errors.py"):
        assert (tmp_path / "to" / name).read_bytes() == (ROOT / name).read_bytes()


def test_an_altered_file_in_the_store_is_not_pulled(tmp_path):
    for name in (".dvc/config", "data.dvc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / ".dvc/store", tmp_path / ".dvc/store")
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    pull = [sys.executable, "-m", "dvc", "pull", "-q", "data.dvc"]
    assert subprocess.run(pull, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    assert list(tmp_path.glob("data/*.parquet"))
    for folder in ("data", ".dvc/cache"):
        shutil.rmtree(tmp_path / folder)
    largest = max((tmp_path / ".dvc/store").rglob("*"), key=lambda path: path.is_file() and path.stat().st_size)
    largest.chmod(0o644)
    content = bytearray(largest.read_bytes())
    content[1000] ^= 1
    largest.write_bytes(content)
    assert subprocess.run(pull, cwd=tmp_path, capture_output=True, check=False).returncode != 0
    assert not list(tmp_path.glob("data/*.parquet"))


def test_sections_that_are_absent_mean_none(tmp_path):
    """DVC reads the whole of a file before any of its stages."""
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    for name in ("studies", "tuning", "benchmarks"):
        shutil.copytree(
            ROOT / "pipelines" / name, tmp_path / "pipelines" / name, ignore=shutil.ignore_patterns("*.lock")
        )
    (tmp_path / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc/config", tmp_path / ".dvc/config")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    sections = {"paper_values", "ablation", "crossed", "splits", "fresh_seeds", "extended", "geometry"}
    assert params.keys() & sections
    left = {name: value for name, value in params.items() if name not in sections}
    del left["tuning"]["also"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(left))
    rows = {"benchmarks": {"cub": {"pfml": {"recipe": "pfml_resnet50"}}}}
    (tmp_path / "pipelines/benchmarks/params.yaml").write_text(yaml.safe_dump(rows))
    listing = [sys.executable, "-m", "dvc", "stage", "list", "--all", "--name-only"]
    listed = subprocess.run(listing, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert listed.returncode == 0, listed.stderr
    found = {name.removeprefix("pipelines/").partition("@")[0] for name in listed.stdout.split()}
    own = {f"benchmarks/dvc.yaml:{stage}" for stage in ("plan", "cub", "leaderboard", "claims", "times")}
    assert found == {"tuning/dvc.yaml:search", *own}


def test_locks_name_stages_that_there_are():
    """DVC reads and writes the whole of a lock for each stage, and never drops an entry."""
    listing = [sys.executable, "-m", "dvc", "stage", "list", "--all", "--name-only"]
    known = set(subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())
    locks = [path for path in (ROOT / "dvc.lock", *ROOT.glob("pipelines/*/dvc.lock")) if path.is_file()]
    assert len(locks) > 1
    for lock in locks:
        folder = lock.parent.relative_to(ROOT).as_posix()
        prefix = "" if folder == "." else f"{folder}/dvc.yaml:"
        stages = yaml.safe_load(lock.read_text())["stages"]
        assert {f"{prefix}{name}" for name in stages} <= known, lock
