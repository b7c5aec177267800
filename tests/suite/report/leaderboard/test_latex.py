"""The leaderboard as LaTeX."""

import pandas as pd

from suite.judging.leaderboard.table import leaderboard
from suite.report.leaderboard.latex import to_latex
from tests.suite.judging.leaderboard.records import frozen, table

CELLS = [
    ("proxy_anchor", 0, [0.50, 0.52]),
    ("proxy_anchor", 0.2, [0.45, 0.47]),
    ("50%&more$", 0, [0.40, 0.42]),
    ("50%&more$", 0.2, [0.45, None]),
]


def latex(*tracks):
    parts = [table(*CELLS, dataset=name, track=track) for track in tracks for name in ("emoji", "typefaces")]
    return to_latex(leaderboard(pd.concat(parts), pd.concat([frozen(dataset="emoji"), frozen(dataset="typefaces")])))


def body(text):
    """Cells of each row between the rules, the data set's own cell left out."""
    rows = [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.count(" & ") == 3]
    return {cells[1]: cells[2:] for cells in rows}


def test_rows_are_losses_and_columns_noise_levels():
    found = body(latex("tuned"))
    assert found[r"proxy\_anchor"] == [r"\textbf{51.00 $\pm$ 12.71}", r"\textbf{46.00 $\pm$ 12.71}"]
    assert found["frozen backbone"] == ["40.00", "40.00"]


def test_names_are_escaped_and_failures_told():
    found = body(latex("tuned"))
    assert found[r"50\%\&more\$"] == [r"41.00 $\pm$ 12.71", "45.00 (1 of 2 runs)"]


def test_it_is_well_formed():
    text = latex("tuned", "published")
    for name in ("table", "tabular"):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") == 2
    assert text.count("{") == text.count("}")
    assert text.count(r"\midrule") == 4
    assert r"\cline" not in text
    assert r"\label{tab:leaderboard-published}" in text
    assert text.isascii()
    assert latex("tuned", "published") == text
