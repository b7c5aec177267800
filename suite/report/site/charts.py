"""Interactive charts as Vega-Lite specifications, built with Altair: noise, claims, maps, and what all charts share.

Names of people stand in rows and scales alone, never in an expression, nor by themselves as a title: Vega looks such texts
up in objects, and a loss named ``constructor`` would leave an empty chart.
"""

import csv
import io
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from suite.evaluation.retrieval import MAIN_METRIC, METRICS
from suite.evaluation.tables import handed_in_losses
from suite.judging.leaderboard.table import FROZEN
from suite.report.figures.style import BLACK, COLOURS, SHAPES, looks

Spec = dict[str, Any]
INK = "currentColor"
"""Charts are SVG inside the page: they take the colour of its text, in light and in dark."""
CHART_DIGITS = 5
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
LOSS_SHIFT = 0.006
"""Shift between losses along the axis of noise, so that intervals show."""
_TOOLTIP = [
    alt.Tooltip("loss:N"),
    alt.Tooltip("noise:Q", title="label noise"),
    alt.Tooltip("value:Q", format=".2f", title="mean over seeds (%)"),
    alt.Tooltip("interval:N", title="95 % interval"),
]
VERDICTS: Mapping[str, tuple[str, str]] = {
    "supported": (COLOURS[2], SHAPES["o"]),
    "contradicted": (COLOURS[0], SHAPES["X"]),
    "equivalent": (COLOURS[5], SHAPES["D"]),
    "inconclusive": (INK, SHAPES["s"]),
    "premise not met": (INK, SHAPES["v"]),
}
"""Colour and marker of each verdict that numbers gave."""
ROW_PIXELS = 36
_TWO_LINES: dict[str, Any] = {"labelExpr": "split(datum.label, ': ')", "labelLimit": 400, "labelLineHeight": 13}


def chart_spec(chart: Any, description: str, height: int = 260) -> Spec:
    """The chart's specification, as wide as its place in the page, with a description for screen readers."""
    spec: Spec = chart.properties(width="container", height=height, description=description).to_dict()
    del spec["config"]  # Altair's own; that of all charts stands in the script that draws them
    return spec | {"autosize": {"type": "fit", "contains": "padding"}}


def inline(values: Iterable[Mapping[str, Any]]) -> alt.Data:
    """Rows that stand in the specification itself, numbers with as many digits as a chart or its tooltip can show.

    They stand there as CSV, which names each column once: most of a page's bytes are rows of charts.
    """
    rows = [{name: _rounded(value) for name, value in row.items()} for row in values]
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        return alt.Data(values=rows)  # type: ignore[no-untyped-call] # Altair leaves it untyped
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([row.get(name) for name in names] for row in rows)
    kinds = {
        name: "string" if any(isinstance(row.get(name), str) for row in rows) else "number" for name in names
    }  # else a name such as 2020 would be read as a number
    return alt.Data(values=text.getvalue(), format={"type": "csv", "parse": kinds})  # type: ignore[no-untyped-call]


def _rounded(value: Any) -> Any:
    return float(f"{value:.{CHART_DIGITS}g}") if isinstance(value, float) else value


def loss_colour(losses: Sequence[str], of: Sequence[str]) -> alt.Color:
    """Colours of ``losses`` as in all figures of the losses ``of``, without a legend of the chart's own."""
    look = looks(of)
    return alt.Color("loss:N", legend=None, scale=alt.Scale(domain=list(losses), range=[look[n][0] for n in losses]))


def loss_shape(losses: Sequence[str], of: Sequence[str]) -> alt.Shape:
    """Markers of ``losses`` as in all figures of the losses ``of``."""
    look = looks(of)
    return alt.Shape("loss:N", legend=None, scale=alt.Scale(domain=list(losses), range=[look[n][1] for n in losses]))


def noise_chart(rows: pd.DataFrame, title: str, of: Sequence[str], metrics: Sequence[str] = tuple(METRICS)) -> Spec:
    """Chart of the leaderboard's rows of one regime, data set and kind of noise, by any of these metrics.

    Losses are styled as among the losses ``of``.
    """
    losses = sorted(set(rows["loss"]) - {FROZEN})
    levels = sorted(rows["noise_level"].unique().tolist())
    others = handed_in_losses(rows)
    points = _noise_points(rows, losses, metrics, others)
    base = (
        alt.Chart(inline(points))
        .transform_filter("datum.metric == metric && datum.track == track && indexof(hidden, datum.loss) < 0")
        .transform_calculate(
            interval="isValid(datum.low) ? format(datum.low, '.2f') + ' to ' + format(datum.high, '.2f') : 'none'"
        )
        .transform_filter("isValid(datum.value)")
    )
    x = alt.X("x:Q", title="label noise", axis=alt.Axis(values=levels, format=".0%"), scale=alt.Scale(nice=False))
    label = METRICS[metrics[0]].label if len(metrics) == 1 else "metric"
    y = alt.Y("value:Q", title=f"test {label}, %", scale=alt.Scale(zero=False))
    trained = base.transform_filter(alt.datum.loss != FROZEN)
    lines = trained.mark_line(strokeWidth=1.8).encode(x, y, color=loss_colour(losses, of))
    if others:  # dotted
        lines = lines.encode(strokeDash=alt.condition("datum.theirs", alt.value([2, 3]), alt.value([1, 0])))
    colour, shape = loss_colour(losses, of), loss_shape(losses, of)
    intervals = trained.mark_errorbar(ticks={"aria": False}, rule={"aria": False}, thickness=1.5).encode(
        x, alt.Y("low:Q", title=f"test {label}, %", scale=alt.Scale(zero=False)), alt.Y2("high:Q"), color=colour
    )  # the points tell them in words; none at all, as with one seed, would make Vega-Lite warn
    layers = [
        base.transform_filter(alt.datum.loss == FROZEN)
        .mark_line(strokeDash=[5, 4], color=INK, opacity=0.7)
        .encode(x, y, tooltip=_TOOLTIP),
        lines,
        *([intervals] if any(point["low"] is not None for point in points) else []),
        trained.mark_point(filled=True, size=75, opacity=1, stroke=INK, strokeWidth=0.7).encode(
            x, y, shape=shape, color=colour, tooltip=_TOOLTIP
        ),
    ]
    names = json.dumps({metric: METRICS[metric].label for metric in metrics})
    told = {"expr": f"{json.dumps(f'{title}: ')} + {names}[metric]"}
    chart = alt.layer(*layers, title=alt.TitleParams(text=told)).add_params(
        alt.param(name="metric", value=MAIN_METRIC),
        alt.param(name="track", value=str(rows["track"].iloc[0])),
        alt.param(name="hidden", value=[]),
    )
    return chart_spec(
        chart, f"{title}: {label} against label noise, a line a loss. The leaderboard has the same numbers."
    )


def _noise_points(
    rows: pd.DataFrame, losses: list[str], metrics: Sequence[str], others: Collection[str]
) -> list[dict[str, object]]:
    """One point a (row, metric); ``others`` are the losses that were handed in."""
    shift = {loss: LOSS_SHIFT * (place - (len(losses) - 1) / 2) for place, loss in enumerate(losses)}
    points: list[dict[str, object]] = []
    for row in rows.to_dict("records"):
        for metric in metrics:
            if metric not in row:
                continue
            value, low, high = (row.get(name) for name in (metric, f"{metric}_low", f"{metric}_high"))
            noise, loss = float(row["noise_level"]), str(row["loss"])
            point = {"metric": metric, "loss": loss, "noise": noise, "x": round(noise + shift.get(loss, 0.0), 4)}
            point |= {"value": _number(value), "low": _number(low), "high": _number(high)}
            points.append(point | {"track": row["track"]} | ({"theirs": int(loss in others)} if others else {}))
    return points


def _number(value: object) -> float | None:
    return None if value is None or pd.isna(value) else float(value)  # type: ignore[arg-type]


def forest_chart(
    rows: Sequence[Mapping[str, Any]], unit: str, title: str, looks: Mapping[str, tuple[str, str]] = VERDICTS
) -> Spec:
    """Chart of rows, top to bottom; ``looks`` are colour and marker of each verdict, in the words of the rows.

    A row has ``name``, whose part behind a colon has a line of its own, ``effect``, ``low``, ``high``, ``verdict``,
    ``shown``, ``smallest`` and its negative, ``least``.
    """
    base = alt.Chart(inline(rows))
    order = [row["name"] for row in rows]
    y = alt.Y("name:N", sort=order, title=None, axis=alt.Axis(**_TWO_LINES, ticks=False, domain=False))
    x = alt.X("effect:Q", title=f"effect, {unit}")
    scale = alt.Scale(domain=list(looks), range=[colour for colour, _ in looks.values()])
    shape = alt.Scale(domain=list(looks), range=[path for _, path in looks.values()])
    tooltip = [alt.Tooltip("name:N", title="claim"), alt.Tooltip("shown:N", title="effect"), alt.Tooltip("verdict:N")]
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
    return chart_spec(
        chart, f"{title}: effects with 95 % intervals; the table below has them", ROW_PIXELS * len(rows) + 60
    )


def plane_chart(points: list[dict[str, Any]], loss: str, classes: list[str], image: str) -> Spec:
    """Chart of points with ``x``, ``y``, ``class`` and ``row``; the page's control sets the class that stands out.

    ``image`` is the path of a row's image, with ``{row}`` in the row's place.
    """
    colours = [INK if colour == BLACK else colour for colour in COLOURS]
    shapes = list(SHAPES.values())
    before, _, after = image.partition("{row}")
    every = range(len(classes))
    hidden = alt.Axis(labels=False, ticks=False, title=None, grid=False, domain=False)
    chart = (
        alt.Chart(inline(points), title=f"under {loss}")
        .transform_calculate(image=f"{json.dumps(before)} + datum.row + {json.dumps(after)}")
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
    return chart_spec(chart, f"Map of {len(points)} test images of {len(classes)} classes by {loss}", height=320)
