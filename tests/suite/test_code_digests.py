"""The files behind a user's loss: found by their imports, hashed together, told to the pipeline."""

import json
from pathlib import Path

import pytest

from suite import hashing
from suite.errors import SuiteError
from suite.hashing import sha256_code, sha256_user_code, user_files
from suite.settings.paths import USER_DIGESTS_FILE
from suite.training.user_files import update_user_files
from tests.suite.data.test_user import settings_with


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
