"""``suite data add-noise``: lists in the forms that PRISM has published them in, made from small archives by hand."""

import hashlib
import json
import random
from pathlib import Path

import numpy as np
import pytest

from suite.data.archives.add import Options, add
from suite.data.archives.add_noise import Asked, add_noise
from suite.data.archives.cache import open_cache
from suite.data.archives.list_labels import Matching
from suite.data.noise import corrupt
from suite.data.noise_lists import load_noise_list
from suite.errors import SuiteError
from tests.helpers.synthetic import silent
from tests.suite.data.archives import factory

CLASSES, TRAINING, EACH = 7, 4, 6
"""24 training images. With 7 classes, those of class 4 have the same numbers in cars_train and cars_test."""
# In the order of the archive, which is not that of the alphabet; one has a "/".
CARS = ["Bentley Mulsanne 2011", "Audi S4 C/V 2012", "BMW M3 2012", "AM General 2000", "Ram", "Saab", "Volvo"]
FOLDERS = [name.replace("/", "-") for name in CARS]
TRUE = {(label, k): label for label in range(1, TRAINING + 1) for k in range(EACH)}
"""True class, from 1, by (class from 1, number from 0)."""
FLIPPED = TRUE | {(1, 0): 3, (1, 4): 2, (2, 3): 4, (3, 5): 1, (4, 2): 1}
"""Five of 24 images have another class: .2083."""
MERGED = TRUE | dict(zip([(3, k) for k in range(EACH)], [1, 4, 4, 2, 1, 1], strict=True))
"""Class 3 is gone."""


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    """A folder with a cache of each benchmark, Cars made of its train and test archives; and its other form below it."""
    folder = tmp_path_factory.mktemp("benchmarks")
    pictures = factory.images(CLASSES, EACH)
    counts = {"classes": CLASSES, "training_classes": TRAINING}
    counts |= {"training_images": TRAINING * EACH, "test_images": (CLASSES - TRAINING) * EACH}
    made = {
        ("cub", "."): factory.write_cub(folder / "in/cub", factory.cub_files(pictures)),
        ("cars", "."): factory.cars_split(folder / "in/split", pictures, CARS),
        ("sop", "."): factory.write_sop(folder / "in/sop", sop_files(pictures)),
        ("cars", "pooled"): factory.cars_pooled(folder / "in/pooled", pictures, CARS),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUITE_WORKERS", "1")
        for (dataset, place), files in made.items():
            editions = factory.write_editions(folder / "editions.yaml", files, **counts)
            add(dataset, files, Options(folder / place, editions, track=False), silent())
    return folder


def sop_files(pictures):
    """The factory's archive with the split of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(factory, "TRAINING", TRAINING)
        return factory.sop_files(pictures)


def cars_keys():
    """(class, number) of each image by the archive's part and number, as the factory counts them."""
    keys = list(factory.images(CLASSES, EACH))
    parts = {"train": [key for key in reversed(keys) if not key[1] % 2], "test": [key for key in keys if key[1] % 2]}
    return {(part, count): key for part, mine in parts.items() for count, key in enumerate(mine, 1)}


def cars_names():
    """What PRISM's mirror calls each image: of two with one number in a class, the one of cars_test has _2 behind it."""
    names = {}
    for (_, count), (label, k) in cars_keys().items():  # cars_train first
        path = f"/data/cars196/images/{FOLDERS[label - 1]}/{count:05d}"
        names[label, k] = f"{path}_2.jpg" if f"{path}.jpg" in names.values() else f"{path}.jpg"
    return names


def names_of(dataset):
    """The path in a published list by (class, number)."""
    keys = factory.images(CLASSES, EACH)
    if dataset == "cars":
        return cars_names()
    if dataset == "cub":
        return {(c, k): f"/data/CUB_200_2011/images/{c:03d}.Bird_{c}/Bird_{c}_{k:04d}.jpg" for c, k in keys}
    folder = {0: "bicycle_final", 1: "sofa_final"}
    return {(c, k): f"/data/Stanford_Online_Products/{folder[c % 2]}/{11108512287 + c}_{k}.JPG" for c, k in keys}


def listed(dataset, given, numbers=None, order=None):
    """The text of a list: what is given, each class by a number of the list's own."""
    names, numbers = names_of(dataset), numbers or {label: label for label in range(1, 1000)}
    return "".join(f"{names[key]},{numbers[given[key]]}\n" for key in order or sorted(given))


def by_folder():
    """PRISM's numbers of Cars: folders in the order of the alphabet, from 1."""
    ordered = sorted(FOLDERS[:TRAINING])
    return {label: ordered.index(FOLDERS[label - 1]) + 1 for label in range(1, TRAINING + 1)}


def by_appearance(given):
    """The numbers of lists of small clusters: from 0, in the order in which classes appear."""
    return {label: number for number, label in enumerate(dict.fromkeys(given[key] for key in sorted(given)))}


def expected(dataset, given, folder):
    """The labels by row from the index: the picture of each row is known by its bytes, whatever its name."""
    cache = open_cache(dataset, folder)
    known = {hashlib.sha256(data).digest(): key for key, data in factory.images(CLASSES, EACH).items()}
    rows = [
        sha256 for sha256, training in zip(cache.column("sha256"), cache.column("training"), strict=True) if training
    ]
    return [given[known[sha256]] - 1 for sha256 in rows]


@pytest.fixture
def added(caches, tmp_path):
    """Add a list of a text under a name; gives what is kept."""

    def run(dataset, text, name="X_0.2noised_train.csv", **asked):
        path = tmp_path / name
        path.write_text(text)
        return add_noise(dataset, path, Asked(folder=caches, **asked))

    return run


@pytest.fixture
def refused(added, caches):
    """The message of a list that must be refused in one line, with nothing kept."""
    kept = caches / "noise_lists"

    def run(*arguments, **asked):
        before = {path: path.read_bytes() for path in kept.glob("*")}
        with pytest.raises(SuiteError) as caught:
            added(*arguments, **asked)
        assert {path: path.read_bytes() for path in kept.glob("*")} == before
        message = str(caught.value)
        assert "\n" not in message
        return message

    return run


NUMBERS = {"cub": None, "sop": None, "cars": by_folder()}


@pytest.mark.parametrize("dataset", ["cub", "cars", "sop"])
def test_symmetric_lists(added, caches, dataset):
    found = added(dataset, listed(dataset, FLIPPED, NUMBERS[dataset]))
    assert found.labels == expected(dataset, FLIPPED, caches)
    assert (found.kind, found.level, found.source) == ("prism_symmetric", 0.2, "X_0.2noised_train.csv")
    assert found.realised == pytest.approx(5 / 24)
    assert (found.kept_true, found.undecided) == (0, 0)
    assert found.labels_sha256 == hashlib.sha256(np.array(found.labels, "<i8").tobytes()).hexdigest()
    text = listed(dataset, FLIPPED, NUMBERS[dataset]).encode()
    assert found.source_sha256 == hashlib.sha256(text).hexdigest()
    assert load_noise_list(dataset, "prism_symmetric", 0.2, caches) == found


@pytest.mark.parametrize("dataset", ["cub", "cars", "sop"])
def test_lists_of_small_clusters(added, caches, dataset):
    found = added(dataset, listed(dataset, MERGED, by_appearance(MERGED)), "X_0.25smallclusternoised_train.csv")
    assert found.labels == expected(dataset, MERGED, caches)
    assert (found.kind, found.level, found.realised) == ("prism_small_cluster", 0.25, 0.25)


def test_the_order_of_lines_and_empty_ones_do_not_matter(added, caches):
    order = random.Random(3).sample(sorted(FLIPPED), len(FLIPPED))
    found = added("cub", "\n" + listed("cub", FLIPPED, order=order) + "\n\n")
    assert found.labels == expected("cub", FLIPPED, caches)


@pytest.mark.parametrize(("kind", "tag"), [("symmetric", ""), ("small_cluster", "smallcluster")])
def test_whatever_the_suite_draws_comes_back_from_a_list(added, refused, caches, kind, tag):
    """Or it is refused, where a class went as a whole into another one."""
    labels = np.array(expected("cub", TRUE, caches))
    pictures = expected("cub", {key: number for number, key in enumerate(TRUE, 1)}, caches)
    wholly = 0
    for seed in range(8):
        drawn = corrupt(labels, "cub", kind, 0.25, seed)
        given = {list(TRUE)[picture]: int(label) + 1 for picture, label in zip(pictures, drawn.labels, strict=True)}
        name = f"CUB_0.25{tag}noised_train.csv"
        text = listed("cub", given, by_appearance(given) if tag else None)
        if tag and any(len({given[label, k] for k in range(EACH)} - {label}) == 1 for label in range(1, TRAINING + 1)):
            assert "so which of them survives cannot be told" in refused("cub", text, name)
            wholly += 1
            continue
        found = added("cub", text, name)
        assert (found.labels_sha256, found.realised) == (drawn.sha256, drawn.realised)
    assert wholly < 6


def test_a_class_of_sop_may_lose_all_its_images(added, caches):
    gone = TRUE | {(1, k): 2 + k % 3 for k in range(EACH)}
    found = added("sop", listed("sop", gone), "SOP_0.25noised_train.csv")
    assert found.labels == expected("sop", gone, caches)


# A class that is not there.

ABSENT = FLIPPED | {(1, 4): 5, (2, 3): 5}


def test_a_class_that_is_not_there_is_refused_by_number_and_count(refused):
    message = refused("cub", listed("cub", ABSENT))
    assert "X_0.2noised_train.csv: no class is named by label 5 (2 images); allowed: 1 to 4, or --repair" in message
    message = refused("cars", listed("cars", ABSENT, NUMBERS["cars"] | {5: 99}))
    assert (
        "no class is named by label 99 (2 images); allowed: labels that are the most frequent one of a class" in message
    )


@pytest.mark.parametrize("dataset", ["cub", "cars", "sop"])
def test_repaired_its_images_keep_their_true_labels(added, caches, dataset):
    numbers = None if dataset != "cars" else NUMBERS["cars"] | {5: 99}
    found = added(dataset, listed(dataset, ABSENT, numbers), "X_0.1noised.csv", repair=True)
    assert found.labels == expected(dataset, FLIPPED | {(1, 4): 1, (2, 3): 2}, caches)
    assert (found.kept_true, found.realised) == (2, 3 / 24)


def test_a_small_cluster_that_belongs_to_no_class(refused, added, caches):
    lost = MERGED | {(3, 1): 3, (3, 2): 3}
    text, name = listed("cub", lost, by_appearance(lost)), "X_0.2smallclusternoised.csv"
    number = by_appearance(lost)[3]
    assert f"by label {number} (2 images); allowed: labels under which a class has all its images" in refused(
        "cub", text, name
    )
    assert added("cub", text, name, repair=True).labels == expected("cub", lost, caches)


# Several classes under one label.


def test_two_classes_under_one_label(refused, added, caches):
    together = TRUE | {(3, k): 2 for k in range(EACH)}
    text, name = listed("sop", together, by_appearance(together)), "X_0.25smallclusternoised.csv"
    message = refused("sop", text, name)
    assert "1 labels have all images of two classes or more, first label 1 those of classes 2 and 3" in message
    assert "allowed: a label of its own for each class that survives, or --repair, which takes the largest" in message
    found = added("sop", text, name, repair=True)
    assert found.undecided == 2 * EACH
    assert found.labels == expected("sop", together, caches)
    message = refused("cars", listed("cars", together, NUMBERS["cars"]))
    number = NUMBERS["cars"][2]
    assert f"label {number} is the most frequent one of classes 2 and 3; allowed: a label of its own" in message
    assert "--repair" not in message


def test_of_several_classes_the_largest_survives():
    """By hand: all of classes 0 and 1 is under 7, all of class 2 and an image of class 3 under 8; 9 names no class."""
    labels, numbers = np.array([0, 0, 1, 1, 1, 2, 2, 3, 3]), np.array([7, 7, 7, 7, 7, 8, 8, 8, 9])
    given, kept_true, undecided = Matching(labels, numbers, Path("x.csv"), by_folders=False).classes(
        "prism_small_cluster", repair=True
    )
    assert given.tolist() == [1, 1, 1, 1, 1, 2, 2, 2, 3]
    assert (kept_true, undecided) == (1, 5)


# Lines that do not fit the images.


def test_images_that_are_not_there_or_of_test_classes(refused):
    text = listed("cub", FLIPPED)
    message = refused("cub", text + "/data/CUB_200_2011/images/001.Bird_1/Bird_1_0099.jpg,1\n")
    assert "lines that name no image of cub: 1, first line 25, /data/CUB_200_2011/images/001.Bird_1/Bird_1" in message
    message = refused("cub", text + f"{names_of('cub')[5, 0]},1\n{names_of('cub')[6, 0]},1\n")
    assert "lines that name images of test classes: 2, first line 25, " in message
    assert message.endswith("allowed: images of the training classes")
    assert "lines that name no image of sop: 24, first line 1" in refused("sop", text)


def test_an_image_twice(refused):
    text = listed("cub", FLIPPED)
    message = refused("cub", text + text.splitlines()[2] + "\n")
    assert "lines 3 and 25 both name " in message
    assert "allowed: each training image once" in message


def test_cleaned_lists_leave_out_images(refused):
    cleaned = "".join(
        f"{line}\n" for key, line in zip(sorted(TRUE), listed("cub", TRUE).splitlines(), strict=True)
        if FLIPPED[key] == TRUE[key]
    )  # fmt: skip
    message = refused("cub", cleaned, "CUB_0.2noised_cleaned_train.csv")
    assert "5 of 24 training images are missing, first CUB_200_2011/images/" in message
    assert "(those called cleaned leave out wrong labels)" in message


def test_images_that_the_cache_leaves_out_may_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SUITE_WORKERS", "1")
    pictures = factory.images(CLASSES, EACH) | {(1, 5): b"no JPEG"}
    files = factory.write_cub(tmp_path / "in", factory.cub_files(pictures))
    counts = {"training_images": TRAINING * EACH, "test_images": (CLASSES - TRAINING) * EACH}
    editions = factory.write_editions(
        tmp_path / "editions.yaml", files, classes=CLASSES, training_classes=TRAINING, **counts
    )
    add("cub", files, Options(tmp_path, editions, max_unusable=1, track=False), silent())
    path = tmp_path / "CUB_0.2noised.csv"
    path.write_text(listed("cub", FLIPPED))
    found = add_noise("cub", path, Asked(folder=tmp_path))
    assert len(found.labels) == TRAINING * EACH - 1
    assert found.realised == 5 / 23
    (line,) = (line for line in listed("cub", FLIPPED).splitlines() if names_of("cub")[1, 5] in line)
    for wrong, message in (
        (line, "lines 6 and 25 both name "),
        (line.replace("001.Bird_1", "999.Bird_9"), "lines that name no image of cub: 1, first line 25, "),
    ):
        path.write_text(listed("cub", FLIPPED) + wrong + "\n")
        with pytest.raises(SuiteError, match=message):
            add_noise("cub", path, Asked(folder=tmp_path))


# Cars.


def test_cars_images_that_share_class_and_number(added, caches):
    """The plain name is that of cars_train, and images of which two labels might be the other way round are counted."""
    key_of = {path: key for key, path in cars_names().items()}
    pairs = [(key_of[path.replace("_2.jpg", ".jpg")], key_of[path]) for path in key_of if path.endswith("_2.jpg")]
    place_of = {key: place for place, key in cars_keys().items()}
    assert [(place_of[one][0], place_of[other][0]) for one, other in pairs] == [("train", "test")] * 3
    alike, apart = TRUE | dict.fromkeys(pairs[0], 2), TRUE | {pairs[0][0]: 2, pairs[1][0]: 3, pairs[1][1]: 1}
    for given, swappable in ((alike, 0), (apart, 4)):
        found = added("cars", listed("cars", given, NUMBERS["cars"]), "CARS_0.1noised_train.csv")
        assert found.labels == expected("cars", given, caches)
        assert found.swappable == swappable


def test_cars_without_an_image_takes_no_list(tmp_path, monkeypatch):
    """Its class and number may be those of another image, which would then get its label."""
    monkeypatch.setenv("SUITE_WORKERS", "1")
    pictures = factory.images(CLASSES, EACH) | {(2, 1): b"no JPEG"}
    files = factory.cars_split(tmp_path / "in", pictures, CARS)
    counts = {"training_images": TRAINING * EACH, "test_images": (CLASSES - TRAINING) * EACH}
    editions = factory.write_editions(
        tmp_path / "editions.yaml", files, classes=CLASSES, training_classes=TRAINING, **counts
    )
    add("cars", files, Options(tmp_path, editions, max_unusable=1, track=False), silent())
    path = tmp_path / "CARS_0.2noised.csv"
    path.write_text(listed("cars", FLIPPED, NUMBERS["cars"]))
    with pytest.raises(SuiteError, match=r"leaves out images, and which of two .*; allowed: a cache of all images"):
        add_noise("cars", path, Asked(folder=tmp_path))


def test_a_list_may_begin_with_a_byte_order_mark(added, caches):
    text = listed("cub", FLIPPED).replace("/data/CUB_200_2011/images/", "")
    assert added("cub", "\ufeff" + text).labels == expected("cub", FLIPPED, caches)


def test_the_other_form_of_cars_is_refused_and_takes_the_list_of_the_first(added, caches, tmp_path):
    found = added("cars", listed("cars", FLIPPED, NUMBERS["cars"]))
    pooled = open_cache("cars", caches / "pooled")
    assert pooled.images_sha256 == found.images_sha256
    path = tmp_path / "CARS_0.2noised.csv"
    path.write_text(listed("cars", FLIPPED, NUMBERS["cars"]))
    with pytest.raises(SuiteError, match=r"have the names of car_ims\.tgz.*allowed: a cache made of cars_train\.tgz"):
        add_noise("cars", path, Asked(folder=caches / "pooled"))


# Files, kinds and levels.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no line; allowed: a line PATH,LABEL for each training image"),
        ("path,label\n", "line 1 is 'path,label'; allowed: PATH,LABEL, the label a whole number"),
        ("a/b.jpg 1\n", "line 1 is 'a/b.jpg 1'; allowed: PATH,LABEL"),
        ("a/b.jpg,-1\n", "line 1 is 'a/b.jpg,-1'; allowed: PATH,LABEL"),
        (",1\n", "line 1 is ',1'; allowed: PATH,LABEL"),
        (
            "a/b.jpg,9999999999\n",
            "line 1 is 'a/b.jpg,9999999999'; allowed: PATH,LABEL, the label a whole number of up to 9",
        ),
        (f"a/b.jpg,{'9' * 5000}\n", "allowed: PATH,LABEL, the label a whole number of up to 9 digits"),
    ],
)
def test_malformed_lists(refused, text, message):
    assert message in refused("cub", text)


def test_a_list_that_is_no_text(caches, tmp_path):
    path = tmp_path / "X_0.2noised.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SuiteError, match="is not UTF-8 text"):
        add_noise("cub", path, Asked(folder=caches))


def test_the_rate_is_compared_with_the_level(refused, added):
    message = refused("cub", listed("cub", FLIPPED), "CUB_0.5noised_train.csv")
    assert (
        "0.2083 of the labels are wrong, and its level is 0.5; allowed: above 0 and within 0.05 of the level" in message
    )
    message = refused("cub", listed("cub", TRUE), "CUB_0.2noised_train.csv")
    assert "0.0000 of the labels are wrong" in message
    message = refused("cub", listed("cub", TRUE), "CUB_0.05noised_train.csv")
    assert "0.0000 of the labels are wrong, and its level is 0.05; allowed: above 0 and" in message
    # Numbers of another count of the classes.
    assert "of the labels are wrong" in refused("cub", listed("cub", FLIPPED, {1: 2, 2: 3, 3: 4, 4: 1}))
    assert added("cub", listed("cub", FLIPPED), "mine.csv", kind="prism_symmetric", level=0.25).level == 0.25


@pytest.mark.parametrize(
    ("name", "asked", "message"),
    [
        ("mine.csv", {}, "its name says neither kind nor level; allowed: names with _0.2noised or"),
        ("mine.csv", {"level": 0.2}, "its name says neither kind nor level"),
        ("mine.csv", {"level": 0.2, "kind": "symmetric"}, "--kind 'symmetric'; allowed: prism_symmetric, "),
        ("X_0.0noised.csv", {}, "X_0.0noised.csv: its name says level 0.0; allowed: numbers from 0.001 to below 1"),
        ("X_0.2000001noised.csv", {}, "X_0.2000001noised.csv: its name says level 0.2000001; allowed: numbers"),
        ("X_0.2noised.csv", {"level": 1.0}, "--level 1.0; allowed: numbers from 0.001 to below 1"),
        ("X_0.2noised.csv", {"level": 0.0}, "--level 0.0; allowed: numbers from 0.001 to below 1"),
        ("X_0.2noised.csv", {"level": float("nan")}, "--level nan; allowed: numbers"),
    ],
)  # fmt: skip
def test_kinds_and_levels_that_are_refused(refused, name, asked, message):
    assert message in refused("cub", listed("cub", FLIPPED), name, **asked)


# The command.


def test_the_command(command, caches, tmp_path):
    path = tmp_path / "CUB_0.1noised_train.csv"
    path.write_text(listed("cub", ABSENT))
    done = command("data", "add-noise", "cub", str(path), "--folder", str(caches))
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert done.err.startswith(f"error: {path}: no class is named by label 5 (2 images)")
    done = command("data", "add-noise", "cub", str(path), "--folder", str(caches), "--repair")
    assert done.status == 0, done.err
    kept = caches / "noise_lists/cub-prism_symmetric-0.1.json"
    assert f"{kept}: 0.1250 of 24 labels are wrong, at level 0.1\n" in done.out
    assert "note: 2 images have a label that names no class; they keep their true ones\n" in done.out
    assert json.loads(kept.read_text())["source"] == path.name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["emoji", "x.csv"], "unknown benchmark 'emoji'; allowed: cub, cars, sop"),
        (["cub", "x.csv"], "there is no file x.csv"),
        (["cub", "y_0.2noised.csv"], "data set cub has no image cache in benchmarks/cache/cub"),
    ],
)
def test_what_is_missing_is_named(command, arguments, message):
    Path("y_0.2noised.csv").write_text("a/b.jpg,1\n")
    done = command("data", "add-noise", *arguments)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert message in done.err
