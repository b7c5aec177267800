"""R@1 against label noise with 95 % t-intervals, one panel a data set."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from suite.figures.style import GRID_COLOUR, loss_styles, save_svg, style
from suite.leaderboard.table import FROZEN


def draw_noise_figure(board: pd.DataFrame, path: Path) -> None:
    """Write the figure as SVG; the same leaderboard gives the same bytes."""
    datasets = list(dict.fromkeys(board["dataset"]))
    styles = loss_styles(set(board["loss"]) - {FROZEN})
    with style():
        figure = Figure(figsize=(1.2 + 3.6 * len(datasets), 3.8), layout="constrained")
        for axes, dataset in zip(figure.subplots(1, len(datasets), squeeze=False)[0], datasets, strict=True):
            rows = board[board["dataset"] == dataset]
            for place, (loss, look) in enumerate(styles.items()):
                mine = rows[rows["loss"] == loss].sort_values("noise_level")
                half = (mine["recall_at_1_high"] - mine["recall_at_1_low"]) / 2
                axes.errorbar(
                    mine["noise_level"] + 0.004 * (place - (len(styles) - 1) / 2),  # apart, so that intervals show
                    mine["recall_at_1"],
                    yerr=half.fillna(0),
                    label=loss,
                    color=look.color,
                    marker=look.marker,
                    markersize=5,
                    capsize=3,
                    linewidth=1.4,
                )
            frozen = rows[rows["loss"] == FROZEN]["recall_at_1"].iloc[0]
            axes.axhline(frozen, color="0.4", linestyle="--", linewidth=1, label=FROZEN)
            axes.set(title=dataset, xlabel="label noise", xticks=sorted(rows["noise_level"].unique()))
            axes.grid(color=GRID_COLOUR)
        figure.axes[0].set_ylabel("test R@1 (%)")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)), frameon=False)
        save_svg(figure, path)
