"""Pages of data sets: one that is cut down shows the classes and images that runs have seen; one without images, why."""

import re
from pathlib import Path

import pytest

from suite.errors import SuiteError
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
