"""One look a loss, and files whose bytes depend on their content alone."""

from matplotlib.figure import Figure

from suite.losses.registry import BUILT_IN, DEFAULT
from suite.report.figures.style import (
    _FIXED,
    MARKERS,
    SHAPES,
    legend_columns,
    looks,
    loss_styles,
    save_figure,
    style,
)

USERS = [f"my_loss_{letter}" for letter in "abcdefghijklmnopqrst"]


def test_up_to_49_losses_all_look_different():
    found = loss_styles([*BUILT_IN, *USERS])
    assert len(set(found.values())) == len(found) > 20
    others = 49 - len(BUILT_IN)
    assert len(set(loss_styles([f"x{number}" for number in range(others)]).values())) == others


def test_no_look_changes_when_a_loss_is_added():
    for count in range(1, len(USERS)):
        before, after = (loss_styles(["pfml", *USERS[:number], "triplet"]) for number in (count, count + 1))
        assert all(after[loss] == look for loss, look in before.items())
    assert loss_styles(["mine"])["mine"] == loss_styles([*BUILT_IN, "mine"])["mine"]
    assert loss_styles(["triplet", "pfml"])["pfml"] == loss_styles(["pfml"])["pfml"]


def test_built_in_losses_have_looks_of_their_own():
    assert sorted(_FIXED) == sorted(BUILT_IN)
    assert set(_FIXED[: len(MARKERS)]) == set(DEFAULT)
    styles = list(loss_styles(DEFAULT).values())
    assert len({look.color for look in styles}) == len({look.marker for look in styles}) == len(MARKERS)


def test_a_legend_has_as_many_columns_as_fit():
    assert legend_columns(["a" * 16] * 9, 12.0) == 6
    assert legend_columns(["a" * 16] * 9, 4.8) == 2
    assert legend_columns(["a" * 100], 4.8) == 1


def test_saving_twice_gives_the_same_bytes(tmp_path):
    for name in ("a.svg", "b.svg"):
        with style():
            figure = Figure()
            figure.subplots().plot([0, 1], [0, 1])
            save_figure(figure, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert b"<dc:date>" not in (tmp_path / "a.svg").read_bytes()
    assert b"CreationDate" not in (tmp_path / "a.pdf").read_bytes()


def test_every_marker_has_a_shape_for_web_pages():
    assert set(SHAPES) == set(MARKERS)


def test_a_loss_in_black_follows_the_colour_of_the_text():
    colours = [colour for colour, _ in looks(_FIXED).values()]
    assert "currentColor" in colours
    assert "#000000" not in colours
