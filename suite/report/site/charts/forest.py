"""Forest plots of claims: a row a line, its effect and 95 % interval beside zero and the smallest effect of interest."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from suite.report.figures.style import COLOURS
from suite.report.site.charts.theme import INK, Spec, finished, inline
from suite.report.site.names import SHAPES

VERDICTS: Mapping[str, tuple[str, str]] = {
    "supported": (COLOURS[2], SHAPES["o"]),
    "contradicted": (COLOURS[0], SHAPES["X"]),
    "equivalent": (COLOURS[5], SHAPES["D"]),
    "inconclusive": (INK, SHAPES["s"]),
    "premise not met": (INK, SHAPES["v"]),
}
"""Colour and marker of each verdict that numbers gave."""
ROW_PIXELS = 26


def forest_chart(rows: Sequence[Mapping[str, Any]], unit: str, title: str) -> Spec:
    """Chart of rows, top to bottom.

    A row has ``name``, ``effect``, ``low``, ``high``, ``verdict``, ``shown``, ``smallest`` and its negative, ``least``.
    """
    base = alt.Chart(inline(rows))
    order = [row["name"] for row in rows]
    y = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(labelLimit=230, ticks=False, domain=False))
    x = alt.X("effect:Q", title=f"effect, {unit}")
    scale = alt.Scale(domain=list(VERDICTS), range=[colour for colour, _ in VERDICTS.values()])
    shape = alt.Scale(domain=list(VERDICTS), range=[path for _, path in VERDICTS.values()])
    tooltip = [alt.Tooltip("name:N", title="line"), alt.Tooltip("shown:N", title="effect"), alt.Tooltip("verdict:N")]
    colour = alt.Color("verdict:N", scale=scale, legend=None)
    intervals = (
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=2)
        .encode(alt.X("low:Q"), alt.X2("high:Q"), y, color=colour)
    )
    layers = [
        base.mark_bar(color=INK, opacity=0.08, height={"band": 1}, aria=False).encode(
            alt.X("least:Q", title=f"effect, {unit}"), alt.X2("smallest:Q"), y
        ),
        alt.Chart(inline([{}])).mark_rule(color=INK, opacity=0.8, aria=False).encode(x=alt.datum(0)),
        *([intervals] if any(row["low"] is not None for row in rows) else []),
        base.mark_point(filled=True, size=80, opacity=1, stroke=INK, strokeWidth=0.7).encode(
            x, y, color=colour, shape=alt.Shape("verdict:N", scale=shape, legend=None), tooltip=tooltip
        ),
    ]
    chart = alt.layer(*layers)
    return finished(
        chart, f"{title}: effects with 95 % intervals; the table below has them", ROW_PIXELS * len(rows) + 60
    )
