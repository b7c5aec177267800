"""Feature files: round trip, damage."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from suite.data.features import Features, load_features, save_features
from suite.errors import SuiteError
from suite.hashing import sha256_file

LABELS = np.repeat(np.arange(5), 2)
VECTORS = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float16).astype(np.float32)
ARRAYS = {"features": VECTORS, "labels": LABELS, "num_training_classes": np.array(2)}
WHOLE = set(ARRAYS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "features" / "emoji.safetensors"


def test_round_trip(path):
    save_features(path, Features(VECTORS, LABELS, 2, "digest"))
    found = load_features(path)
    assert np.array_equal(found.features, VECTORS)
    assert found.features.dtype == np.float32
    assert np.array_equal(found.labels, LABELS)
    assert (found.num_training_classes, found.data_sha256) == (2, "digest")


def test_the_same_features_give_the_same_bytes(path):
    save_features(path, Features(VECTORS, LABELS, 2, "digest"))
    first = sha256_file(path)
    for _ in range(8):  # safetensors may write parts in random order
        save_features(path, Features(VECTORS, LABELS, 2, "digest"))
        assert sha256_file(path) == first
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_classes_below_the_number_of_training_classes_train():
    features = Features(VECTORS, LABELS, 2, "digest")
    assert features.training()[1].tolist() == [0, 0, 1, 1]
    assert features.test()[1].tolist() == [2, 2, 3, 3, 4, 4]
    assert np.array_equal(np.concatenate([features.training()[0], features.test()[0]]), VECTORS)


def test_missing(path):
    with pytest.raises(SuiteError, match=r"emoji\.safetensors is missing; compute it with: dvc repro features@emoji"):
        load_features(path)


@pytest.mark.parametrize("size", [0, 5, 100, -1])
def test_damaged(path, size):
    save_features(path, Features(VECTORS, LABELS, 2, "digest"))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(SuiteError, match=r"emoji\.safetensors is damaged: .*; delete it and run: dvc repro"):
        load_features(path)


@pytest.mark.parametrize(
    ("names", "metadata"),
    [
        (WHOLE - {"labels"}, {"data_sha256": "digest"}),
        (WHOLE - {"features"}, {"data_sha256": "digest"}),
        (WHOLE - {"num_training_classes"}, {"data_sha256": "digest"}),
        (WHOLE, None),
    ],
    ids=["no labels", "no features", "no number of training classes", "no digest"],
)
def test_incomplete(path, names, metadata):
    path.parent.mkdir()
    save_file({name: ARRAYS[name] for name in names}, path, metadata=metadata)
    with pytest.raises(SuiteError, match="is damaged"):
        load_features(path)


def test_the_whole_of_these_parts_is_read(path):
    path.parent.mkdir()
    save_file(ARRAYS, path, metadata={"data_sha256": "digest"})
    assert load_features(path).num_training_classes == 2


def test_labels_of_the_wrong_length(path):
    save_features(path, Features(VECTORS, LABELS[:9], 2, "digest"))
    with pytest.raises(SuiteError, match=r"\(9,\) labels for features of shape \(10, 4\)"):
        load_features(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(path, value):
    vectors = VECTORS.copy()
    vectors[3, 2] = value
    save_features(path, Features(vectors, LABELS, 2, "digest"))
    with pytest.raises(SuiteError, match="holds values that are not finite"):
        load_features(path)
