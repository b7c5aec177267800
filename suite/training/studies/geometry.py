"""The geometry study: losses with the same number of proxies a class, trained without label noise and then measured."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from suite.evaluation.record_parts import AblationPoint
from suite.losses.registry import check_hyperparameters, load_target
from suite.settings.paths import GEOMETRY
from suite.settings.plans import Regime, Run, Search, SomePlan, plan_path, read_plan_file, seeds_of
from suite.settings.studies import ABLATED, GeometrySettings
from suite.training.hyperparameters import with_values
from suite.training.run.frozen import Outcome
from suite.training.studies.ablation import vary
from suite.training.studies.parts import Part, run_parts, settings_file, tuned_on_true_labels
from suite.training.studies.proxy_runs import measure_frozen
from suite.training.tuning.resolve import Tools


def run_geometry(
    dataset: str,
    loss: str,
    geometry: GeometrySettings,
    console: Console,
    tools: Tools | None = None,
    measure: Callable[..., Outcome] = measure_frozen,
) -> Path:
    """Train and measure a loss with the study's number of proxies, its other values searched; write the records.

    Each tuned search of the grid has one here, on true labels, with that number held. pfml is studied at each delta of
    ``geometry.deltas`` as well: a theorem whose premise no model meets at the delta that retrieves best says nothing there.
    Its other values are searched anew, or stay as found without a held delta (``geometry.search_at_deltas``). Searches are
    by the recipe of the grid; runs have what ``geometry.in_recipe`` gives in place of its values.

    Args:
        dataset: name of the data set.
        loss: name of the loss.
        geometry: number of proxies, deltas, and the searches.
        console: where progress is shown.
        tools: of another regime than the frozen one.
        measure: computes a run of the regime.

    Returns:
        The file written.

    Raises:
        SuiteError: there is no plan of the track ``tuned``, or the loss has no ``proxies_per_class``.
    """
    parts = geometry_parts(dataset, loss, geometry, tools.regime if tools else "frozen")
    path = f"{GEOMETRY}/{dataset}-{loss}.jsonl"
    return run_parts(f"geometry-{dataset}-{loss}", path, parts, console, tools, measure)


def geometry_parts(dataset: str, loss: str, geometry: GeometrySettings, regime: Regime = "frozen") -> list[Part]:
    """A search and its runs for each tuned search of the grid; then runs for each delta that is held, by a search or not.

    Raises:
        SuiteError: as ``run_geometry``.
    """
    planned = tuned_on_true_labels(read_plan_file(plan_path("searches", dataset, loss, regime)), regime)
    number_of_proxies = {"proxies_per_class": geometry.proxies_per_class}
    entry = load_target(planned[0][0].loss, planned[0][0].target)
    check_hyperparameters(entry, number_of_proxies, f"{settings_file(regime)}: geometry.losses.{loss}")
    models = [(with_values(plan, number_of_proxies), search) for plan, search in planned]
    deltas: list[float | None] = [None, *(geometry.deltas if loss == ABLATED else ())]
    return [_part(plan, search, delta, geometry) for delta in deltas for plan, search in models]


def _part(plan: SomePlan, declared: Search | None, delta: float | None, geometry: GeometrySettings) -> Part:
    held, label = {"proxies_per_class"}, "geometry"
    if delta is not None and geometry.search_at_deltas:
        plan = replace(vary(plan, "delta", delta), track="tuned")
        held, label = held | {"delta", "delta_repulsion"}, f"geometry delta {delta:g}"
    search = declared and replace(
        declared,
        space={name: item for name, item in declared.space.items() if name not in held},
        by_hand={name: value for name, value in declared.by_hand.items() if name not in held},
        trials=geometry.trials,
        folds=geometry.folds,
        held_out=None,
    )
    searched = search if search and search.space else None
    point = None if delta is None else AblationPoint(axis="delta", value=delta)
    runs = partial(_runs, delta, geometry.in_recipe(plan.dataset))
    return Part(plan, runs, searched, label, "geometry", point)


def _runs(delta: float | None, in_recipe: dict[str, float], plan: SomePlan) -> list[Run[SomePlan]]:
    if delta is None:
        found, label = replace(plan, validation_epoch=None), "geometry"
    else:
        found, label = vary(plan, "delta", delta), f"geometry delta {delta:g}"
    found = replace(found, recipe=found.recipe.model_copy(update=in_recipe))
    return [Run(found, 0.0, seed, label=f"{label} of {plan.loss}") for seed in seeds_of(plan)]
