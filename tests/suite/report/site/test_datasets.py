"""Pages of data sets: one that is cut down shows the classes and images that runs have seen; one without images, why."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from suite.data.catalog import verified
from suite.data.features import Features, load_features, save_features
from suite.data.table import read_table
from suite.errors import SuiteError
from suite.files import read_json, write_json
from suite.hashing import sha256_file
from suite.report.site.write import write_site
from tests.suite.report.site.project import settings, write_board, write_data

IMAGES = 4


def cut(max_classes):
    """The settings with the data set cut down."""
    whole = settings()
    shapes = whole.datasets["shapes"].model_copy(update={"max_classes": max_classes})
    return whole.model_copy(update={"datasets": {"shapes": shapes}})


def classes_in(page):
    return {int(number) for number in re.findall(r"\bclass (\d+)", page)}


def write_embeddings(kept):
    """Data of 12 classes, and embeddings of runs on the first ``kept`` of them."""
    write_data(kept, IMAGES)
    for name in ("parquet", "json"):
        Path(f"user_data/shapes.{name}").unlink()
    runs = Path("runs").rename("of the cut")
    write_data(12, IMAGES)
    for path in runs.glob("*/*.safetensors"):
        path.replace(Path("runs") / path.relative_to(runs))


def test_samples_and_neighbours_are_of_the_classes_that_are_kept(workplace):
    write_embeddings(8)
    write_site(cut(8), workplace / "site")
    page = (workplace / "site/dataset-shapes.html").read_text()
    training, test = page.split("<h3>Training classes</h3>")[1].split("<h3>Test classes</h3>")
    assert "8 classes, 32 images, cut down by max_classes: 8; classes below were drawn at random." in page
    assert classes_in(training) == {0, 1, 2, 3}
    assert classes_in(test.split("</section>")[0]) == {6, 7, 8, 9}
    assert ">48</td>" in page  # the sheet is of the whole file
    assert classes_in((workplace / "site/retrieval-shapes.html").read_text()) == {6, 7, 8, 9}


@pytest.mark.parametrize(("ran", "kept"), [(8, None), (12, 8)])
def test_embeddings_of_another_cut_are_refused(workplace, ran, kept):
    write_embeddings(ran)
    with pytest.raises(SuiteError, match="shapes: the embeddings in runs/ are of other images; run again: dvc repro"):
        write_site(cut(kept), workplace / "site")


def write_copy():
    """Make the second image of the first class, which trains, equal to the first."""
    path = Path("user_data/shapes.parquet")
    rows = pq.read_table(path).to_pylist()
    rows[1] = rows[0]
    pq.write_table(pa.Table.from_pylist(rows), path)
    about = path.with_suffix(".json")
    write_json(about, read_json(about) | {"data_sha256": sha256_file(path)})


def write_features(kept=None):
    """Features as the pipeline makes them, one direction a class, of all classes or of the first ones."""
    data = verified("shapes")
    labels = read_table(data.path, kept).labels
    vectors = np.eye(labels.max() + 1, dtype=np.float32)[labels]
    save_features(
        Path("features/shapes.safetensors"), Features(vectors, labels, int(labels.max() + 1) // 2, data.sha256)
    )
    write_json(Path("frozen/shapes.json"), {"backbone": "resnet<18>"})


def row(page, name):
    """The cells of a row of the sheet of images."""
    found = re.search(rf"<td>{name}</td>\n<td[^>]*>([^<]*)</td>\n<td[^>]*>([^<]*)</td>", page)
    return found and found.groups()


def test_the_sheet_of_a_users_images_tells_copies_hubness_and_what_is_found_without_training(workplace):
    write_data()
    page = write_site(cut(None), workplace / "bare").with_name("dataset-shapes.html").read_text()
    assert "Not measured: features of all these images are not there." in page
    assert row(page, "images equal to another of their class") is None
    write_copy()
    write_features()
    page = write_site(cut(None), workplace / "site").with_name("dataset-shapes.html").read_text()
    assert row(page, "classes") == ("6", "6")
    assert row(page, "images equal to another of their class") == ("2", "0")
    assert row(page, "images equal to one of another class") == ("0", "0")
    assert row(page, "images equal to one of the other half") == ("0", "0")
    assert row(page, r"R@1 of frozen backbone \(%\)") == ("100.0", "100.0")
    assert all(re.fullmatch(r"-?\d\.\d\d", value) for value in row(page, "hubness of frozen backbone"))
    assert "the frozen backbone is\nresnet&lt;18&gt;. Both" in page
    assert "Not measured" not in page


def test_the_table_of_a_users_images_is_kept_until_images_features_or_code_are_others(workplace, monkeypatch):
    def images_on_the_page():
        page = write_site(cut(None), workplace / "site").with_name("dataset-shapes.html").read_text()
        return row(page, "images")

    write_data()
    write_features()
    assert images_on_the_page() == ("24", "24")
    kept = Path("user_data/shapes.measured.md")
    kept.write_text(kept.read_text().replace("24", "99"))
    assert images_on_the_page() == ("99", "99")
    features = Path("features/shapes.safetensors")
    stored = load_features(features)
    save_features(features, replace(stored, features=2 * stored.features))
    assert images_on_the_page() == ("24", "24")
    kept.write_text(kept.read_text().replace("24", "99"))
    write_copy()
    write_features()
    assert images_on_the_page() == ("24", "24")
    kept.write_text(kept.read_text().replace("24", "99"))
    monkeypatch.setattr("suite.report.sheets.sha256_code", lambda file: f"{file} edited")
    assert images_on_the_page() == ("24", "24")


def test_features_of_a_part_of_the_classes_are_not_taken_for_all(workplace):
    write_embeddings(8)
    write_features(8)
    page = write_site(cut(8), workplace / "site").with_name("dataset-shapes.html").read_text()
    assert "Not measured: features of all these images are not there." in page


def test_a_page_without_images_says_how_to_get_them(workplace):
    whole = cut(None)
    emoji = whole.datasets["shapes"].model_copy(update={"path": None})
    write_board()
    write_site(whole.model_copy(update={"datasets": whole.datasets | {"emoji": emoji}}), workplace / "site")
    for name, told in (
        ("shapes", "Run <code>suite data user shapes</code>."),
        ("emoji", "Fetch it with <code>dvc pull data.dvc</code>."),
        ("other", "This project has no images of the data set."),
    ):
        assert told in (workplace / f"site/dataset-{name}.html").read_text()
