"""Features of a data set: the same bytes for any number of workers, and the frozen backbone's metrics."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from suite.data import catalog
from suite.data.features import load_features
from suite.data.table import read_table
from suite.errors import SuiteError
from suite.files import write_json
from suite.hashing import sha256_file
from suite.training import features as extract_module
from suite.training.backbone import load_backbone, preprocess
from suite.training.features import extract, load_dataset_plan, write_features
from tests.helpers.synthetic import silent, write_images


@pytest.fixture
def planned(workplace, monkeypatch):
    """A data set of 8 classes x 3 images, cut to 6 classes; blocks of 4 images, so that workers share the work."""
    path = catalog.DATA_FOLDER / "emoji.parquet"
    write_images(path)
    monkeypatch.setitem(catalog.SHA256, "emoji", sha256_file(path))
    write_json(
        Path("plan/datasets/emoji.json"), {"dataset": "emoji", "data_sha256": sha256_file(path), "max_classes": 6}
    )
    monkeypatch.setattr(extract_module, "_BLOCK", 4)
    return path


def test_the_same_bytes_for_any_number_of_workers(planned, monkeypatch):
    found = []
    for workers in ("1", "2"):
        monkeypatch.setenv("SUITE_WORKERS", workers)
        write_features("emoji", silent())
        found.append((sha256_file(Path("features/emoji.safetensors")), Path("frozen/emoji.jsonl").read_bytes()))
    assert found[0] == found[1]
    features = load_features(Path("features/emoji.safetensors"))
    assert features.features.shape == (18, 1280)
    assert features.data_sha256 == sha256_file(planned)
    row = json.loads(found[0][1])
    assert row["dataset"] == "emoji"
    assert row["queries"] == 9


def test_rows_stand_in_the_order_of_the_table(planned, one_worker):
    table = read_table(planned)
    found = extract(table, "emoji", silent())
    with torch.inference_mode():
        last = load_backbone()(preprocess(table.decode(np.array([23])))).numpy()
    assert np.allclose(found[23:], last, atol=1e-4)
    assert not np.allclose(found[0], last, atol=1e-4)


def test_no_plan(workplace):
    with pytest.raises(SuiteError, match=r"no plan for data set 'emoji' \(plan/datasets/emoji\.json\)"):
        load_dataset_plan("emoji")
