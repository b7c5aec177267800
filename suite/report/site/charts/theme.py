"""What all charts share: colours of the page around them, its width, and the scales of losses."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from suite.report.site.names import looks

Spec = dict[str, Any]
INK = "currentColor"
"""Charts are SVG inside the page: they take the colour of its text, in light and in dark."""
DIGITS = 5
"""Significant digits of the numbers in charts: most of a page's bytes are such numbers."""
_AXIS = {"labelColor": INK, "titleColor": INK, "domainColor": INK, "tickColor": INK, "gridColor": INK}
_FONT = {"font": "system-ui, sans-serif"}
CONFIG: Spec = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": _AXIS
    | {"gridOpacity": 0.15, "domainOpacity": 0.5, "tickOpacity": 0.5, "labelFontSize": 12, "titleFontSize": 12},
    "text": _FONT | {"fill": INK},
    "header": {"labelColor": INK, "titleColor": INK},
    "title": {"color": INK, "fontSize": 13, "fontWeight": "bold", "anchor": "start"},
    "legend": {"labelColor": INK, "titleColor": INK, "labelFontSize": 12, "titleFontSize": 12, "orient": "bottom"},
}


def finished(chart: Any, description: str, height: int = 260) -> Spec:
    """The chart's specification, as wide as its place in the page, with a description for screen readers."""
    spec: Spec = chart.properties(width="container", height=height, description=description).to_dict()
    return spec | {"config": CONFIG, "autosize": {"type": "fit", "contains": "padding"}}


def inline(values: Iterable[Mapping[str, Any]]) -> alt.Data:
    """Rows that stand in the specification itself, numbers with as many digits as a chart or its tooltip can show."""
    rows = [{name: _short(value) for name, value in row.items()} for row in values]
    return alt.Data(values=rows)  # type: ignore[no-untyped-call] # Altair leaves it untyped


def _short(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def loss_colour(losses: Sequence[str], of: Sequence[str]) -> alt.Color:
    """Colours of ``losses`` as in all figures of the losses ``of``, without a legend of the chart's own."""
    look = looks(of)
    return alt.Color("loss:N", legend=None, scale=alt.Scale(domain=list(losses), range=[look[n][0] for n in losses]))


def loss_shape(losses: Sequence[str], of: Sequence[str]) -> alt.Shape:
    """Markers of ``losses`` as in all figures of the losses ``of``."""
    look = looks(of)
    return alt.Shape("loss:N", legend=None, scale=alt.Scale(domain=list(losses), range=[look[n][1] for n in losses]))
