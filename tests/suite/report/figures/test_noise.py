"""The noise figure: deterministic, valid SVG, all losses named."""

from xml.etree import ElementTree as ET

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from suite.judging.leaderboard.table import FROZEN, leaderboard
from suite.report.figures.noise import draw_noise_figure, noise_figure
from suite.report.figures.style import style
from tests.helpers.records import frozen, table

CONDITIONS = [
    ("pfml", 0, [0.5, 0.52]),
    ("pfml", 0.2, [0.45, 0.47]),
    ("own_loss", 0, [0.6, 0.5]),
    ("own_loss", 0.2, [0.3, None]),
]


def texts(path):
    return {"".join(node.itertext()).strip() for node in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")}


def test_the_same_leaderboard_gives_the_same_bytes(tmp_path):
    board = leaderboard(table(*CONDITIONS), frozen())
    draw_noise_figure(board, tmp_path / "a.svg")
    draw_noise_figure(board, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    moved = leaderboard(table(*CONDITIONS[:3], ("own_loss", 0.2, [0.31, None])), frozen())
    draw_noise_figure(moved, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() != (tmp_path / "b.svg").read_bytes()


def test_it_names_data_sets_losses_and_reference(tmp_path):
    parts = [table(*CONDITIONS, dataset=name) for name in ("emoji", "typefaces")]
    board = leaderboard(pd.concat(parts), pd.concat([frozen(dataset="emoji"), frozen(dataset="typefaces")]))
    draw_noise_figure(board, tmp_path / "a.svg")
    assert {
        "emoji, frozen, tuned",
        "typefaces, frozen, tuned",
        "pfml",
        "own_loss",
        FROZEN,
        "label noise",
        "test R@1 (%)",
    } <= texts(tmp_path / "a.svg")


def test_a_loss_without_any_finished_run_is_drawn_as_nothing(tmp_path):
    draw_noise_figure(
        leaderboard(table(*CONDITIONS, ("dead", 0, [None] * 2), ("dead", 0.2, [None] * 2)), frozen()),
        tmp_path / "a.svg",
    )
    assert "dead" in texts(tmp_path / "a.svg")


def test_tracks_are_rows_of_panels_and_gaps_stay_empty(tmp_path):
    tuned = pd.concat([table(*CONDITIONS, dataset=name) for name in ("emoji", "typefaces")])
    paper = table(("pfml", 0, [0.3, 0.32]), ("other", 0, [0.3, 0.2]), track="paper_values")
    references = pd.concat([frozen(dataset="emoji"), frozen(dataset="typefaces")])
    draw_noise_figure(leaderboard(pd.concat([tuned, paper]), references), tmp_path / "a.svg")
    titles = {f"{name}, frozen, {track}" for name in ("emoji", "typefaces") for track in ("tuned", "paper's values")}
    assert titles | {"other"} <= texts(tmp_path / "a.svg")


def test_regimes_are_rows_of_panels_too(tmp_path):
    both = pd.concat([table(*CONDITIONS), table(*CONDITIONS).assign(regime="finetuned")])
    draw_noise_figure(leaderboard(both, frozen()), tmp_path / "a.svg")
    assert {"emoji, frozen, tuned", "emoji, finetuned, tuned"} <= texts(tmp_path / "a.svg")


def test_one_level_and_one_seed(tmp_path):
    draw_noise_figure(leaderboard(table(("pfml", 0.2, [0.5])), frozen()), tmp_path / "a.svg")
    assert "pfml" in texts(tmp_path / "a.svg")


@pytest.mark.parametrize("datasets", [1, 3])
@pytest.mark.parametrize("count", [2, 12])
def test_the_legend_lies_within_the_figure(datasets, count):
    names = [f"a_loss_with_a_long_name_{number}" for number in range(count)]
    places = ["emoji", "furniture", "typefaces"][:datasets]
    records = pd.concat([table(*((name, 0, [0.5, 0.52]) for name in names), dataset=place) for place in places])
    with style():
        figure = noise_figure(leaderboard(records, pd.concat([frozen(dataset=place) for place in places])))
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        box = figure.legends[0].get_window_extent(canvas.get_renderer())
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
