"""A metric against label noise with its intervals, a chart a data set; the page sets metric, track and losses."""

import altair as alt
import pandas as pd

from suite.evaluation.records import METRICS
from suite.judging.leaderboard.table import FROZEN
from suite.report.site.charts.theme import INK, Spec, finished, inline, loss_colour, loss_shape

LABELS = {
    "recall_at_1": "R@1",
    "recall_at_2": "R@2",
    "recall_at_4": "R@4",
    "recall_at_8": "R@8",
    "map_at_r": "MAP@R",
    "r_precision": "R-precision",
}
"""The metrics that a reader can choose, as they are written in the field."""
APART = 0.006
"""Shift between losses along the axis of noise, so that intervals show."""
_TOOLTIP = [
    alt.Tooltip("loss:N"),
    alt.Tooltip("noise:Q", title="label noise"),
    alt.Tooltip("value:Q", format=".2f", title="mean over seeds (%)"),
    alt.Tooltip("interval:N", title="95 % interval"),
]


def noise_chart(rows: pd.DataFrame, title: str) -> Spec:
    """Chart of the leaderboard's rows of one data set and kind of noise."""
    losses = sorted(set(rows["loss"]) - {FROZEN})
    levels = sorted(rows["noise_level"].unique().tolist())
    data = inline(_points(rows, losses))
    base = (
        alt.Chart(data)
        .transform_filter("datum.metric == metric && datum.track == track && indexof(hidden, datum.loss) < 0")
        .transform_filter("isValid(datum.value)")
    )
    x = alt.X("x:Q", title="label noise", axis=alt.Axis(values=levels, format=".0%"), scale=alt.Scale(nice=False))
    y = alt.Y("value:Q", title="test, %", scale=alt.Scale(zero=False))
    trained = base.transform_filter(alt.datum.loss != FROZEN)
    colour, shape = loss_colour(losses, losses), loss_shape(losses, losses)
    layers = [
        base.transform_filter(alt.datum.loss == FROZEN)
        .mark_line(strokeDash=[5, 4], color=INK, opacity=0.7)
        .encode(x, y, tooltip=_TOOLTIP),
        trained.mark_line(strokeWidth=1.8).encode(x, y, color=colour),
        trained.mark_errorbar(ticks=True, thickness=1.5).encode(
            x, alt.Y("low:Q", title="test, %", scale=alt.Scale(zero=False)), alt.Y2("high:Q"), color=colour
        ),
        trained.mark_point(filled=True, size=75, opacity=1, stroke=INK, strokeWidth=0.7).encode(
            x, y, shape=shape, color=colour, tooltip=_TOOLTIP
        ),
    ]
    chart = alt.layer(*layers, title=title).add_params(
        alt.param(name="metric", value=METRICS[0]),
        alt.param(name="track", value=str(rows["track"].iloc[0])),
        alt.param(name="hidden", value=[]),
    )
    return finished(chart, f"{title}: metric against label noise, a line a loss. The leaderboard has the same numbers.")


def _points(rows: pd.DataFrame, losses: list[str]) -> list[dict[str, object]]:
    """One point a (row, metric)."""
    shift = {loss: APART * (place - (len(losses) - 1) / 2) for place, loss in enumerate(losses)}
    points: list[dict[str, object]] = []
    for row in rows.to_dict("records"):
        for metric in METRICS:
            if metric not in row:
                continue
            value, low, high = (row.get(name) for name in (metric, f"{metric}_low", f"{metric}_high"))
            noise, loss = float(row["noise_level"]), str(row["loss"])
            point = {"metric": metric, "loss": loss, "noise": noise, "x": round(noise + shift.get(loss, 0.0), 4)}
            point |= {"value": _number(value), "low": _number(low), "high": _number(high)}
            point["interval"] = "none" if point["low"] is None else f"{low:.2f} to {high:.2f}"
            points.append(point | {"track": row["track"]})
    return points


def _number(value: object) -> float | None:
    return None if value is None or pd.isna(value) else float(value)  # type: ignore[arg-type]
