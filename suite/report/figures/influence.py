"""The influence figure: a panel for positives and one for negatives; on its axes a power law is a straight line."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from suite.losses.influence.scene import PAIRS
from suite.report.figures.style import GRID_COLOUR, legend_columns, loss_styles, save_figure, style

TITLES = {"positive": "pull of a positive", "negative": "push of a negative"}
LOWEST = 5e-5
"""Least share of the largest influence that is drawn: a curve has a gap where its influence is zero or of the wrong sign."""
TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)


def draw_influence_figure(curves: pd.DataFrame, path: Path) -> None:
    """Write the curves of `suite.losses.influence.curve` as SVG and PDF; the same curves give the same bytes."""
    every = loss_styles(curves["loss"])
    styles = {loss: every[loss] for loss in sorted(every)}
    with style():
        figure = Figure(figsize=(9.2, 4.2), layout="constrained")
        for axes, pair in zip(figure.subplots(1, len(PAIRS), sharey=True), PAIRS, strict=True):
            rows = curves[curves["pair"] == pair]
            for place, (loss, look) in enumerate(styles.items()):
                mine = rows[rows["loss"] == loss].sort_values("distance")
                axes.plot(
                    mine["distance"],
                    mine["normalised"].where(mine["normalised"] >= LOWEST, np.nan),
                    label=loss,
                    color=look.color,
                    marker=look.marker,
                    markersize=5.5,
                    markevery=(place, len(styles) + 1),  # apart, so that curves on top of each other both show
                    linewidth=1.6,
                )
            axes.set(
                xscale="log", yscale="log", ylim=(LOWEST, 1.6), title=TITLES[pair], xlabel="distance from the anchor"
            )
            axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
            axes.minorticks_off()
            axes.grid(color=GRID_COLOUR)
        figure.axes[0].set_ylabel("influence on the anchor / its maximum")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=min(len(labels), legend_columns(labels, 9.2)),
            frameon=False,
        )
        save_figure(figure, path)


def describe_curves(curves: pd.DataFrame) -> list[str]:
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
