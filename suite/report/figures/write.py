"""Writes ``docs/figures/``: influence.{csv,svg,pdf} of all losses of params.yaml, field.{svg,pdf}."""

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.progress import track

from suite.files import write_text
from suite.losses.influence.curve import influence_curves
from suite.losses.influence.scene import PAIRS
from suite.losses.registry import check_hyperparameters, find_loss
from suite.report.figures.field import draw_field_figure
from suite.report.figures.influence import draw_influence_figure
from suite.report.figures.toy import Toy, solve_toy
from suite.settings.params import PARAMS_FILE, Settings

FIGURES_FOLDER = Path("docs/figures")


def write_figures(settings: Settings, console: Console) -> str:
    """Compute and write all figures.

    Losses have the hyper-parameters that ``params`` of ``params.yaml`` sets and the defaults of their classes otherwise:
    tuned values belong to a data set.

    Returns:
        What they show, in numbers.

    Raises:
        SuiteError: a loss cannot be found, built or measured.
    """
    entries = [find_loss(name, entry) for name, entry in settings.losses.items()]
    for entry in entries:
        check_hyperparameters(entry, settings.losses[entry.name].by_hand, f"{PARAMS_FILE}: losses.{entry.name}.params")
    curves = pd.concat(
        influence_curves(entry, settings.losses[entry.name].by_hand, settings.recipe.embedding_dim)
        for entry in track(entries, "influence", console=console, transient=True)
    )
    toy = solve_toy()
    write_text(FIGURES_FOLDER / "influence.csv", curves.to_csv(index=False, float_format="%.4g"))
    draw_influence_figure(curves, FIGURES_FOLDER / "influence.svg")
    draw_field_figure(toy, FIGURES_FOLDER / "field.svg")
    return "\n".join([*_describe_curves(curves), *_describe_toy(toy)])


def _describe_curves(curves: pd.DataFrame) -> list[str]:
    """Where each curve is highest, and what share of that is left at some distances."""
    at = (0.1, 0.5, 1.0, 1.5)
    lines = []
    for pair in PAIRS:
        head = "".join(f"{f'at {distance:g}':>10}" for distance in at)
        lines.append(f"{f'influence of a {pair}':<26}{'highest at':>12}{head}")
        rows = curves[curves["pair"] == pair]
        for loss, mine in rows.groupby("loss", sort=False):
            shares = mine.set_index("distance")["normalised"]
            values = "".join(f"{shares[distance]:>10.2g}" for distance in at)
            lines.append(f"  {loss!s:<24}{shares.abs().idxmax():>12.2f}{values}")
    return lines


def _describe_toy(toy: Toy) -> list[str]:
    lines = [f"W2 of {equilibrium.title}: {equilibrium.w2:.2f}" for equilibrium in toy.equilibria]
    return [*lines, f"standard deviation of the class: {toy.spread:.2f}"]
