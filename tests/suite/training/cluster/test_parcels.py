"""Parcels: arrays and networks are packed once, files with what they import."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from suite.training.cluster.parcels import AbsentError, Packer, opened, pack_files, store
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


def test_a_network_is_one_parcel_whatever_packs_it_and_opens_as_it_was(tmp_path):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 64, 3), nn.Flatten(), nn.Linear(64 * 36, 32)).to(
        memory_format=torch.channels_last
    )
    digest, parcels = Packer().pack(len, {"network": network, "name": "a"})
    again, _ = Packer().pack(len, {"network": copy.deepcopy(network), "name": "a"})
    assert again == digest
    assert len(parcels) == 2
    for each, content in parcels.items():
        store(tmp_path, each, content())
    found = opened(tmp_path, digest)[1]["network"]
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(found(images), network(images))
    assert found[0].weight.stride() == network[0].weight.stride()


def test_a_parcel_in_pieces_is_whole_after_the_last_one(tmp_path):
    pieces = [b"one", b"two", b"three"]
    assert [store(tmp_path, "digest", piece, place, 3) for place, piece in enumerate(pieces[:2])] == [False, False]
    assert not store(tmp_path / "other", "digest", pieces[2], 2, 3), "the others are missing"
    assert store(tmp_path, "digest", pieces[2], 2, 3)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["digest"]
    assert (tmp_path / "digest").read_bytes() == b"onetwothree"
    assert store(tmp_path, "digest", b"anything", 0, 3), "it is there"


@pytest.mark.parametrize("missing", ["the parcel", "an array"])
def test_what_is_missing_is_told_by_the_parcel_that_needs_it(tmp_path, missing):
    digest, parcels = Packer().pack(len, np.zeros(100_000))
    for each, content in parcels.items():
        if (each == digest) == (missing == "an array"):
            store(tmp_path, each, content())
    with pytest.raises(AbsentError, match=digest):
        opened(tmp_path, digest)


def test_files_are_packed_with_what_they_import(workplace):
    target = own_loss("import beside\nreturn value")
    Path("my_losses/beside.py").write_text("VALUE = 1\n")
    Path("my_losses/other.py").write_text("VALUE = 1\n")
    digest, content = pack_files({"a loss": target})
    assert [name for name, _ in pickle.loads(content)] == ["my_losses/beside.py", "my_losses/own.py"]
    Path("my_losses/beside.py").write_text("VALUE = 2\n")
    assert pack_files({"a loss": target})[0] != digest
