"""The torch data set, the conversion of images, and the reader of archives by itself."""

import io
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, PILToTensor, Resize

from suite.data.archives.convert import Converted, convert
from suite.data.archives.dataset import CachedImages
from tests.suite.data.archives import factory
from tests.suite.data.archives.factory import EACH, TRAINING


@pytest.fixture
def cub(added, workplace):
    return added("cub", factory.write_cub(workplace / "in"))


def test_parts_have_their_classes_and_labels_of_the_whole_numbering(cub):
    training, test, whole = (CachedImages("cub", part) for part in ("training", "test", "all"))
    assert training.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert test.labels.tolist() == [2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert len(whole) == len(training) + len(test)
    assert training.num_training_classes == TRAINING
    assert training.class_names == [f"{label:03d}.Bird_{label}" for label in range(1, 6)]
    assert training.data_sha256 == cub.data_sha256
    assert [whole.encoded(row) for row in range(TRAINING * EACH)] == [training.encoded(row) for row in range(6)]


def test_rows_are_ordered_by_label_then_digest(cub):
    keys = list(zip(cub.column("label").tolist(), cub.table["sha256"].to_pylist(), strict=True))
    assert keys == sorted(keys)


def test_workers_read_what_one_process_reads(cub):
    data = CachedImages("cub", transform=PILToTensor())
    expected = [data[row][0] for row in range(len(data))]  # maps are open before it is sent to the workers
    loader = torch.utils.data.DataLoader(data, batch_size=4, num_workers=2, multiprocessing_context="fork")
    images, labels = (torch.cat(parts) for parts in zip(*loader, strict=True))
    assert torch.equal(images, torch.stack(expected))
    assert labels.tolist() == data.labels.tolist()
    copy = pickle.loads(pickle.dumps(data))
    assert torch.equal(copy[3][0], expected[3])


def test_the_digest_of_the_data_covers_labels_and_images(added, workplace, cub):
    pictures = factory.images()
    swapped = pictures | {(1, 0): pictures[2, 0], (2, 0): pictures[1, 0]}
    other = pictures | {(1, 0): factory.photo(77)}
    sums = {cub.data_sha256}
    for changed in (swapped, other):
        sums.add(added("cub", factory.write_cub(workplace / "in", factory.cub_files(changed))).data_sha256)
    assert len(sums) == 3


@pytest.mark.parametrize("size", [(700, 301), (301, 700), (257, 256), (400, 400), (1023, 777)])
def test_reduction_is_that_of_torchvision(size):
    original = factory.photo(3, size=size)
    converted = convert(original, 256)
    image = Image.open(io.BytesIO(original)).convert("RGB")
    expected = Resize(256)(image)
    assert isinstance(converted, Converted)
    assert (converted.width, converted.height) == expected.size
    kept = np.asarray(Image.open(io.BytesIO(converted.data))).astype(float)
    assert np.abs(kept - np.asarray(expected)).mean() < 1.0  # of 255: what JPEG at quality 95 loses
    crop = Compose([Resize(256), CenterCrop(224)])
    test_image = np.asarray(crop(Image.open(io.BytesIO(converted.data)))).astype(float)
    assert np.abs(test_image - np.asarray(crop(image))).mean() < 1.0


def test_small_rgb_jpegs_are_kept_byte_by_byte_and_nothing_is_enlarged():
    small = factory.photo(1, size=(200, 256))
    assert convert(small, 256).data == small
    grey = convert(factory.photo(1, "L", size=(200, 256)), 256)
    assert (grey.width, grey.height) == (200, 256)
    assert Image.open(io.BytesIO(grey.data)).mode == "RGB"


def test_orientation_notes_are_ignored():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    turned = convert(factory.photo(1, size=(600, 300), exif=exif), 256)
    assert (turned.width, turned.height) == (512, 256)
    assert not Image.open(io.BytesIO(turned.data)).getexif()


@pytest.mark.parametrize("data", [b"", b"not an image", factory.photo(1)[:300], factory.photo(1)[:-30]])
def test_what_cannot_be_decoded_to_its_end_is_told_in_one_line(data):
    reason = convert(data, 256)
    assert isinstance(reason, str)
    assert "\n" not in reason
    assert "0x" not in reason
