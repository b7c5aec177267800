"""Searches and studies, each run by its own command, and what becomes of their outcomes."""

from collections.abc import Collection
from typing import Annotated

import typer

from suite.cli.shared import Dataset, Loss, Regime, RegimeOption, console, search_tools, study_tools, tell_views
from suite.errors import SuiteError, allowed


def paper_values(dataset: Dataset, loss: Loss) -> None:
    """Train and evaluate a loss with the values of its paper, at all noise levels and seeds."""
    from suite.settings.params import load_settings
    from suite.training.studies.paper_values import run_paper_values

    load_settings()
    console.print(f"wrote {run_paper_values(dataset, loss, console)}")


def ablation(
    dataset: Dataset,
    axis: Annotated[str, typer.Argument(help="proxies_per_class, alpha, delta or repulsion_margin.")],
    regime: RegimeOption = Regime.frozen,
) -> None:
    """Vary one value of pfml around its tuned ones and write a record for each value and seed."""
    from suite.settings.finetuned import settings_of
    from suite.training.studies.ablation import run_ablation

    settings = settings_of(regime)
    studied = settings.ablation
    _check_set(f"{settings.recipe.file}: ablation", "data set", dataset, studied)
    console.print(f"wrote {run_ablation(dataset, axis, studied[dataset], console, study_tools(regime))}")


def crossed(
    dataset: Dataset,
    axis: Annotated[str, typer.Argument(help="alpha, delta, repulsion_margin or proxies_per_class.")],
    regime: RegimeOption = Regime.frozen,
) -> None:
    """Vary one value of pfml under label noise, its rates searched anew at each value."""
    from suite.settings.finetuned import settings_of
    from suite.training.studies.crossed import run_crossed

    crossed = settings_of(regime).crossed
    console.print(f"wrote {run_crossed(dataset, axis, crossed, console, study_tools(regime))}")


def splits(dataset: Dataset, loss: Loss) -> None:
    """Train and evaluate a loss under further splits of the classes, searched anew under each."""
    from suite.settings.params import load_settings
    from suite.training.studies.splits import run_splits

    console.print(f"wrote {run_splits(dataset, loss, load_settings().splits, console)}")


def fresh_seeds(dataset: Dataset, loss: Loss, regime: RegimeOption = Regime.frozen) -> None:
    """Train and evaluate a loss with its tuned values on the seeds that follow those of the grid."""
    from suite.settings.finetuned import settings_of
    from suite.training.studies.fresh_seeds import run_fresh_seeds

    count = settings_of(regime).fresh_seeds.count
    console.print(f"wrote {run_fresh_seeds(dataset, loss, count, console, study_tools(regime))}")


def extended(dataset: Dataset, loss: Loss, regime: RegimeOption = Regime.frozen) -> None:
    """Train and evaluate a loss that the grid does not run, or under kinds of label noise that it does not have."""
    from suite.settings.finetuned import settings_of
    from suite.training.studies.extended import run_extended

    settings = settings_of(regime)
    _check_set(f"{settings.recipe.file}: extended.losses", "loss", loss, settings.extended.losses)
    if regime == Regime.finetuned:
        tell_views(dataset)
    console.print(f"wrote {run_extended(dataset, loss, settings, console, search_tools(regime))}")


def geometry(dataset: Dataset, loss: Loss, regime: RegimeOption = Regime.frozen) -> None:
    """Train a loss and measure where its proxies lie among embeddings of their class; all losses get as many proxies."""
    from suite.settings.finetuned import settings_of
    from suite.training.finetuned.geometry import measure_of
    from suite.training.studies.geometry import run_geometry

    settings = settings_of(regime)
    studied, file = settings.geometry, settings.recipe.file
    _check_set(f"{file}: geometry.losses", "loss", loss, studied.losses)
    _check_set(
        f"{file}: geometry.datasets", "data set", dataset, [name for name in settings.datasets if studied.on(name)]
    )
    tools, measure = study_tools(regime), measure_of(regime.value)
    console.print(f"wrote {run_geometry(dataset, loss, studied, console, tools, measure)}")


def search(
    dataset: Dataset,
    loss: Loss,
    track: Annotated[str | None, typer.Option(help="One tuning track; all of params.yaml if left out.")] = None,
    number: Annotated[int | None, typer.Option(min=0, help="One search of each track; all if left out.")] = None,
    regime: RegimeOption = Regime.frozen,
) -> None:
    """Search a loss's hyper-parameters on held-out training classes, whether it has tuned recipes or not."""
    from suite.training.alone import alone_in_searches
    from suite.training.tuning.resolve import asked_searches, write_searches

    with alone_in_searches(asked_searches(dataset, loss, track, number, regime.value), console):
        for path in write_searches(dataset, loss, console, track, number, regime.value, search_tools(regime)):
            console.print(f"{path} is there")
    console.print("make what was found the tuned recipes with: suite promote")


def promote() -> None:
    """Copy finished searches to recipes/, finished studies to results/studies and records of the grid to results/runs."""
    from suite.training.studies.promote import promote as promote_found

    for path in promote_found():
        console.print(f"wrote {path}")


def _check_set(setting: str, what: str, name: str, known: Collection[str]) -> None:
    """Refuse a data set or a loss that the settings of a study do not name."""
    if name not in known:
        raise SuiteError(f"{setting} has no {what} {name!r}; allowed: {allowed(known) or 'none'}")
