"""Data sets of the user's own: found, checked, converted, and renewed when their sources change."""

import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from suite.data import user
from suite.data.catalog import verified
from suite.data.split import num_training_classes
from suite.data.table import read_table
from suite.data.user import measured_path, renew, user_datasets
from suite.errors import SuiteError
from suite.settings.params import DatasetSettings, Settings
from suite.settings.paths import USER_DIGESTS_FILE, USER_STAGES_FILE
from suite.training.user_files import update_user_files
from tests.helpers.paths import ROOT

CLASSES, IMAGES = 6, 3


def picture(number, side=40):
    colour = np.random.default_rng(number).integers(0, 256, 3)
    pixels = np.random.default_rng(number).normal(colour, 25, (side, side + 8, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


@pytest.fixture
def photos(workplace):
    """A folder of class folders."""
    for label in range(CLASSES):
        for number in range(IMAGES):
            path = Path("photos", f"bird{label}", f"{number}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(label * IMAGES + number).save(path)
    return Path("photos")


FOLDER = DatasetSettings(path="photos", side=32, licence="CC0-1.0")


def halves(name="birds"):
    """Class names of the training half and of the test half."""
    names = read_table(Path(f"user_data/{name}.parquet")).class_names
    return names[: num_training_classes(len(names))], names[num_training_classes(len(names)) :]


def refused(settings=FOLDER, name="birds"):
    """The one line of an error; nothing may be written."""
    before = sorted(Path("user_data").glob("*"))
    with pytest.raises(SuiteError) as caught:
        renew(name, settings)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"params.yaml: datasets.{name}")
    assert sorted(Path("user_data").glob("*")) == before
    return message.partition(f"datasets.{name}")[2]


def as_table(file, suffix=".csv", **columns):
    """A table of all images of the folder."""
    files = sorted(Path("photos").rglob("*.png"))
    table = pd.DataFrame({"path": [f.as_posix() for f in files], "label": [f.parent.name for f in files]}).rename(
        columns=columns
    )
    table.to_csv(file, index=False) if suffix == ".csv" else table.to_parquet(file)
    return table


def test_a_folder_becomes_a_data_set(photos):
    made = renew("birds", FOLDER)
    table = read_table(verified("birds").path)
    assert (made.classes, made.images, made.remarks) == (CLASSES, CLASSES * IMAGES, [])
    assert sorted(table.class_names) == [f"bird{label}" for label in range(CLASSES)]
    assert np.bincount(table.labels).tolist() == [IMAGES] * CLASSES
    assert set(table.licences) == {"CC0-1.0"}
    assert all(
        source.startswith(table.class_names[label]) for source, label in zip(table.sources, table.labels, strict=True)
    )
    pixels = table.decode(np.arange(len(table.labels)))
    assert pixels.shape[1:] == (32, 32, 3)
    row = table.sources.index("bird2/1.png")
    original = np.asarray(picture(2 * IMAGES + 1)).mean(axis=(0, 1))
    np.testing.assert_allclose(pixels[row].mean(axis=(0, 1)), original, atol=4)
    assert verified("birds").sha256 == made.data_sha256


def test_the_order_of_classes_belongs_to_the_name(photos):
    renew("birds", FOLDER)
    first = halves()
    renew("eagles", FOLDER)
    assert sorted(first[0] + first[1]) == sorted([*halves("eagles")[0], *halves("eagles")[1]])
    assert halves("eagles") != first != (sorted(first[0]), sorted(first[1]))
    Path("user_data/birds.parquet").unlink()
    renew("birds", FOLDER)
    assert halves() == first


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_gives_the_same_data_set_as_the_folder(photos, suffix):
    renew("birds", FOLDER)
    folder = read_table(Path("user_data/birds.parquet"))
    as_table(Path(f"list{suffix}"), suffix, path="file", label="species")
    given = DatasetSettings(path=f"list{suffix}", path_column="file", label_column="species", side=32)
    renew("birds", given)
    table = read_table(Path("user_data/birds.parquet"))
    assert table.class_names == folder.class_names
    assert table.images == folder.images


def test_classes_may_be_called_like_missing_values(photos):
    table = as_table(Path("list.csv"))
    table["label"] = table["label"].replace({"bird0": "NA", "bird1": "007"})
    table.to_csv("list.csv", index=False)
    renew("birds", DatasetSettings(path="list.csv"))
    assert {"NA", "007"} <= {*halves()[0], *halves()[1]}


def test_nothing_is_done_twice(photos, monkeypatch):
    made = renew("birds", FOLDER)
    monkeypatch.setattr(user, "_convert", lambda *_: pytest.fail("converted again"))
    assert renew("birds", FOLDER) == made
    os.utime("photos/bird0/0.png")  # a new time, the same bytes: as after a clone
    again = renew("birds", FOLDER)
    assert again.stamp != made.stamp
    assert again.data_sha256 == made.data_sha256


@pytest.mark.parametrize("change", ["edit", "add", "remove", "side", "parquet"])
def test_a_change_is_noticed(photos, change):
    made = renew("birds", FOLDER)
    settings = FOLDER
    if change == "edit":
        picture(99).save("photos/bird0/0.png")
    elif change == "add":
        picture(99).save("photos/bird0/9.png")
    elif change == "remove":
        Path("photos/bird0/0.png").unlink()
    elif change == "side":
        settings = DatasetSettings(path="photos", side=48)
    else:
        Path("user_data/birds.parquet").write_bytes(b"altered")
    again = renew("birds", settings)
    assert (again.data_sha256 == made.data_sha256) == (change == "parquet")
    assert verified("birds").sha256 == again.data_sha256


def test_an_altered_file_is_refused(photos):
    renew("birds", FOLDER)
    Path("user_data/birds.parquet").write_bytes(b"altered")
    with pytest.raises(SuiteError, match=r"user_data/birds\.parquet was altered: .*; run: suite data user birds"):
        verified("birds")


def test_classes_with_one_image(photos):
    for number in (0, 1):
        Path(f"photos/bird3/{number}.png").unlink()
    assert refused().startswith(".path: 1 class with one image: bird3; allowed: at least 2 images a class")


def test_too_few_classes(photos):
    for label in (0, 1, 2):
        for path in Path(f"photos/bird{label}").iterdir():
            path.unlink()
    assert refused() == ".path: 3 classes with images; allowed: at least 4, half of them for test"


def test_unreadable_files(photos):
    whole = Path("photos/bird1/0.png").read_bytes()
    Path("photos/bird1/0.png").write_bytes(whole[: len(whole) // 2])
    Path("photos/bird2/1.jpg").write_bytes(b"no image")
    Image.fromarray(np.full((40, 40), 1000, np.uint16)).save("photos/bird4/2.png")
    message = refused()
    assert message.startswith(".path: 3 files unreadable: bird1/0.png (OSError: ")
    assert "bird2/1.jpg (is no image)" in message
    assert "bird4/2.png (I;16 pixels, allowed are 8 bits a channel)" in message


def test_the_same_picture_in_training_and_test(photos):
    renew("birds", FOLDER)
    training, test = halves()
    with Image.open(f"photos/{training[0]}/0.png") as image:
        image.save(f"photos/{test[0]}/copy.bmp")  # other bytes, the same pixels
    assert refused() == (
        ".path: 1 group of equal images in training classes and in test classes: "
        f"{' = '.join(sorted([f'{training[0]}/0.png (training)', f'{test[0]}/copy.bmp (test)']))}; keep each in one half, "
        "since a model may not be tested on images that it was trained on"
    )


def test_groups_of_equal_pictures_are_told_whole(photos):
    renew("birds", FOLDER)
    training, test = halves()
    copies = [f"{name}/copy{number}.png" for name in (training[0], training[1], test[0]) for number in range(3)]
    for copy in copies:
        Path("photos", copy).write_bytes(Path(f"photos/{test[1]}/0.png").read_bytes())
    message = refused()
    assert message.startswith(".path: 1 group of equal images ")
    for name in [*copies, f"{test[1]}/0.png"]:
        assert f"{name} ({'training' if name.split('/')[0] in training else 'test'})" in message


def test_copies_within_a_half_are_remarked(photos):
    renew("birds", FOLDER)
    first, second, _ = halves()[1]
    for target in (f"{first}/copy.png", f"{second}/copy.png"):
        Path("photos", target).write_bytes(Path(f"photos/{first}/0.png").read_bytes())
    (remark,) = renew("birds", FOLDER).remarks
    assert remark.startswith("1 image with several labels: ")
    assert remark.count(" = ") == 2
    Path(f"photos/{second}/copy.png").unlink()
    (remark,) = renew("birds", FOLDER).remarks
    assert (
        remark == f"1 image more than once in a class: {first}/0.png = {first}/copy.png: retrieval of these is trivial"
    )


def test_what_is_no_image_is_left_out_and_remarked(photos):
    Path("photos/README.txt").write_text("mine")
    Path("photos/.hidden").write_text("")
    Path("photos/empty").mkdir()
    Path("photos/bird0/gone.png").symlink_to("nowhere.png")
    made = renew("birds", FOLDER)
    assert made.images == CLASSES * IMAGES
    assert sorted(made.remarks) == [
        "1 left out as a folder without an image: empty",
        "1 left out as a link that leads nowhere: bird0/gone.png",
        "1 left out as hidden: .hidden",
        "1 left out as no image in a class folder: README.txt",
    ]


def test_linked_class_folders_are_taken_once(photos):
    whole = renew("birds", FOLDER)
    for label in (0, 3):
        Path(f"photos/bird{label}").rename(f"elsewhere{label}")
        Path(f"photos/bird{label}").symlink_to(Path(f"elsewhere{label}").resolve())
    Path("photos/loop").symlink_to(Path("photos").resolve())
    Path("photos/again").symlink_to(Path("photos/bird1").resolve())
    linked = renew("birds", FOLDER)
    assert (linked.classes, linked.data_sha256) == (whole.classes, whole.data_sha256)
    assert linked.remarks == [
        "2 left out as a link to a folder that is taken already: again, loop",
        "2 folders reached by a link: bird0, bird3",
    ]


def test_class_names_that_only_look_different_are_remarked(photos):
    for old, new in (("bird0", "Bird"), ("bird1", "bird "), ("bird2", "caf\u00e9"), ("bird3", "cafe\u0301")):
        (photos / old).rename(photos / new)
    os.mkfifo("photos/bird4/9.png")
    assert renew("birds", FOLDER).remarks == [
        "1 left out as neither file nor folder: bird4/9.png",
        "2 groups of class names alike but for case, spaces or accents: Bird = bird , cafe\u0301 = caf\u00e9",
    ]


def test_parts_of_a_data_set_are_no_classes(photos):
    for label in range(CLASSES):
        target = Path("photos", "train" if label % 2 else "test", f"bird{label}")
        target.parent.mkdir(exist_ok=True)
        Path(f"photos/bird{label}").rename(target)
    assert refused().startswith(
        ".path = 'photos' holds test, train, which are parts of a data set and no classes; allowed"
    )


def test_nested_folders_are_told(photos):
    Path("photos/bird0/more").mkdir()
    picture(99).save("photos/bird0/more/9.png")
    made = renew("birds", FOLDER)
    assert (made.classes, made.images) == (CLASSES, CLASSES * IMAGES + 1)
    assert made.remarks == ["images in nested folders count for the class of the first folder: bird0"]


def png_of_16_bits(channels, side=40):
    """A PNG of 16 bits a channel, which Pillow does not write."""
    kind = {2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + bytes(2 * channels * side) for _ in range(side))

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 16, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_16_bits_a_channel_are_refused_in_colour_and_with_alpha(photos, channels):
    Path("photos/bird4/2.png").write_bytes(png_of_16_bits(channels))
    assert "bird4/2.png (RGB" in (message := refused())
    assert "of 16 bits pixels, allowed are 8 bits a channel" in message


def test_a_portable_pixmap_of_more_than_8_bits_is_refused(photos):
    Path("photos/bird4/2.ppm").write_bytes(b"P6\n40 40\n1023\n" + bytes(40 * 40 * 6))
    assert "bird4/2.ppm (RGB of 16 bits pixels, allowed are 8 bits a channel)" in refused()


def test_several_frames_and_warnings_are_told_with_their_file(photos):
    frames = [picture(number) for number in (70, 71)]
    frames[0].save("photos/bird0/moves.gif", save_all=True, append_images=frames[1:])
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\xff"  # says that it has 255 entries, and has none
    picture(72).save("photos/bird1/odd.jpg", exif=exif)
    made = renew("birds", FOLDER)
    assert "1 file with several frames, the first is taken: bird0/moves.gif" in made.remarks
    assert any(remark.startswith("1 file read with a warning: bird1/odd.jpg (") for remark in made.remarks)


def test_names_that_are_not_utf_8_are_refused(photos):
    Path("photos/bird0/0.png").rename(os.fsdecode(b"photos/bird0/\xff.png"))
    assert refused() == r".path: the name bird0/\udcff.png is not UTF-8; rename it"


def test_a_table_may_name_sources_and_licences(photos):
    table = as_table(Path("list.csv"))
    table["from"], table["rights"] = "archive " + table["label"], ["CC-BY-4.0", "", *["CC0-1.0"] * (len(table) - 2)]
    table.to_csv("list.csv", index=False)
    renew("birds", DatasetSettings(path="list.csv", source_column="from", licence_column="rights", licence="MIT"))
    made = read_table(Path("user_data/birds.parquet"))
    assert set(made.sources) == {f"archive bird{label}" for label in range(CLASSES)}
    assert sorted(made.licences) == sorted(["CC-BY-4.0", "MIT", *["CC0-1.0"] * (CLASSES * IMAGES - 2)])


def test_a_class_folder_may_have_a_licence_of_its_own(photos):
    Path("photos/bird2/LICENSE.txt").write_text("CC-BY-4.0\nby A. Photographer\n")
    made = renew("birds", FOLDER)
    table = read_table(Path("user_data/birds.parquet"))
    assert made.remarks == []
    assert {
        licence
        for licence, label in zip(table.licences, table.labels, strict=True)
        if table.class_names[label] == "bird2"
    } == {"CC-BY-4.0"}
    assert table.licences.count("CC0-1.0") == (CLASSES - 1) * IMAGES
    Path("photos/bird2/LICENSE.txt").write_text("CC0-1.0\n")
    assert renew("birds", FOLDER).data_sha256 != made.data_sha256


@pytest.mark.parametrize("name", ["birds.parquet", "birds.json", "other.parquet", "other.json", "notes.txt"])
def test_what_the_suite_did_not_write_is_neither_overwritten_nor_deleted(photos, name):
    Path("user_data").mkdir()
    mine = Path("user_data", name)
    mine.write_text('{"mine": true}')
    if mine.stem == "birds":
        with pytest.raises(SuiteError, match=f"user_data/{name} is in the way and was not written by the suite"):
            renew("birds", FOLDER)
    else:
        update_user_files(settings_with({"birds": {"path": "photos", "side": 32}}))
        update_user_files(settings_with())
    assert list(Path("user_data").iterdir()) == [mine]
    assert mine.read_text() == '{"mine": true}'


@pytest.mark.parametrize("folder", ["user_data", "plan", "runs/photos", "results"])
def test_sources_in_folders_that_the_suite_clears_are_refused(photos, folder):
    Path(folder).parent.mkdir(exist_ok=True)
    Path("photos").rename(folder)
    message = f".path = '{folder}' lies in {folder.split('/')[0]}/, which the suite writes; allowed: any other folder"
    with pytest.raises(SuiteError) as caught:
        renew("birds", DatasetSettings(path=folder))
    assert str(caught.value).endswith(message)
    assert len(list(Path(folder).rglob("*.png"))) == CLASSES * IMAGES


def test_transparent_parts_become_white(photos):
    Image.fromarray(np.zeros((40, 40, 4), np.uint8)).save("photos/bird0/0.png")
    renew("birds", FOLDER)
    table = read_table(Path("user_data/birds.parquet"))
    assert table.decode(np.array([table.sources.index("bird0/0.png")])).min() >= 254


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"path": "nowhere"},
            ".path = 'nowhere' does not exist; allowed: a folder of class folders, or a .csv or .parquet",
        ),
        ({"path": "list.txt"}, ".path = 'list.txt' is neither; allowed: a folder"),
        (
            {"path": "list.csv", "label_column": "kind"},
            ".label_column = 'kind': list.csv has no such column; allowed: path, label",
        ),
        ({"path": "empty.csv"}, ".path: empty.csv, row 2 has no label"),
        ({"path": "twice.csv"}, ".path: twice.csv names photos/bird0/0.png twice; allowed: one row a file"),
        ({"path": "gone.csv"}, ".path: 1 file unreadable: gone.png (does not exist); repair or remove them"),
        ({"path": "broken.parquet"}, ".path: broken.parquet is no table: "),
    ],
)
def test_tables_that_are_refused(photos, settings, message):
    table = as_table(Path("list.csv"))
    Path("list.txt").write_text("x")
    Path("broken.parquet").write_text("x")
    table.assign(label=[*table["label"][:1], "", *table["label"][2:]]).to_csv("empty.csv", index=False)
    pd.concat([table, table[:1]]).to_csv("twice.csv", index=False)
    pd.concat([table, pd.DataFrame({"path": ["gone.png"], "label": ["bird0"]})]).to_csv("gone.csv", index=False)
    assert refused(DatasetSettings(**settings)).startswith(message)


def test_embedded_names_are_taken(photos):
    assert refused(name="emoji") == ".path: emoji is an embedded data set; allowed: any other name"


def settings_with(datasets=None, losses=None):
    recipe = {
        "embedding_dim": 8,
        "hidden_dim": 0,
        "epochs": 1,
        "classes_per_batch": 2,
        "samples_per_class": 2,
        "learning_rate": 0.1,
        "proxy_learning_rate": 0.1,
        "weight_decay": 0,
    }
    return Settings.model_validate(
        {
            "datasets": datasets or {"emoji": {}},
            "losses": losses or {"pfml": {}},
            "noise": {"levels": [0]},
            "seeds": 1,
            "recipe": recipe,
            "tuning": {"trials": 1, "folds": 2},
        }
    )


def test_the_pipeline_is_told_of_user_data_and_forgets_them(photos):
    settings = settings_with({"emoji": {}, "birds": {"path": "photos", "side": 32}})
    assert list(user_datasets(settings)) == ["birds"]
    assert update_user_files(settings) == []
    digest = json.loads(USER_DIGESTS_FILE.read_text())
    assert digest == {"datasets": {"birds": verified("birds").sha256}}
    assert USER_STAGES_FILE.read_text().endswith("user: [files]\n")
    picture(99).save("photos/bird0/0.png")
    update_user_files(settings)
    assert json.loads(USER_DIGESTS_FILE.read_text()) != digest
    measured_path("birds").write_text("of the sheet")
    update_user_files(settings_with())
    assert json.loads(USER_DIGESTS_FILE.read_text()) == {}
    assert USER_STAGES_FILE.read_text().endswith("user: []\n")
    assert not list(Path("user_data").glob("*"))


def test_the_repository_says_that_nothing_is_a_user_s(workplace):
    update_user_files(settings_with())
    for path in (USER_DIGESTS_FILE, USER_STAGES_FILE):
        assert path.read_bytes() == (ROOT / path).read_bytes()
