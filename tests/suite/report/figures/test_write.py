"""``suite figures``: the files it writes, the numbers it prints, and the committed figures against the code."""

import numpy as np
import pandas as pd
import pytest
import yaml

from suite.errors import SuiteError
from suite.losses.influence.curve import influence_curves
from suite.losses.registry import find_loss
from suite.report.figures.write import write_figures
from suite.settings.params import Settings, load_settings
from suite.settings.paths import FIGURES_FOLDER
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import own_loss, silent

WRITTEN = ("influence.csv", "influence.svg", "influence.pdf", "field.svg", "field.pdf")


def settings(**losses):
    values = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"losses": losses, "paper_values": {}, "geometry": {}}
    return Settings.model_validate(values)


def test_all_files_are_written_for_any_loss(workplace):
    entry = {"target": own_loss("return value"), "params": {"weight": 2.0}}
    text = write_figures(settings(own=entry), silent())
    assert {path.name for path in FIGURES_FOLDER.iterdir()} == set(WRITTEN)
    curves = pd.read_csv(FIGURES_FOLDER / "influence.csv")
    assert set(curves["loss"]) == {"own"}
    assert curves.groupby("pair")["normalised"].max().tolist() == [1, 1]
    assert text.count("  own ") == 2
    assert "W2 of decaying field: 0." in text


def test_an_unknown_hyperparameter_writes_nothing(workplace):
    with pytest.raises(SuiteError, match=r"losses\.triplet\.params: speed is no hyper-parameter"):
        write_figures(settings(triplet={"params": {"speed": 1}}), silent())
    assert not FIGURES_FOLDER.exists()


def test_the_committed_curves_are_those_of_the_code(monkeypatch):
    monkeypatch.chdir(ROOT)
    committed = pd.read_csv(FIGURES_FOLDER / "influence.csv").set_index(["loss", "pair", "distance"])["influence"]
    known = load_settings()
    assert set(committed.index.get_level_values("loss")) == set(known.losses)
    for name, entry in known.losses.items():
        table = influence_curves(find_loss(name, entry), entry.params, known.recipe.embedding_dim, (0.1, 0.5, 1.3))
        measured = table.set_index(["loss", "pair", "distance"])["influence"]
        np.testing.assert_allclose(committed[measured.index], measured, rtol=0.01, atol=1e-6, err_msg=name)
