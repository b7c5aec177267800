"""Features of a data set: the same bytes for any number of workers, and the frozen backbone's metrics."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from suite.data import catalog
from suite.data.features import load_features
from suite.data.table import read_table
from suite.errors import SuiteError
from suite.evaluation.retrieval import MEASURED
from suite.files import write_json
from suite.hashing import sha256_file
from suite.settings.params import BackboneSettings
from suite.settings.paths import DATA_FOLDER
from suite.training import features as features_module
from suite.training.backbone import load_backbone
from suite.training.features import features_of, load_dataset_plan, write_features
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import silent, write_images


@pytest.fixture
def planned(workplace, monkeypatch):
    """A data set of 8 classes x 3 images, cut to 6 classes; blocks of 4 images, so that workers share the work."""
    path = DATA_FOLDER / "emoji.parquet"
    write_images(path)
    monkeypatch.setitem(catalog.EMBEDDED, "emoji", replace(catalog.EMBEDDED["emoji"], sha256=sha256_file(path)))
    plan(path, BackboneSettings())
    monkeypatch.setattr(features_module, "_BLOCK", 4)
    return path


def plan(path, backbone):
    """Write the plan of the data set with a network."""
    plain = {"dataset": "emoji", "data_sha256": sha256_file(path), "max_classes": 6, "backbone": backbone.model_dump()}
    write_json(Path("plan/datasets/emoji.json"), plain)


def test_the_same_bytes_for_any_number_of_workers(planned, monkeypatch):
    found = []
    for workers in ("1", "2"):
        monkeypatch.setenv("SUITE_WORKERS", workers)
        write_features("emoji", silent())
        found.append((sha256_file(Path("features/emoji.safetensors")), Path("frozen/emoji.json").read_bytes()))
    assert found[0] == found[1]
    features = load_features(Path("features/emoji.safetensors"))
    assert features.features.shape == (18, 1280)
    assert (features.data_sha256, features.num_training_classes) == (sha256_file(planned), 3)
    frozen = json.loads(found[0][1])
    assert (frozen["dataset"], frozen["backbone"]) == ("emoji", "tf_efficientnet_lite0")
    assert set(frozen["metrics"]) == set(MEASURED)
    assert list(json.loads(Path("times/features-emoji.json").read_text())["runs"]) == ["features"]


_COMMAND = """
import os
from dataclasses import replace
from pathlib import Path
from suite.cli.pipeline import features
from suite.data import catalog
from suite.hashing import sha256_file
from suite.settings.paths import DATA_FOLDER
found = sha256_file(DATA_FOLDER / "emoji.parquet")
catalog.EMBEDDED["emoji"] = replace(catalog.EMBEDDED["emoji"], sha256=found)
for chosen in ({}, {"ONEDNN_MAX_CPU_ISA": "AVX2"}):
    os.environ.update(chosen)  # before the first convolution of the workers
    features("emoji")
    print("digest", sha256_file(Path("features/emoji.safetensors")))
"""


def test_the_command_takes_instructions_that_every_processor_has(planned):
    environment = {name: value for name, value in os.environ.items() if name != "ONEDNN_MAX_CPU_ISA"}
    environment |= {"PYTHONPATH": str(ROOT), "SUITE_WORKERS": "1"}
    told = subprocess.run([sys.executable, "-c", _COMMAND], check=True, env=environment, capture_output=True, text=True)
    first, second = re.findall(r"^digest (\w+)$", told.stdout, re.MULTILINE)
    assert first == second


def test_another_network_gives_features_and_metrics_of_its_own(planned, one_worker):
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet").state_dict(), "mine.pth")
    mine = BackboneSettings(name="test_resnet", weights="mine.pth", sha256=sha256_file(Path("mine.pth")))
    plan(planned, mine)
    write_features("emoji", silent())
    found = load_features(Path("features/emoji.safetensors")).features
    table = read_table(planned, 6)
    expected = load_backbone(mine).features(table.decode(np.arange(18)))
    assert found.shape == (18, 96)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-3)
    assert json.loads(Path("frozen/emoji.json").read_text())["backbone"] == "test_resnet"


def test_rows_stand_in_the_order_of_the_table(planned, one_worker):
    table = read_table(planned)
    features = features_of(table, "emoji", "digest", BackboneSettings(), silent())
    found = features.features
    last = load_backbone(BackboneSettings()).features(table.decode(np.array([23])))
    assert np.array_equal(features.labels, table.labels)
    assert (features.num_training_classes, features.data_sha256) == (4, "digest")
    assert np.allclose(found[23:], last, atol=1e-4)
    assert not np.allclose(found[0], last, atol=1e-4)


def test_no_plan(workplace):
    with pytest.raises(SuiteError, match=r"no plan for data set 'emoji' \(plan/datasets/emoji\.json\)"):
        load_dataset_plan("emoji")
