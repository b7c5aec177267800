"""The whole command on small archives in the real formats."""

import io

import numpy as np
import pytest
from PIL import Image

from suite.data.archives.cache import open_cache
from suite.data.archives.dataset import CachedImages
from tests.suite.data.archives import factory
from tests.suite.data.archives.factory import CLASSES, EACH, TRAINING

FORMS = [("cub", "cub"), ("cars", "cars"), ("cars", "cars-split"), ("sop", "sop")]


@pytest.mark.parametrize(("dataset", "form"), FORMS)
def test_every_form_gives_all_images_with_labels_and_the_zero_shot_split(added, workplace, dataset, form):
    pictures = factory.images()
    cache = added(dataset, factory.MAKERS[form](workplace / "in"))
    assert cache.meta["as_published"]
    assert sorted(cache.column("label").tolist()) == sorted(label - 1 for label, _ in pictures)
    assert np.array_equal(cache.column("training"), cache.column("label") < TRAINING)
    # Each cached image is the published one of the right class: they are small JPEG files, kept as they are.
    data = CachedImages(dataset)
    kept = {(int(label) + 1, data.encoded(row)) for row, label in enumerate(data.labels)}
    assert kept == {(label, picture) for (label, _), picture in pictures.items()}


def test_the_published_editions_are_those_of_the_field():
    from suite.data.archives.editions import load_editions

    editions = load_editions()
    facts = {
        name: (each.classes, each.training_classes, each.training_images, each.test_images)
        for name, each in editions.items()
    }
    assert facts == {
        "cub": (200, 100, 5864, 5924),
        "cars": (196, 98, 8054, 8131),
        "sop": (11318 + 11316, 11318, 59551, 60502),
    }
    assert (editions["cub"].images, editions["cars"].images, editions["sop"].images) == (11788, 16185, 120053)
    sums = {file.name: file.md5 for each in editions.values() for form in each.forms.values() for file in form.values()}
    assert sums == {
        "CUB_200_2011.tgz": "97eceeb196236b17998738112f37df78",
        "car_ims.tgz": "d5c8f0aa497503f355e17dc7886c3f14",
        "cars_annos.mat": "b407c6086d669747186bd1d764ff9dbc",
        "cars_train.tgz": "065e5b463ae28d29e77c1b4b166cfe61",
        "cars_test.tgz": "4ce7ebf6a94d07f1952d94dd34c4d501",
        "car_devkit.tgz": "c3b158d763b6e2245038c8ad08e45376",
        "cars_test_annos_withlabels.mat": "b0a2b23655a3edd16d84508592a98d10",
        "Stanford_Online_Products.zip": "7f73d41a2f44250d4779881525aea32e",
    }


def test_both_forms_of_cars_give_the_same_rows(added, workplace):
    pooled = added("cars", factory.cars_pooled(workplace / "a"))
    split = added("cars", factory.cars_split(workplace / "b"), "--folder", "benchmarks")
    assert pooled.data_sha256 == split.data_sha256
    assert pooled.meta["form"] != split.meta["form"]
    for column in ("label", "sha256", "training", "class_name"):
        assert pooled.table[column].to_pylist() == split.table[column].to_pylist()


def test_class_names_are_kept_and_a_mirror_that_replaced_the_slash_gives_the_same_labels(added, workplace):
    names = [name.replace("/", "-") for name in factory.CAR_NAMES]
    published = added("cars", factory.cars_pooled(workplace / "a"))
    mirror = added("cars", factory.cars_pooled(workplace / "b", names=names), published=[])
    assert published.class_names == factory.CAR_NAMES
    assert mirror.class_names == names
    assert published.data_sha256 == mirror.data_sha256


def test_a_mirror_is_taken_with_a_loud_note(add, workplace):
    walk = add("cub", factory.write_cub(workplace / "in"), published=[])
    assert walk.status == 0
    assert walk.out.count("NOTE: ") == 2
    assert "CUB_200_2011.tgz is not the published CUB_200_2011.tgz: its md5 is " in walk.out
    assert "used as a mirror" in walk.out
    assert not open_cache("cub").meta["as_published"]
    assert "NOTE" not in add("cub", factory.write_cub(workplace / "in")).out


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_mirrors_may_be_compressed_otherwise_and_lie_deeper(added, workplace, mode):
    files = {f"./data/birds/{name}": data for name, data in factory.cub_files().items()}
    path = factory.write_tar(workplace / "birds.archive", files, mode)
    whole = added("cub", factory.write_cub(workplace / "in"))
    assert added("cub", [path], published=[]).data_sha256 == whole.data_sha256


def test_a_zip_of_cub_and_a_tar_of_sop_are_read_too(added, workplace):
    cub = factory.write_zip(workplace / "CUB_200_2011.zip", factory.cub_files())
    sop = factory.write_tar(workplace / "sop.tar", factory.sop_files(), "w")
    assert len(added("cub", [cub], published=[]).table) == len(added("sop", [sop], published=[]).table) == 15


def test_grey_cmyk_palette_and_large_images_become_rgb_of_the_short_side(added, workplace):
    pictures = factory.images() | {
        (1, 0): factory.photo(1, "L"),
        (1, 1): factory.photo(2, "CMYK"),
        (1, 2): factory.photo(3, "P", kind="PNG"),
        (2, 0): factory.photo(4, "RGBA", kind="PNG"),
        (2, 1): factory.photo(5, size=(700, 301)),
        (2, 2): factory.photo(6, size=(300, 500)),
    }
    cache = added("cub", factory.write_cub(workplace / "in", factory.cub_files(pictures)))
    sizes = set(zip(cache.column("width").tolist(), cache.column("height").tolist(), strict=True))
    assert sizes == {(40, 30), (int(256 * 700 / 301), 256), (256, int(256 * 500 / 300))}
    for label, key in ((0, (1, 0)), (0, (1, 1)), (0, (1, 2)), (1, (2, 0))):
        original = np.asarray(Image.open(io.BytesIO(pictures[key])).convert("RGB")).astype(float)
        data = CachedImages("cub")
        rows = [row for row in range(len(data)) if data.labels[row] == label]
        errors = [
            np.abs(np.asarray(data.image(row)).astype(float) - original).mean()
            for row in rows
            if data.image(row).size == (40, 30)
        ]
        assert min(errors) < 5  # other images differ by 60 and more
    assert all(image.mode == "RGB" for image, _ in CachedImages("cub"))


def test_the_short_side_is_a_setting_and_full_size_is_kept_on_request(added, workplace):
    pictures = factory.images() | {(2, 1): factory.photo(5, size=(700, 301))}
    files = factory.write_cub(workplace / "in", factory.cub_files(pictures))
    assert max(added("cub", files, "--short-side", "20").column("width")) == int(20 * 700 / 301)
    full = added("cub", files, "--short-side", "0")
    assert max(full.column("width")) == 700
    assert pictures[2, 1] in {CachedImages("cub").encoded(row) for row in range(15)}


def test_files_without_rows_are_noted_and_left_out(add, workplace):
    files = factory.cub_files() | {"CUB_200_2011/images/001.Bird_1/spare.jpg": factory.photo(9)}
    walk = add("cub", factory.write_cub(workplace / "in", files))
    assert walk.status == 0
    assert (
        "NOTE: 1 image files have no annotation and are left out: CUB_200_2011/images/001.Bird_1/spare.jpg" in walk.out
    )
    assert len(open_cache("cub").table) == CLASSES * EACH


def test_adding_again_verifies_and_changes_nothing(add, workplace):
    files = factory.write_sop(workplace / "in")
    add("sop", files)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (workplace / "benchmarks").rglob("*.*")}
    walk = add("sop", files)
    assert walk.status == 0
    assert before == {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in (workplace / "benchmarks").rglob("*.*")}
    shard = workplace / "benchmarks/cache/sop/shard-00000.bin"
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    walk = add("sop", files)
    assert walk.status == 2
    assert "shard-00000.bin was altered" in walk.err


def test_what_was_added_is_told(add, workplace):
    walk = add("sop", factory.write_sop(workplace / "in"))
    assert "benchmarks/cache/sop: 6 images of 2 training classes, 9 images of 3 test classes, " in walk.out


def test_files_in_brackets_of_a_browser_are_recognised(added, workplace):
    path = factory.write_cub(workplace / "in", name="CUB_200_2011 (1).tgz")
    assert added("cub", path, published=[]).meta["form"] == "one archive"
