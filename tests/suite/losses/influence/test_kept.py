"""Influence is measured once for a loss, and again where the loss, a value or the dimension has changed."""

from pathlib import Path

import pandas as pd
import pytest

from suite.errors import SuiteError
from suite.losses.influence.curve import COLUMNS, DISTANCES
from suite.losses.influence.kept import kept_curves
from suite.losses.registry import load_target
from suite.settings.paths import INFLUENCE_CACHE_FOLDER
from tests.helpers.synthetic import own_loss

VALUES = {"weight": 1.0}


class Measure:
    """Counts how often it is asked; each answer differs from the others."""

    def __init__(self, error=None):
        self.asked = 0
        self.error = error

    def __call__(self, entry, values, embedding_dim):
        self.asked += 1
        if self.error:
            raise SuiteError(self.error)
        rows = [(entry.name, pair, d, d + self.asked, 1.0) for pair in ("positive", "negative") for d in DISTANCES]
        return pd.DataFrame(rows, columns=list(COLUMNS))


@pytest.fixture
def entry(workplace):
    return load_target("own", own_loss("return value"))


def test_it_is_measured_once(entry):
    measure = Measure()
    first, second = (kept_curves(entry, VALUES, 16, measure) for _ in range(2))
    assert measure.asked == 1
    pd.testing.assert_frame_equal(first, second)


@pytest.mark.parametrize("change", ["loss", "value", "dimension", "half a file", "another file"])
def test_it_is_measured_again_where_something_has_changed(entry, change):
    measure = Measure()
    kept_curves(entry, VALUES, 16, measure)
    if change == "loss":
        entry = load_target("own", own_loss("return 2 * value"))
    (path,) = INFLUENCE_CACHE_FOLDER.iterdir()
    if change == "half a file":
        path.write_text(path.read_text()[:500])
    if change == "another file":
        path.write_bytes(b"\xff\xfe")
    values = VALUES if change != "value" else {"weight": 2.0}
    again = kept_curves(entry, values, 16 if change != "dimension" else 8, measure)
    assert measure.asked == 2
    assert len(again) == 2 * len(DISTANCES)


def test_a_loss_that_cannot_be_measured_is_remembered(entry):
    measure = Measure("no curve")
    for _ in range(2):
        with pytest.raises(SuiteError, match="no curve"):
            kept_curves(entry, VALUES, 16, measure)
    assert measure.asked == 1
    assert not list(Path().rglob("*.tmp"))
