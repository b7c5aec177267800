"""One look a loss, and files whose bytes depend on their content alone."""

from matplotlib.figure import Figure

from suite.report.figures.style import COLOURS, MARKERS, SHAPES, looks, loss_styles, save_figure, style


def test_a_loss_looks_the_same_whatever_the_order():
    assert loss_styles(["b", "a", "b"]) == loss_styles(["a", "b"])
    assert list(loss_styles(["b", "a"])) == ["a", "b"]


def test_losses_differ_in_colour_and_marker():
    styles = list(loss_styles([f"loss_{index}" for index in range(len(COLOURS))]).values())
    assert len({look.color for look in styles}) == len({look.marker for look in styles}) == len(MARKERS)


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
    colours = [colour for colour, _ in looks([f"loss_{n}" for n in range(7)]).values()]
    assert "currentColor" in colours
    assert "#000000" not in colours
