"""The field figure: deterministic, with the computed distances in its titles."""

from dataclasses import replace
from xml.etree import ElementTree as ET

from suite.report.figures.field import draw_field_figure
from suite.report.figures.toy import solve_toy


def texts(path):
    return {"".join(node.itertext()).strip() for node in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")}


def test_bytes_and_titles(tmp_path):
    toy = solve_toy()
    other = replace(toy, equilibria=(toy.equilibria[0], replace(toy.equilibria[1], w2=9.87)))
    for name, drawn in {"a": toy, "b": toy, "c": other}.items():
        draw_field_figure(drawn, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()
    titles = {f"decaying field: W2 = {toy.equilibria[0].w2:.2f}", "non-decaying control: W2 = 9.87"}
    assert titles | {"embeddings of the class", "proxies, at rest"} <= texts(tmp_path / "c")
