"""The page of tuning: what more trials would give each loss, and where the scatter of results comes from."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, get_args

import altair as alt
import numpy as np

from suite.judging.scatter import SOURCES, Scatter, scatter_of
from suite.judging.statistics.budget import expected_best
from suite.judging.statistics.estimates import PERCENT
from suite.report.figures.style import looks
from suite.report.site.charts import INK, Spec, chart_spec, inline, loss_colour, loss_shape
from suite.report.site.inputs import Inputs
from suite.report.site.pages import Pages, slug
from suite.report.text import NOTHING, space_text
from suite.settings.finetuned import load_finetuned
from suite.settings.params import DatasetSettings, Settings, TuningTrack
from suite.settings.plans import PLANS, Regime
from suite.settings.tuned_recipes import TunedRecipe, load_tuned, tuned_path
from suite.training.search_space import space_on

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


@dataclass(frozen=True)
class Budget:
    """What a search may spend: losses are compared by searches of one budget.

    Attributes:
        trials: number of trials.
        folds: number of folds of the training classes.
        held_out: number of folds that validate.
        epochs: the space of epochs; None if every trial trains as long as the recipe says.
    """

    trials: int
    folds: int
    held_out: int
    epochs: Mapping[str, Any] | None

    @classmethod
    def asked(cls, settings: Settings, dataset: str) -> Self:
        """That of the settings of a regime on a data set."""
        tuning, limits = settings.tuning, settings.datasets.get(dataset, DatasetSettings()).limits
        epochs = space_on(dataset, limits, tuning.space).get("epochs")
        return cls(tuning.trials, tuning.folds, tuning.held_out or tuning.folds, epochs)

    @classmethod
    def of(cls, recipe: TunedRecipe) -> Self:
        """That of a search."""
        return cls(len(recipe.trials), recipe.folds, recipe.held_out or recipe.folds, recipe.search_space.get("epochs"))

    def __str__(self) -> str:
        """In words, e.g. ``25 trials on 2 folds``."""
        folds = f"{self.folds} folds" if self.held_out == self.folds else f"{self.held_out} of {self.folds} folds"
        searched = "" if self.epochs is None else f", epochs searched: {space_text(self.epochs)}"
        return f"{self.trials} trials on {folds}{searched}"


def write_tuning(pages: Pages, inputs: Inputs, settings: Settings) -> None:
    """Write ``tuning.html``, the searches of each regime on it.

    Raises:
        SuiteError: a tuned recipe cannot be read.
    """
    charts: dict[str, Spec] = {}
    listed, shown = [], set()
    for regime, track, dataset in itertools.product(PLANS, get_args(TuningTrack), inputs.datasets):
        found = {loss: searches_in_git(track, dataset, loss, regime) for loss in inputs.losses}
        if not any(found.values()):
            continue
        mine = settings if regime == "frozen" else load_finetuned().within(settings)
        asked, others = as_asked(found, mine, track, dataset)
        of_regime = "" if regime == "frozen" else f"{regime}-"
        name = f"budget-{of_regime}{slug(track)}-{slug(dataset)}"
        title = f"{dataset}, {track}" + (f", {regime}" if of_regime else "")
        if asked:
            charts[name] = budget_chart(asked, title, inputs.losses)
            shown |= set(asked)
        listed.append((name if asked else "", f"{title}: {_told(asked, others, mine, track, dataset)}"))
    look = looks(inputs.losses)
    pages.write(
        "tuning.html",
        "tuning",
        "Tuning",
        charts=charts,
        budgets=listed,
        legend=[(loss, look[loss]) for loss in inputs.losses if loss in shown],
        heads=SCATTER_HEADS,
        scatter=[
            scatter_cells(each) for each in (*scatter_of((*inputs.records, *inputs.fresh)), *scatter_of(inputs.splits))
        ],
        unseen=_whose(inputs),
    )


def as_asked(
    found: Mapping[str, Sequence[TunedRecipe]], settings: Settings, track: str, dataset: str
) -> tuple[dict[str, list[TunedRecipe]], list[TunedRecipe]]:
    """The searches of each loss that the settings of a regime ask for, by number and budget, and all others."""
    tuning, budget = settings.tuning, Budget.asked(settings, dataset)
    kept = {
        loss: [
            each
            for each in recipes
            if track in tuning.tracks and each.number < tuning.searches and Budget.of(each) == budget
        ]
        for loss, recipes in found.items()
    }
    others = [each for loss, recipes in found.items() for each in recipes if each not in kept[loss]]
    return {loss: recipes for loss, recipes in kept.items() if recipes}, others


def _told(
    asked: Mapping[str, Sequence[TunedRecipe]],
    others: Sequence[TunedRecipe],
    settings: Settings,
    track: str,
    dataset: str,
) -> str:
    """What a chart averages, how many trials failed, and which searches in git it leaves out."""
    most = max(map(len, asked.values()), default=0)
    if not asked:
        told = f"no search in recipes/ is one that {settings.recipe.file} asks for"
    elif most > 1:
        told = (
            f"{Budget.asked(settings, dataset)}; up to {most} searches a loss, bands from the worst to the best of them"
        )
    else:
        told = f"{Budget.asked(settings, dataset)}; one search each, so no bands"
    if failed := _failed(asked):
        told = f"{told}. Trials in which training failed, each spent like any other: {failed}"
    if not others:
        return f"{told}."
    by_budget: dict[str, list[str]] = {}
    for each in others:
        by_budget.setdefault(str(Budget.of(each)), []).append(f"{each.loss} {each.number}")
    left = "; ".join(f"{', '.join(names)} ({budget})" for budget, names in by_budget.items())
    tuning = settings.tuning
    numbers = "number 0" if tuning.searches == 1 else f"numbers 0 to {tuning.searches - 1}"
    wanted = f"{numbers} of {Budget.asked(settings, dataset)}" if track in tuning.tracks else f"none of track {track}"
    return f"{told}. Left out, since {settings.recipe.file} asks for {wanted}: searches {left}."


def _failed(searched: Mapping[str, Sequence[TunedRecipe]]) -> str:
    """Which losses spent trials on values with which training failed, and how many of how many."""
    counts = {
        loss: (sum(each.failed_trials for each in recipes), sum(len(each.trials) for each in recipes))
        for loss, recipes in searched.items()
    }
    return ", ".join(f"{loss} {failed} of {trials}" for loss, (failed, trials) in counts.items() if failed)


def _whose(inputs: Inputs) -> str:
    """Which losses have no row of scatter for want of records."""
    missing = inputs.without_records
    if len(missing) == len(inputs.on_board):
        return "of every loss of the grid" if missing else ""
    return "of " + ", ".join(f"{loss} on {dataset}" for dataset, loss in missing) if missing else ""


def searches_in_git(track: str, dataset: str, loss: str, regime: Regime = "frozen") -> list[TunedRecipe]:
    """The tuned recipes of a loss in ``recipes/``, a search each, by number."""
    pattern = Path(str(tuned_path(dataset, loss, track, 0, regime)).removesuffix("0.yaml") + "*.yaml")
    paths = pattern.parent.glob(pattern.name) if pattern.parent.is_dir() else ()
    return sorted((load_tuned(path) for path in paths), key=lambda recipe: recipe.number)


def budget_points(searched: Mapping[str, Sequence[TunedRecipe]]) -> list[dict[str, Any]]:
    """Expected best validation MAP@R in percent over trials: mean, least and most over the searches of a loss."""
    points: list[dict[str, Any]] = []
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
                    "last": int(place == least - 1),
                }
            )
    return points


def budget_chart(searched: Mapping[str, Sequence[TunedRecipe]], title: str, of: Sequence[str]) -> Spec:
    """Chart of what a number of trials is expected to give, a line and a band a loss, its marker at the line's end."""
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
        base.transform_filter("datum.last")
        .mark_point(filled=True, size=75, opacity=1, stroke=INK, strokeWidth=0.7)
        .encode(x, alt.Y("value:Q", scale=scale), color=colour, shape=loss_shape(list(searched), of), tooltip=tooltip),
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
