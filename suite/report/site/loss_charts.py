"""Charts of one loss: its influence by distance, its training curves, and the trials of its tuning."""

from collections.abc import Collection, Sequence

import altair as alt
import pandas as pd

from suite.losses.influence.scene import Pair
from suite.report.figures.influence import LOWEST, TICKS, TITLES
from suite.report.figures.style import COLOURS
from suite.report.site.charts import INK, Spec, chart_spec, inline, loss_colour
from suite.settings.tuned_recipes import TunedRecipe

NOISE_COLOURS = (COLOURS[1], COLOURS[4], COLOURS[0], COLOURS[2], COLOURS[3], COLOURS[5])
NOISE_DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [4, 4], [1, 3])


def influence_chart(
    curves: pd.DataFrame, loss: str, beside: Collection[str], losses: Sequence[str], pair: Pair
) -> Spec:
    """Influence of a positive or a negative by its distance, on two logarithmic axes; losses ``beside`` it are faint.

    Losses are styled as among ``losses``.
    """
    rows = curves[(curves["pair"] == pair) & (curves["normalised"] >= LOWEST)]
    shown = sorted(set(rows["loss"]) & {loss, *beside})
    drawn = rows["loss"].isin(shown) & ((rows["loss"] == loss) | (rows.groupby("loss").cumcount() % 2 == 0))
    mine = (rows["loss"] == loss).astype(int)
    names = ["loss", "distance", "normalised", "mine"]
    values = rows.assign(mine=mine).loc[drawn, names].to_dict("records")  # faint lines: half of their points
    base = alt.Chart(inline(values), title=TITLES[pair])
    x = alt.X(
        "distance:Q",
        title="distance from the anchor",
        scale=alt.Scale(type="log", domain=[TICKS[0], TICKS[-1]]),
        axis=alt.Axis(values=list(TICKS), format="~g"),
    )
    y = alt.Y(
        "normalised:Q",
        title="influence / its maximum",
        scale=alt.Scale(type="log", domain=[LOWEST, 1]),
        axis=alt.Axis(values=[1e-4, 1e-3, 1e-2, 1e-1, 1], format="~g"),
    )
    tooltip = [
        alt.Tooltip("loss:N"),
        alt.Tooltip("distance:Q", format=".3g"),
        alt.Tooltip("normalised:Q", format=".2g", title="share of maximum"),
    ]
    colour = loss_colour(shown, losses)
    others = base.transform_filter("!datum.mine")
    own = base.transform_filter("datum.mine")
    chart = alt.layer(
        others.mark_line(strokeWidth=1.2, opacity=0.45).encode(x, y, color=colour, tooltip=tooltip),
        own.mark_line(strokeWidth=3).encode(x, y, color=colour, tooltip=tooltip),
    )
    return chart_spec(chart, f"{TITLES[pair]} under {loss} and, faint, under the other losses, against distance")


def curves_chart(curves: pd.DataFrame, loss: str, dataset: str) -> Spec:
    """Mean training loss by epoch, a line a seed, a colour and a dash a noise level."""
    levels = sorted(curves["noise_level"].unique().tolist())
    values = (
        curves[["noise_level", "seed", "epoch", "value"]].rename(columns={"noise_level": "noise"}).to_dict("records")
    )
    colours = [NOISE_COLOURS[place % len(NOISE_COLOURS)] for place in range(len(levels))]
    dashes = [NOISE_DASHES[place % len(NOISE_DASHES)] for place in range(len(levels))]
    chart = (
        alt.Chart(inline(values), title=f"training on {dataset}")
        .mark_line(strokeWidth=1.6)
        .encode(
            alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, format="d")),
            alt.Y("value:Q", title="mean training loss", scale=alt.Scale(zero=False)),
            alt.Color("noise:N", title="label noise", scale=alt.Scale(domain=levels, range=colours)),
            strokeDash=alt.StrokeDash("noise:N", title="label noise", scale=alt.Scale(domain=levels, range=dashes)),
            detail="seed:N",
            tooltip=["noise:Q", "seed:Q", "epoch:Q", alt.Tooltip("value:Q", format=".4g", title="mean loss")],
        )
    )
    return chart_spec(chart, f"Mean training loss of {loss} on {dataset} by epoch, a line a seed", height=220)


def trials_chart(recipe: TunedRecipe) -> Spec:
    """Validation MAP@R of each trial of the search, the best so far as a line."""
    values, best = [], 0.0
    for number, trial in enumerate(recipe.trials, 1):
        share = trial.map_at_r
        best = max(best, share or 0.0)
        values.append({"trial": number, "value": None if share is None else 100 * share, "best": 100 * best})
    base = alt.Chart(inline(values), title=f"trials on {recipe.dataset}")
    x = alt.X("trial:Q", title="trial", axis=alt.Axis(tickMinStep=1, format="d"))
    y = alt.Y("value:Q", title="validation MAP@R, %", scale=alt.Scale(zero=False))
    points = base.mark_point(filled=True, size=60, color=COLOURS[1], opacity=1, stroke=INK, strokeWidth=0.6).encode(
        x, y, tooltip=["trial:Q", alt.Tooltip("value:Q", format=".2f", title="MAP@R, %")]
    )
    line = base.mark_line(interpolate="step-after", color=COLOURS[0], strokeWidth=1.6).encode(x, alt.Y("best:Q"))
    return chart_spec(
        alt.layer(line, points),
        f"Validation MAP@R of {len(values)} trials on {recipe.dataset}; best {100 * recipe.best_map_at_r:.2f} %",
        height=200,
    )
