"""Data sheets: the measured part stands between markers and can be renewed."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from suite.data.features import Features, save_features
from suite.data.table import ImageTable
from suite.errors import SuiteError
from suite.files import write_json
from suite.report import sheets as sheet
from suite.settings.params import EMBEDDED_BACKBONE


@pytest.fixture
def small(data_folder, tmp_path, monkeypatch):
    """A folder with the typefaces data and made-up features."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(data_folder)
    data = sheet.verified("typefaces")
    labels = sheet.read_table(data.path).labels
    vectors = np.random.default_rng(0).normal(size=(len(labels), 4)).astype(np.float32)
    save_features(Path("features/typefaces.safetensors"), Features(vectors, labels, 80, data.sha256))
    write_json(Path("frozen/typefaces.json"), {"backbone": EMBEDDED_BACKBONE})
    return tmp_path


def test_the_sheet_is_filled_and_renewed(small):
    path = small / "docs/data/typefaces.md"
    path.parent.mkdir(parents=True)
    path.write_text("# typefaces\n\n<!-- baselines -->\nold\n<!-- end of baselines -->\n\n## Sources\n")
    measured = sheet.update_sheet("typefaces", None)
    text = path.read_text()
    assert "| classes | 80 | 80 |" in measured
    assert "| images | 3200 | 3200 |" in measured
    assert "| images equal to another of their class | 0 | 0 |" in measured
    assert "| images equal to one of another class | 0 | 0 |" in measured
    assert "| images equal to one of the other half | 0 | 0 |" in measured
    assert re.search(r"\| hubness of frozen backbone \| -?\d\.\d\d \| -?\d\.\d\d \|", measured)
    assert measured in text
    assert "old" not in text
    assert text.endswith("<!-- end of baselines -->\n\n## Sources\n")
    assert sheet.update_sheet("typefaces", None) == measured
    assert path.read_text() == text


def png(value):
    """An image of one grey."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (value, value, value)).save(buffer, format="PNG")
    return buffer.getvalue()


def test_equal_images_are_counted_within_and_across_classes():
    """A pair in class 0; one image of class 1 thrice, once more in class 2; the last is outside what is looked at."""
    a, b, c = (png(value) for value in (10, 90, 170))
    images, labels = [a, a, b, b, b, b, c, c], np.array([0, 0, 1, 1, 1, 2, 2, 3])
    table = ImageTable(images, labels, list("abcd"), ["s"] * 8, ["l"] * 8)
    pixels = sheet.digests_of_pixels(table)
    assert sheet.identical_images(pixels, labels, labels < 3) == (2 + 3, 4)
    assert sheet.identical_images(pixels, labels, labels < 2) == (2 + 3, 0)
    assert sheet.identical_images(pixels, labels, labels > 1) == (0, 2)
    assert [sheet.shared_images(pixels, part) for part in (labels < 2, labels > 1)] == [3, 1]
    assert [sheet.shared_images(pixels, part) for part in (labels < 3, labels > 2)] == [1, 1]
    assert sheet.shared_images(pixels, labels >= 0) == 0


def test_features_of_another_backbone_are_not_taken(small, monkeypatch):
    write_json(Path("frozen/typefaces.json"), {"backbone": "resnet18"})
    taken = []
    monkeypatch.setattr("suite.training.features.features_of", lambda *arguments: taken.append(arguments[3].name))
    data = sheet.verified("typefaces")
    sheet._features("typefaces", sheet.read_table(data.path), data.sha256, None)
    assert taken == [EMBEDDED_BACKBONE]


def test_a_sheet_without_marker_is_refused(small):
    with pytest.raises(SuiteError, match=r"docs/data/typefaces\.md lacks the line"):
        sheet.update_sheet("typefaces", None)
