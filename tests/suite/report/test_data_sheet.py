"""Data sheets: the measured part stands between markers and can be renewed."""

import numpy as np
import pytest
from suite.settings.feature_paths import features_path

from suite.data.features import Features, save_features
from suite.errors import SuiteError
from suite.report import data_sheet as sheet


@pytest.fixture
def small(data_folder, tmp_path, monkeypatch):
    """A folder with the typefaces data and made-up features."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(data_folder)
    data = sheet.verified("typefaces")
    labels = sheet.read_table(data.path).labels
    vectors = np.random.default_rng(0).normal(size=(len(labels), 4)).astype(np.float32)
    save_features(features_path("typefaces"), Features(vectors, labels, data.sha256))
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


def test_a_sheet_without_marker_is_refused(small):
    with pytest.raises(SuiteError, match=r"docs/data/typefaces\.md lacks the line"):
        sheet.update_sheet("typefaces", None)
