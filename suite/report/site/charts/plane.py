"""The map of test embeddings of one loss: a point an image, colour and shape its class, the image on hover."""

from typing import Any

import altair as alt

from suite.report.figures.style import COLOURS
from suite.report.site.charts.theme import INK, Spec, finished, inline
from suite.report.site.names import BLACK, SHAPES


def plane_chart(points: list[dict[str, Any]], loss: str, classes: list[str]) -> Spec:
    """Chart of points with ``x``, ``y``, ``class`` and ``image``; the page's control sets the class that stands out."""
    colours = [INK if colour == BLACK else colour for colour in COLOURS]
    shapes = list(SHAPES.values())
    every = range(len(classes))
    hidden = alt.Axis(labels=False, ticks=False, title=None, grid=False, domain=False)
    chart = (
        alt.Chart(inline(points), title=loss)
        .mark_point(filled=True, size=45)
        .encode(
            alt.X("x:Q", axis=hidden, scale=alt.Scale(domain=[-1.05, 1.05])),
            alt.Y("y:Q", axis=hidden, scale=alt.Scale(domain=[-1.05, 1.05])),
            alt.Color(
                "class:N",
                legend=None,
                scale=alt.Scale(domain=classes, range=[colours[place % len(colours)] for place in every]),
            ),
            alt.Shape(
                "class:N",
                legend=None,
                scale=alt.Scale(
                    domain=classes, range=[shapes[(place // len(colours)) % len(shapes)] for place in every]
                ),
            ),
            opacity=alt.condition("chosen == '' || datum.class == chosen", alt.value(0.9), alt.value(0.12)),
            tooltip=["class:N", "image:N"],
        )
        .add_params(alt.param(name="chosen", value=""))
    )
    return finished(chart, f"Map of {len(points)} test images of {len(classes)} classes by {loss}", height=320)
