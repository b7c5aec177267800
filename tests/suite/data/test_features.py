"""Feature files: round trip, damage."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from suite.data.features import Features, load_features, save_features
from suite.errors import SuiteError
from suite.hashing import sha256_file

LABELS = np.repeat(np.arange(5), 2)
VECTORS = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float16).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "features" / "emoji.safetensors"


def test_round_trip(path):
    save_features(path, Features(VECTORS, LABELS, "digest"))
    found = load_features(path)
    assert np.array_equal(found.features, VECTORS)
    assert found.features.dtype == np.float32
    assert np.array_equal(found.labels, LABELS)
    assert found.data_sha256 == "digest"


def test_the_same_features_give_the_same_bytes(path):
    save_features(path, Features(VECTORS, LABELS, "digest"))
    first = sha256_file(path)
    save_features(path, Features(VECTORS, LABELS, "digest"))
    assert sha256_file(path) == first
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_first_half_of_the_classes_trains():
    features = Features(VECTORS, LABELS, "digest")
    assert features.num_classes == 5
    assert features.training()[1].tolist() == [0, 0, 1, 1]
    assert features.test()[1].tolist() == [2, 2, 3, 3, 4, 4]
    assert np.array_equal(np.concatenate([features.training()[0], features.test()[0]]), VECTORS)


def test_missing(path):
    with pytest.raises(SuiteError, match=r"emoji\.safetensors is missing; compute it with: dvc repro features@emoji"):
        load_features(path)


@pytest.mark.parametrize("size", [0, 5, 100, -1])
def test_damaged(path, size):
    save_features(path, Features(VECTORS, LABELS, "digest"))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(SuiteError, match=r"emoji\.safetensors is damaged: .*; delete it and run: dvc repro"):
        load_features(path)


@pytest.mark.parametrize(
    ("arrays", "metadata"),
    [
        ({"features": VECTORS}, {"data_sha256": "digest"}),
        ({"labels": LABELS}, {"data_sha256": "digest"}),
        ({"features": VECTORS, "labels": LABELS}, None),
    ],
    ids=["no labels", "no features", "no digest"],
)
def test_incomplete(path, arrays, metadata):
    path.parent.mkdir()
    save_file(arrays, path, metadata=metadata)
    with pytest.raises(SuiteError, match="is damaged"):
        load_features(path)


def test_labels_of_the_wrong_length(path):
    save_features(path, Features(VECTORS, LABELS[:9], "digest"))
    with pytest.raises(SuiteError, match=r"\(9,\) labels for features of shape \(10, 4\)"):
        load_features(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(path, value):
    vectors = VECTORS.copy()
    vectors[3, 2] = value
    save_features(path, Features(vectors, LABELS, "digest"))
    with pytest.raises(SuiteError, match="holds values that are not finite"):
        load_features(path)
