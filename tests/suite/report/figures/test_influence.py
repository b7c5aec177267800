"""The influence figure: deterministic, all losses named, wrong signs and zeros left out."""

from xml.etree import ElementTree as ET

import pandas as pd

from suite.report.figures.influence import TITLES, draw_influence_figure


def curves(*, own=(0.1, 1.0, 0.5)):
    rows = [
        (loss, pair, distance, value, value)
        for loss, values in {"pfml": (0.0, 1.0, 0.3), "own": own, "none": (0.0, 0.0, -1.0)}.items()
        for pair in TITLES
        for distance, value in zip((0.1, 0.5, 1.5), values, strict=True)
    ]
    return pd.DataFrame(rows, columns=["loss", "pair", "distance", "influence", "normalised"])


def test_the_same_curves_give_the_same_bytes(tmp_path):
    for name, table in {"a": curves(), "b": curves(), "c": curves(own=(0.2, 1.0, 0.5))}.items():
        draw_influence_figure(table, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()


def test_it_names_losses_and_panels(tmp_path):
    draw_influence_figure(curves(), tmp_path / "a.svg")
    texts = {
        "".join(n.itertext()).strip() for n in ET.parse(tmp_path / "a.svg").iter("{http://www.w3.org/2000/svg}text")
    }
    assert {"pfml", "own", "none", *TITLES.values()} <= texts
