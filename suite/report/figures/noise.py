"""R@1 against label noise with 95 % t-intervals: a row of panels for each regime and tuning track, a column a data set."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from suite.evaluation.tables import handed_in_losses
from suite.judging.leaderboard.table import FROZEN
from suite.report.figures.style import GRID_COLOUR, LossStyle, legend_columns, loss_styles, save_figure, style

TRACK_NAMES = {"paper_values": "paper's values"}
"""How the figure calls a tuning track, where its name is not a word."""


def draw_noise_figure(board: pd.DataFrame, path: Path, losses: Iterable[str] | None = None) -> None:
    """Write the figure as SVG and PDF; the same leaderboard gives the same bytes.

    Args:
        board: the leaderboard.
        path: the SVG file.
        losses: all losses in the order of settings, from which their styles follow; by default in alphabetical order.
    """
    with style():
        save_figure(noise_figure(board, losses), path)


def noise_figure(board: pd.DataFrame, losses: Iterable[str] | None = None) -> Figure:
    """The figure, as ``draw_noise_figure`` writes it."""
    shown = sorted(set(board["loss"]) - {FROZEN})
    every = loss_styles(shown if losses is None else losses)
    styles = {loss: every[loss] for loss in shown}
    datasets = list(dict.fromkeys(board["dataset"]))
    parts = dict(iter(board.groupby(["regime", "track"], sort=False)))
    size = (1.2 + 3.6 * len(datasets), 0.9 + 2.9 * len(parts))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(parts), len(datasets), squeeze=False, sharex="col")
    for line, ((regime, track), part) in zip(panels, parts.items(), strict=True):
        for axes, dataset in zip(line, datasets, strict=True):
            rows = part[part["dataset"] == dataset]
            axes.set_title(f"{dataset}, {regime}, {TRACK_NAMES.get(track, track)}")
            axes.grid(color=GRID_COLOUR)
            if len(rows):
                _draw_panel(axes, rows, styles, board)
        line[0].set_ylabel("test R@1 (%)")
    for axes in panels[-1]:
        axes.set_xlabel("label noise")
    entries = {
        label: handle for axes in figure.axes for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    names = [*(entry_of(board, loss) for loss in styles), FROZEN]
    figure.legend(
        [entries[name] for name in names],
        names,
        loc="outside lower center",
        ncols=min(len(names), legend_columns(names, size[0])),
        frameon=False,
    )
    return figure


def entry_of(board: pd.DataFrame, loss: str) -> str:
    """A loss in a legend, which tells one that somebody handed in."""
    return f"{loss} (handed in)" if loss in handed_in_losses(board) else loss


def _draw_panel(axes: Axes, rows: pd.DataFrame, styles: dict[str, LossStyle], board: pd.DataFrame) -> None:
    """Curves of one regime and track on one data set, those that were handed in dotted; the frozen backbone as a line."""
    for place, (loss, look) in enumerate(styles.items()):
        mine = rows[rows["loss"] == loss].sort_values("noise_level")
        half = (mine["recall_at_1_high"] - mine["recall_at_1_low"]) / 2
        axes.errorbar(
            mine["noise_level"] + 0.004 * (place - (len(styles) - 1) / 2),  # apart, so that intervals show
            mine["recall_at_1"],
            yerr=half.fillna(0),
            label=entry_of(board, loss),
            linestyle=":" if loss in handed_in_losses(board) else "-",
            color=look.color,
            marker=look.marker,
            markersize=5,
            capsize=3,
            linewidth=1.4,
        )
    frozen = rows[rows["loss"] == FROZEN]["recall_at_1"].iloc[0]
    axes.axhline(frozen, color="0.4", linestyle="--", linewidth=1, label=FROZEN)
    axes.set_xticks(sorted(rows["noise_level"].unique()))
