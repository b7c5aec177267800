"""Data sheets: the measured part stands between markers and can be renewed."""

from pathlib import Path

import numpy as np
import pytest

from suite.data.features import Features, save_features
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
    assert measured in text
    assert "old" not in text
    assert text.endswith("<!-- end of baselines -->\n\n## Sources\n")
    assert sheet.update_sheet("typefaces", None) == measured
    assert path.read_text() == text


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
