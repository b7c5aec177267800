"""Two small projects made by the suite's own commands: one in which a loss ran and was submitted, and a board without it."""

import shutil
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from suite.data import catalog
from suite.hashing import sha256_file
from suite.judging.handed_in.submit import submit
from suite.settings.finetuned import load_finetuned
from suite.settings.params import load_settings
from suite.settings.paths import DATA_FOLDER, FINETUNED_FILE
from suite.training.batch_checks import training_half
from suite.training.features import write_features
from suite.training.finetuned.planner import write_finetuned_plans
from suite.training.finetuned.stage import make_views, tools, train_finetuned
from suite.training.planner import write_plans
from suite.training.stage import train
from suite.training.studies.paper_values import run_paper_values
from suite.training.studies.promote import promote
from suite.training.tuning.resolve import resolve_hyperparameters
from tests.helpers.synthetic import silent, write_images
from tests.helpers.views import FINETUNED_RECIPE

LOSS = """
from pathlib import Path

from torch import nn

from own_parts import compactness

Path("it_ran").touch()


class Own(nn.Module):
    formula = "w (1 - <z, z'>) over pairs of one class"
    source = "An author, On compactness, 2026"
    search_space = {"weight": {"low": 0.5, "high": 2.0}}
    paper_values = {"weight": 0.7}

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, embeddings, labels):
        return self.weight * compactness(embeddings, labels)
"""
PARTS = """
def compactness(embeddings, labels):
    same = labels[:, None] == labels
    return (1 - embeddings @ embeddings.T).mul(2 * same.float() - 1).mean()
"""
PARAMS = {
    "datasets": {"emoji": {}},
    "losses": {"triplet": {}, "own": {"target": "losses/own.py:Own"}},
    "paper_values": {"own": {}},
    "noise": {"levels": [0, 0.2]},
    "seeds": 2,
    "recipe": {
        "embedding_dim": 8,
        "hidden_dim": 0,
        "epochs": 2,
        "classes_per_batch": 3,
        "samples_per_class": 3,
        "learning_rate": 0.001,
        "proxy_learning_rate": 0.01,
        "weight_decay": 0.0001,
    },
    "tuning": {"trials": 2, "folds": 2, "searches": 2},
}
FINETUNED = {
    "recipe": FINETUNED_RECIPE.model_dump() | {"epochs": 1, "classes_per_batch": 3},
    "datasets": {"emoji": {"flip": False}},
    "tuning": {"trials": 1, "folds": 2, "held_out": 1},
}


def write_finetuned():
    """The settings of the regime in which the network learns."""
    FINETUNED_FILE.parent.mkdir(parents=True)
    FINETUNED_FILE.write_text(yaml.safe_dump(FINETUNED))


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A project with runs of triplet and of a loss of its own, and that loss's bundle ``own.zip``."""
    folder = tmp_path_factory.mktemp("submitted")
    with pytest.MonkeyPatch.context() as patch, own_data(folder, patch):
        patch.chdir(folder)
        patch.setenv("SUITE_WORKERS", "1")
        Path("losses").mkdir()
        Path("losses/own.py").write_text(LOSS)
        Path("losses/own_parts.py").write_text(PARTS)
        Path("params.yaml").write_text(yaml.safe_dump(PARAMS))
        write_finetuned()
        settings = load_settings()
        write_plans(settings)
        write_features("emoji", silent())
        for loss in settings.losses:
            resolve_hyperparameters("emoji", loss, silent())
            train("emoji", loss, silent())
        run_paper_values("emoji", "own", silent())
        write_finetuned_plans(settings, load_finetuned())
        make_views("emoji", silent())
        resolve_hyperparameters("emoji", "own", silent(), "finetuned", tools)
        train_finetuned("emoji", "own", silent())
        promote()
        submit("own", settings, "mit", Path("own.zip"), "An author", "On compactness, 2026")
    return folder


@contextmanager
def own_data(folder, patch):
    """A small data set in place of emoji; the loss's folder and modules are forgotten in the end."""
    path = folder / DATA_FOLDER / "emoji.parquet"
    if not path.is_file():
        write_images(path, classes=12, images=6)
    patch.setitem(catalog.EMBEDDED, "emoji", catalog.EmbeddedDataset(sha256_file(path), ""))
    patch.setattr(sys, "path", list(sys.path))
    training_half.cache_clear()
    yield
    training_half.cache_clear()
    sys.modules.pop("own_parts", None)


@pytest.fixture
def submitted(made, monkeypatch):
    """The folder of that project."""
    with own_data(made, monkeypatch):
        yield made


@pytest.fixture
def board(submitted, tmp_path, monkeypatch):
    """A project with the same runs but those of the loss, as the current folder; nothing is handed in yet."""
    for name in ("data", "features", "frozen", "runs", "recipes", "times", "tuned"):
        shutil.copytree(submitted / name, tmp_path / name, ignore=shutil.ignore_patterns("*own*"))
    params = PARAMS | {"losses": {"triplet": {}}, "paper_values": {}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(tmp_path)
    write_finetuned()
    return tmp_path


@pytest.fixture
def contents(submitted):
    """The members of the bundle by name."""
    with zipfile.ZipFile(submitted / "own.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def typed(board, command):
    """Run ``suite ARGUMENTS`` on the board; gives exit status and all that was printed."""

    def run(*arguments):
        ended = command(*arguments)
        return ended.status, ended.out + ended.err

    return run
