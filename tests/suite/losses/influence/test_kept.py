"""Influence is measured once for a loss, and again where the loss, a value or the dimension has changed."""

from pathlib import Path

import pandas as pd
import pytest

from suite.errors import SuiteError
from suite.losses.influence import kept
from suite.losses.influence.curve import influence_curves
from suite.losses.influence.kept import measure, wanted
from suite.losses.registry import load_target
from suite.settings.paths import INFLUENCE_CACHE_FOLDER
from tests.helpers.synthetic import own_loss, silent

VALUES = {"weight": 1.0}
DISTANCES = (0.1, 0.5, 1.0, 1.5, 1.6, 1.7, 1.8)
COUNTED = 'with open("asked.txt", "a") as file:\n    file.write("x")\nreturn value'


@pytest.fixture(autouse=True)
def few(workplace, monkeypatch):
    """Few distances, in two parts."""
    monkeypatch.setattr(kept, "DISTANCES", DISTANCES)


def entry(body=COUNTED, name="own"):
    return load_target(name, own_loss(body, name))


def curves(mine, values=VALUES, dim=16):
    return measure([wanted(mine, values, dim)], silent())[mine.name]


def asked():
    """Evaluations until now."""
    return len(Path("asked.txt").read_text())


def test_it_is_measured_once_in_parts_as_in_one(one_worker):
    mine = entry()
    first = curves(mine)
    count = asked()
    pd.testing.assert_frame_equal(first, curves(mine), check_exact=True)
    assert asked() == count
    pd.testing.assert_frame_equal(first, influence_curves(mine, VALUES, 16, DISTANCES), check_exact=True)


@pytest.mark.parametrize("change", ["loss", "value", "dimension", "half a file", "another file"])
def test_it_is_measured_again_where_something_has_changed(one_worker, change):
    mine = entry()
    curves(mine)
    before = asked()
    if change == "loss":
        mine = entry(COUNTED.replace("value", "2 * value"))
    (path,) = INFLUENCE_CACHE_FOLDER.iterdir()
    if change == "half a file":
        path.write_text(path.read_text()[:300])
    if change == "another file":
        path.write_bytes(b"\xff\xfe")
    again = curves(mine, {"weight": 2.0} if change == "value" else VALUES, 8 if change == "dimension" else 16)
    assert asked() == 2 * before
    assert len(again) == 2 * len(DISTANCES)


def test_a_loss_that_cannot_be_measured_is_remembered(one_worker):
    mine = entry(COUNTED.replace("return value", "raise ValueError('no curve')"))
    first = curves(mine)
    count = asked()
    assert first.startswith("params.yaml: losses.own: its influence cannot be measured: the loss raised ValueError: no")
    assert (curves(mine), asked()) == (first, count)
    assert not list(Path().rglob("*.tmp"))


def test_a_loss_that_kills_its_process_is_named_and_the_others_are_kept(one_worker):
    good, bad = entry(), entry("import ctypes, faulthandler\nfaulthandler.disable()\nctypes.string_at(0)", "bad")
    both = [wanted(good, VALUES, 16), wanted(bad, VALUES, 16)]
    with pytest.raises(
        SuiteError, match=r"losses\.bad: while its influence is measured, the loss was killed.* SIGSEGV"
    ):
        measure(both, silent())
    count = asked()
    assert len(curves(good)) == 2 * len(DISTANCES)
    assert asked() == count
