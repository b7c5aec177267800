"""The files behind a run and behind a user's loss: found by their imports, hashed together, told to the pipeline."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from suite import hashing
from suite.errors import SuiteError
from suite.hashing import code_files, sha256_code, sha256_file, sha256_user_code, user_files
from suite.settings.benchmarks import load_benchmarks
from suite.settings.params import TuningSettings
from suite.settings.paths import FINETUNED_FILE, USER_BENCHMARKS_FILE, USER_DIGESTS_FILE, USER_STAGES_FILE
from suite.training.stage import code_sha256
from suite.training.user_files import update_benchmark_files, update_user_files
from suite.training.whole_network.planner import network_code_sha256
from tests.helpers.paths import ROOT
from tests.suite.data.test_user import settings_with
from tests.suite.training.whole_network import tiny


@pytest.fixture
def files(workplace):
    """A loss with helpers beside it, in a package, and helpers of helpers."""
    for name, text in {
        "lib/loss.py": "import math, helper\nfrom parts import inner\nfrom parts.deep.last import x\nimport other.thing\n",
        "lib/helper.py": "def f():\n    import lazy\n",
        "lib/lazy.py": "",
        "lib/parts/__init__.py": "from .sibling import y\n",
        "lib/parts/inner.py": "",
        "lib/parts/sibling.py": "from ..helper import f\n",
        "lib/parts/deep/last.py": "from . import near\n",
        "lib/parts/deep/near.py": "",
        "lib/parts/unused.py": "",
        "lib/unused.py": "",
        "helper.py": "",
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    return Path("lib/loss.py")


USED = ["helper", "lazy", "parts/__init__", "parts/deep/last", "parts/deep/near", "parts/inner", "parts/sibling"]


def test_imports_are_followed(files):
    assert [path.as_posix() for path in user_files(files, "x")] == ["lib/loss.py", *(f"lib/{name}.py" for name in USED)]


@pytest.mark.parametrize("name", ["loss", *USED])
def test_an_edit_of_any_of_them_changes_the_digest(files, name):
    before = sha256_user_code(files, "x")
    with Path(f"lib/{name}.py").open("a") as file:
        file.write("# edited\n")
    assert sha256_user_code(files, "x") != before


@pytest.mark.parametrize("name", ["lib/unused", "lib/parts/unused", "helper"])
def test_an_edit_of_another_file_does_not(files, name):
    before = sha256_user_code(files, "x")
    Path(f"{name}.py").write_text("edited = 1\n")
    assert sha256_user_code(files, "x") == before


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("from lib.helper import f", "lib/helper.py"),
        ("import tools.near", "tools/near.py"),
        ("import shared", "shared.py"),
        ("import helper", None),  # the one beside it is loaded
        ("from suite.errors import SuiteError", None),
        ("from . import helper", None),
        ("import torch", None),
    ],
)
def test_other_files_of_the_project_are_refused_where_they_can_be_imported(files, monkeypatch, line, refused):
    for name in ("tools/near.py", "shared.py"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    files.write_text(f"{line}\n")
    assert user_files(files, "x")  # an import of them would fail
    monkeypatch.syspath_prepend(Path.cwd())
    if refused is None:
        assert user_files(files, "x")
        return
    with pytest.raises(SuiteError) as caught:
        user_files(files, "x")
    assert str(caught.value) == (
        f"x: lib/loss.py imports {refused} of the project, so that an edit of it would go unnoticed; allowed: modules that "
        "lie beside the loss, by their plain names (import helper)"
    )


@pytest.fixture
def ours(workplace, monkeypatch):
    """A folder with packages of our names, which losses import from."""
    root = workplace / "installed"
    for name, text in {
        "baselines/__init__.py": "",
        "baselines/one.py": "from baselines.frame import Frame\n",
        "baselines/frame.py": "import torch\nfrom pfml.batch import check\n",
        "baselines/other.py": "",
        "pfml/__init__.py": "",
        "pfml/batch.py": "from pfml import deep\n",
        "pfml/deep.py": "",
        "elsewhere/thing.py": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    Path("lib").mkdir()
    Path("lib/mine.py").write_text("import elsewhere.thing\nfrom baselines.one import One\n")
    monkeypatch.setattr(hashing, "ROOT", root)
    return root


BEHIND = ["baselines/one", "baselines/frame", "pfml/batch", "pfml/deep"]


@pytest.mark.parametrize("name", [*BEHIND, "baselines/other", "elsewhere/thing"])
def test_what_a_loss_uses_of_our_packages_is_in_its_digest(ours, name):
    """Of a loss of ours and of one of the user's that is made from it; and nothing else is."""
    before = sha256_code(ours / "baselines/one.py"), sha256_user_code(Path("lib/mine.py"), "x")
    (ours / f"{name}.py").write_text((ours / f"{name}.py").read_text() + "edited = 1\n")
    after = sha256_code(ours / "baselines/one.py"), sha256_user_code(Path("lib/mine.py"), "x")
    assert [old != new for old, new in zip(before, after, strict=True)] == [name in BEHIND] * 2
    assert user_files(Path("lib/mine.py"), "x") == [Path("lib/mine.py")]


def test_files_that_are_refused(files):
    with pytest.raises(SuiteError, match=r"^x: file gone\.py does not exist$"):
        user_files(Path("gone.py"), "x")
    Path("../outside.py").write_text("")
    with pytest.raises(SuiteError, match=r"^x: \.\./outside\.py lies outside the project"):
        user_files(Path("../outside.py"), "x")
    Path("lib/lazy.py").write_text("def (")
    with pytest.raises(SuiteError, match=r"^x: lib/lazy\.py fails on import: SyntaxError"):
        user_files(files, "x")


def test_the_pipeline_is_told_of_files_that_it_does_not_watch_by_itself(files):
    Path("my_losses").mkdir()
    Path("my_losses/a.py").write_text("import helper\n")
    losses = {
        "root": {"target": "lib/loss.py:Loss"},
        "watched": {"target": "my_losses/a.py:Loss"},
        "mined": {"target": "pytorch_metric_learning.losses:CircleLoss", "miner": "helper.py:Miner"},
    }
    update_user_files(settings_with(losses=losses))
    found = json.loads(USER_DIGESTS_FILE.read_text())
    assert found == {
        "losses": {
            "lib/loss.py:Loss": sha256_user_code(files, "x"),
            "helper.py:Miner": sha256_user_code(Path("helper.py"), "x"),
        }
    }
    update_user_files(settings_with(losses={"watched": losses["watched"]}))
    assert json.loads(USER_DIGESTS_FILE.read_text()) == {}


def test_the_pipeline_is_told_of_files_of_losses_that_the_grid_does_not_run(files):
    """Those of both settings files, since the plans of both regimes depend on one file of digests."""

    def renew(more):
        tuning = TuningSettings.model_validate({"trials": 1, "folds": 2, "also": {"more": {"target": more}}})
        update_user_files(settings_with().model_copy(update={"tuning": tuning}))
        return json.loads(USER_DIGESTS_FILE.read_text()).get("losses", {})

    params = yaml.safe_load((ROOT / FINETUNED_FILE).read_text())
    params["tuning"]["also"] = {"other": {"target": "helper.py:Other"}}
    FINETUNED_FILE.parent.mkdir(parents=True)
    FINETUNED_FILE.write_text(yaml.safe_dump(params))
    before = renew("lib/loss.py:Loss")
    assert set(before) == {"lib/loss.py:Loss", "helper.py:Other"}
    Path("helper.py").write_text("edited = 1\n")
    files.write_text("edited = 1\n")
    after = renew("lib/loss.py:Loss")
    assert all(before[target] != after[target] for target in before)
    Path("helper.py").unlink()
    with pytest.raises(SuiteError, match=rf"^{FINETUNED_FILE}: tuning\.also\.other\.target = 'helper\.py:Other': file"):
        renew("lib/loss.py:Loss")
    FINETUNED_FILE.write_text("recipe: {")  # told where the plans of that regime are made
    assert set(renew("lib/loss.py:Loss")) == {"lib/loss.py:Loss"}
    with pytest.raises(SuiteError, match=r"^params\.yaml: tuning\.also\.more\.target = 'gone\.py:Loss': file gone\.py"):
        renew("gone.py:Loss")


def test_the_pipeline_of_the_benchmarks_is_told_of_losses_and_recipes_that_rows_name(files):
    Path("my_losses").mkdir()
    Path("my_losses/a.py").write_text("")
    recipe = tiny.recipe_file(Path("mine.yaml"))
    rows = {
        "pfml": {"recipe": "mine.yaml"},
        "mine": {"recipe": "pfml_table5", "target": "lib/loss.py:Loss"},
        "watched": {"recipe": "pfml_table5", "target": "my_losses/a.py:Loss"},
    }

    def renew(**changed):
        tiny.benchmarks(rows | changed)
        update_user_files(settings_with())
        return json.loads(USER_BENCHMARKS_FILE.read_text())

    before = renew()
    expected = {
        "losses": {"lib/loss.py:Loss": sha256_user_code(files, "x")},
        "recipes": {"mine.yaml": sha256_file(recipe)},
    }
    assert before == expected
    assert "user: [files]" in USER_STAGES_FILE.read_text()
    assert json.loads(USER_DIGESTS_FILE.read_text()) == {}, "plans of the grid do not depend on them"
    files.write_text("edited = 1\n")
    recipe.write_text(recipe.read_text() + "# edited\n")
    after = renew()
    assert after["losses"] != before["losses"]
    assert after["recipes"] != before["recipes"]
    update_benchmark_files(load_benchmarks())
    assert json.loads(USER_BENCHMARKS_FILE.read_text()) == after
    wrong = "pipelines/benchmarks/params.yaml: benchmarks.cub.mine.target = 'gone.py:Loss': file gone.py does not exist"
    assert renew(mine=rows["mine"] | {"target": "gone.py:Loss"}) == {"problem": wrong}
    with pytest.raises(SuiteError, match=f"^{re.escape(wrong)}$"):
        update_benchmark_files(load_benchmarks())
    tiny.benchmarks({"watched": rows["watched"]})
    update_benchmark_files(load_benchmarks())
    assert json.loads(USER_BENCHMARKS_FILE.read_text()) == {}
    assert "user: []" in USER_STAGES_FILE.read_text()


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A copy of the repository's packages, whose code is hashed in place of ours."""
    for package in ("suite", "baselines", "pfml"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    monkeypatch.setattr(hashing, "ROOT", tmp_path)
    return tmp_path


FROZEN, NETWORK = "suite/training/run/frozen.py", "suite/training/whole_network/run.py"


def digests(tree):
    """Digests of the code of runs on frozen features and of whole networks."""
    return [sha256_code(tree / name) for name in (FROZEN, NETWORK)]


def test_a_copy_has_the_digests_of_the_original(tree):
    copied = digests(tree)
    hashing.ROOT = ROOT  # the fixture puts back what was there before
    assert digests(ROOT) == copied
    assert copied[0] == code_sha256()
    assert copied[1] == network_code_sha256()


@pytest.mark.parametrize(
    ("file", "both"),
    [
        (FROZEN, True),
        ("suite/training/run/loop.py", True),
        ("suite/training/run/__init__.py", True),
        ("suite/data/noise.py", True),
        ("suite/data/features.py", True),
        ("suite/evaluation/retrieval.py", True),
        ("suite/losses/build.py", True),
        ("suite/randomness.py", True),
        (NETWORK, False),
        ("suite/training/whole_network/fit.py", False),
        ("suite/training/whole_network/networks.py", False),
    ],
)
def test_an_edit_of_what_decides_a_run_changes_its_digest(tree, file, both):
    before = digests(tree)
    with (tree / file).open("a") as stream:
        stream.write("\n# edited\n")
    assert [old != new for old, new in zip(before, digests(tree), strict=True)] == [both, True]


def test_an_edit_of_a_sampler_changes_the_digest_of_a_plan(tree):
    """In another process, which imports the copy."""

    def digest():
        code = "from suite.training.stage import code_sha256; print(code_sha256())"
        environment = os.environ | {"PYTHONPATH": str(tree)}
        done = subprocess.run([sys.executable, "-c", code], cwd=tree, env=environment, capture_output=True, check=True)
        return done.stdout.decode().strip()

    before = digest()
    assert before == digests(tree)[0]
    loop = tree / "suite/training/run/loop.py"
    text = loop.read_text()
    assert 'kind="stable"' in text
    loop.write_text(text.replace('kind="stable"', 'kind="quicksort"'))
    assert before != digest() == digests(tree)[0]


def test_an_edit_of_anything_else_does_not(tree):
    """Messages, progress bars, plots, the cache, settings, other losses: all files but those that are covered."""
    before = digests(tree)
    covered = {path for name in (FROZEN, NETWORK) for path in code_files(tree / name)}
    others = [path for path in tree.rglob("*.py") if path not in covered]
    names = {path.relative_to(tree).as_posix() for path in others}
    assert {
        "suite/training/stage.py",
        "suite/training/cache.py",
        "suite/training/planner.py",
        "suite/progress.py",
        "suite/processes.py",
        "suite/errors.py",
        "suite/files.py",
        "suite/settings/plans.py",
        "suite/evaluation/records.py",
        "suite/evaluation/tables.py",
        "suite/losses/registry.py",
        "pfml/loss.py",
        "baselines/triplet.py",
    } <= names
    assert {name.split("/")[1] for name in names if name.startswith("suite/")} >= {"report", "judging", "cli"}
    for path in others:
        with path.open("a") as stream:
            stream.write("\n# edited\n")
    assert digests(tree) == before


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A tree of a few modules, by name and text; gives those that count for the module ``start``."""

    def make(*empty, **files):
        for name, text in (dict.fromkeys(empty, "") | files).items():
            path = tmp_path / f"suite/{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.setattr(hashing, "ROOT", tmp_path)
        found = code_files(tmp_path / "suite/start.py")
        return [path.relative_to(tmp_path / "suite").with_suffix("").as_posix() for path in found]

    return make


def test_imports_for_type_checkers_alone_do_not_count(small):
    start = (
        "import typing\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from suite import one\n    if one:\n        import suite.two\n"
        "elif True:\n    import suite.four\nelse:\n    import suite.three\n"
        "if typing.TYPE_CHECKING:\n    import suite.five\nelse:\n    import suite.six\n"
    )
    assert small("one", "two", "three", "four", "five", "six", start=start) == ["four", "six", "start", "three"]


def test_late_imports_count(small):
    start = (
        "class A:\n    def f(self):\n        def g():\n            from suite.deep import one\n        return lambda: g\n"
        "try:\n    import suite.two\nexcept ImportError:\n    from .three import x\n"
        "async def h():\n    with open('x'):\n        from suite import four as other\n"
    )
    found = small("deep/__init__", "deep/one", "two", "three", "four", "five", start=start)
    assert found == ["deep/__init__", "deep/one", "four", "start", "three", "two"]


def test_circles_and_neutral_files(small):
    """Neutral files are left out, and so is what only they lead to; the rest of a circle is in."""
    found = small(
        "errors",
        "files",
        "hashing",
        "settings/params",
        start="import suite.one, suite.errors, suite.files, suite.hashing\nfrom suite.settings import params\n",
        one="import suite.start\n",
    )
    assert found == ["one", "start"]


def test_files_that_share_a_name_are_told_apart(small, tmp_path):
    small("one", start="from suite import one\n")
    before = sha256_code(tmp_path / "suite/start.py")
    (tmp_path / "suite/one.py").unlink()
    (tmp_path / "suite/one").mkdir()
    (tmp_path / "suite/one/__init__.py").write_text("")
    assert sha256_code(tmp_path / "suite/start.py") != before
