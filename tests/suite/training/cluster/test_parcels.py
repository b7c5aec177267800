"""Parcels: arrays and networks are packed once, files with what they import."""

import pickle
from pathlib import Path

import numpy as np

from suite.training.cluster.parcels import Packer, opened, pack_files, store
from tests.helpers.synthetic import own_loss


def test_features_are_packed_once_and_opened_as_they_were(tmp_path):
    array = np.random.default_rng(0).normal(size=(200, 100)).astype(np.float32)
    packer = Packer()
    digest, parcels = packer.pack(len, {"features": array, "name": "a"})
    other, more = packer.pack(len, {"features": array, "name": "b"})
    assert other != digest
    assert len(set(parcels) | set(more)) == 3  # the array, and a small one of each
    for each, content in parcels.items():
        store(tmp_path, each, content())
    function, shared = opened(tmp_path, digest)
    assert function is len
    assert np.array_equal(shared["features"], array)
    assert shared["features"].flags.writeable
    assert max(len(content()) for each, content in parcels.items() if each == digest) < 2000


def test_files_are_packed_with_what_they_import(workplace):
    target = own_loss("import beside\nreturn value")
    Path("my_losses/beside.py").write_text("VALUE = 1\n")
    Path("my_losses/other.py").write_text("VALUE = 1\n")
    digest, content = pack_files({"a loss": target})
    assert [name for name, _ in pickle.loads(content)] == ["my_losses/beside.py", "my_losses/own.py"]
    Path("my_losses/beside.py").write_text("VALUE = 2\n")
    assert pack_files({"a loss": target})[0] != digest
