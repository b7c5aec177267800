"""Writes ``docs/figures/``: influence.{csv,svg,pdf} of all losses of params.yaml, field.{svg,pdf}."""

import pandas as pd
from rich.console import Console

from suite.errors import SuiteError
from suite.files import write_text
from suite.losses.by_hand import values_by_hand
from suite.losses.influence.kept import measure, wanted
from suite.losses.registry import check_hyperparameters, find_loss
from suite.report.figures.influence import describe_curves, draw_influence_figure
from suite.report.figures.toy import describe_toy, draw_field_figure, solve_toy
from suite.settings.params import Settings
from suite.settings.paths import FIGURES_FOLDER, INFLUENCE_FILE, PARAMS_FILE


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
    by_hand = {name: values_by_hand(entry) for name, entry in settings.losses.items()}
    for entry in entries:
        check_hyperparameters(entry, by_hand[entry.name], f"{PARAMS_FILE}: losses.{entry.name}.params")
    dim = settings.recipe.embedding_dim
    found = measure([wanted(entry, by_hand[entry.name], dim) for entry in entries], console)
    if reasons := [each for each in found.values() if isinstance(each, str)]:
        raise SuiteError(reasons[0])
    curves = pd.concat([each for each in found.values() if not isinstance(each, str)])
    toy = solve_toy()
    write_text(INFLUENCE_FILE, curves.to_csv(index=False, float_format="%.4g"))
    draw_influence_figure(curves, INFLUENCE_FILE.with_suffix(".svg"))
    draw_field_figure(toy, FIGURES_FOLDER / "field.svg")
    return "\n".join([*describe_curves(curves), *describe_toy(toy)])
