"""The toy problem's class field as filled contours, with the ways of its proxies: the decaying field beside the control."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure

from suite.report.figures.style import COLOURS, save_figure, style
from suite.report.figures.toy import Equilibrium, Toy

HALF_WIDTH, POINTS, LEVELS = 1.75, 201, 9


def draw_field_figure(toy: Toy, path: Path) -> None:
    """Write the figure as SVG and PDF; the same toy problem gives the same bytes."""
    with style():
        figure = Figure(figsize=(9.2, 4.9), layout="constrained")
        for axes, equilibrium in zip(figure.subplots(1, 2, sharey=True), toy.equilibria, strict=True):
            contours = _draw_contours(axes, equilibrium)
            _draw_points(axes, toy, equilibrium)
            axes.set(aspect="equal", xlim=(-HALF_WIDTH, HALF_WIDTH), ylim=(-HALF_WIDTH, HALF_WIDTH))
            axes.set_title(f"{equilibrium.title}: W2 = {equilibrium.w2:.2f}")
        bar = figure.colorbar(
            contours, ax=figure.axes[:2], shrink=0.8, pad=0.02, label="potential of the class (equal areas)"
        )
        bar.set_ticks(np.asarray(contours.levels)[[0, -1]].tolist(), labels=["low", "high"])
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        save_figure(figure, path)


def _draw_contours(axes: Axes, equilibrium: Equilibrium) -> QuadContourSet:
    """Levels that each cover the same area: the two fields differ by orders of magnitude."""
    line = torch.linspace(-HALF_WIDTH, HALF_WIDTH, POINTS, dtype=torch.float64)
    values = equilibrium.potential(torch.cartesian_prod(line, line)).reshape(POINTS, POINTS).T.numpy()
    levels = np.quantile(values, np.linspace(0, 1, LEVELS + 1))
    norm = BoundaryNorm(levels, 256)
    contours = axes.contourf(line.numpy(), line.numpy(), values, levels=levels, norm=norm, cmap="Blues_r")
    contours.set_rasterized(True)  # their outlines would be ten times as large
    return contours


def _draw_points(axes: Axes, toy: Toy, equilibrium: Equilibrium) -> None:
    paths = equilibrium.paths
    edge: dict[str, Any] = {"linestyle": "none", "markeredgecolor": "black"}
    axes.plot(paths[:, :, 0], paths[:, :, 1], color="black", linewidth=0.9)
    axes.plot(*paths[0].T, ".", color="black", markersize=6, label="proxies, start")
    axes.plot(*toy.embeddings.numpy().T, "o", color="white", markersize=6, label="embeddings of the class", **edge)
    axes.plot(*toy.others.numpy().T, "s", color=COLOURS[0], markersize=6, label="of the other class", **edge)
    axes.plot(*paths[-1].T, "X", color=COLOURS[4], markersize=9, label="proxies, at rest", **edge)
