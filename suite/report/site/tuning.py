"""The page of tuning: what more trials would give each loss, and where the scatter of results comes from."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import altair as alt
import numpy as np

from suite.judging.scatter import SOURCES, Scatter, scatter_of
from suite.judging.statistics.budget import expected_best
from suite.judging.statistics.estimates import PERCENT
from suite.report.site.charts import Spec, chart_spec, inline, loss_colour
from suite.report.site.inputs import Inputs
from suite.report.site.pages import Pages, slug
from suite.report.text import NOTHING
from suite.settings.params import TuningTrack
from suite.settings.paths import TUNED_RECIPE
from suite.settings.tuned_recipes import TunedRecipe, load_tuned

SCATTER_HEADS = (
    "regime",
    "track",
    "data set",
    "loss",
    "noise",
    "runs",
    *(f"sd, {source}" for source in SOURCES),
    "remark",
)


def write_tuning(pages: Pages, inputs: Inputs) -> None:
    """Write ``tuning.html``.

    Raises:
        SuiteError: a tuned recipe cannot be read.
    """
    charts: dict[str, Spec] = {}
    listed = []
    for track in get_args(TuningTrack):
        for dataset in inputs.datasets:
            found = {loss: searches_in_git(track, dataset, loss) for loss in inputs.losses}
            searched = {loss: recipes for loss, recipes in found.items() if recipes}
            if searched:
                name = f"budget-{slug(track)}-{slug(dataset)}"
                charts[name] = budget_chart(searched, f"{dataset}, {track}", inputs.losses)
                most = max(map(len, searched.values()))
                band = "bands: from the worst to the best search." if most > 1 else "one search each, so no bands."
                listed.append((name, f"{dataset}, {track}: {band}"))
    rows = [scatter_cells(each) for each in scatter_of(inputs.records)]
    pages.write(
        "tuning.html",
        "tuning",
        "Tuning",
        charts=charts,
        budgets=listed,
        heads=SCATTER_HEADS,
        scatter=rows,
    )


def searches_in_git(track: str, dataset: str, loss: str) -> list[TunedRecipe]:
    """The tuned recipes of a loss in ``recipes/``, a search each, by number."""
    pattern = Path(TUNED_RECIPE.format(track=track, dataset=dataset, loss=loss, number="*"))
    paths = pattern.parent.glob(pattern.name) if pattern.parent.is_dir() else ()
    return sorted((load_tuned(path) for path in paths), key=lambda recipe: recipe.number)


def budget_points(searched: Mapping[str, Sequence[TunedRecipe]]) -> list[dict[str, Any]]:
    """Expected best validation MAP@R in percent over trials: mean, least and most over the searches of a loss."""
    points = []
    for loss, recipes in searched.items():
        scores = [
            [math.nan if trial.map_at_r is None else trial.map_at_r for trial in recipe.trials] for recipe in recipes
        ]
        least = min(map(len, scores))
        curves = PERCENT * np.stack([expected_best(each)[:least] for each in scores])
        for place in range(least):
            at = curves[:, place]
            points.append(
                {
                    "loss": loss,
                    "trials": place + 1,
                    "value": float(at.mean()),
                    "low": float(at.min()),
                    "high": float(at.max()),
                    "searches": len(recipes),
                }
            )
    return points


def budget_chart(searched: Mapping[str, Sequence[TunedRecipe]], title: str, of: Sequence[str]) -> Spec:
    """Chart of what a number of trials is expected to give, a line and a band a loss."""
    base = alt.Chart(inline(budget_points(searched)), title=title)
    x = alt.X("trials:Q", title="trials", axis=alt.Axis(tickMinStep=1, format="d"))
    scale = alt.Scale(zero=False)
    colour = loss_colour(list(searched), of)
    tooltip = [
        alt.Tooltip("loss:N"),
        alt.Tooltip("trials:Q"),
        alt.Tooltip("value:Q", format=".2f", title="expected best, %"),
        alt.Tooltip("searches:Q"),
    ]
    layers = [
        base.mark_area(opacity=0.15).encode(x, alt.Y("low:Q", scale=scale), alt.Y2("high:Q"), color=colour),
        base.mark_line(strokeWidth=1.8).encode(
            x, alt.Y("value:Q", title="expected best MAP@R, %", scale=scale), color=colour, tooltip=tooltip
        ),
    ]
    return chart_spec(
        alt.layer(*layers), f"{title}: expected best validation MAP@R over number of trials, a line a loss"
    )


def scatter_cells(found: Scatter) -> list[str]:
    """A row of the table of scatter: standard deviations in points by source."""
    regime, track, dataset, loss, kind, level = found.place
    noise = f"{kind} {level:g}" if level else "0"
    return [regime, track, dataset, loss, noise, str(found.runs), *map(_sd(found), SOURCES), found.remark]


def _sd(found: Scatter) -> Any:
    def text(source: str) -> str:
        variance = found.variance.get(source)
        if variance is None:
            return NOTHING
        return f"{math.sqrt(variance):.2f}" if variance > 0 else "0 (estimate below 0)"

    return text
