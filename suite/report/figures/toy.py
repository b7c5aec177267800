"""A two-class problem in the plane: the field of one class, where its proxies come to rest in it, and the figure of both.

The class has three clusters of four embeddings, the other class one cluster; all are fixed. Proxies are test particles that
follow the class field of the paper (Bhatnagar & Ahuja, CVPR 2025, Eq. 1 and 2) downhill. As many proxies as embeddings start
on a grid over the plane. Beside the decaying field stands the control of `baselines.cpml`, with psi_att = d^2 and
psi_rep = max(0, margin - d)^2.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import normalize

import pfml
from baselines.cpml import CPMLLoss
from suite.randomness import stream
from suite.report.figures.style import COLOURS, save_figure, style

_STEPS = 600
_FIRST_STEP, _LAST_STEP = 0.02, 0.0002
_HALF_WIDTH, _POINTS, _LEVELS = 1.75, 201, 9

_CENTRES = ((-1.15, -0.65), (1.15, -0.75), (0.1, 1.15))
_OTHER_CENTRE = (1.0, 0.7)
_CLUSTER, _SPREAD = 4, 0.13

Potential = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Equilibrium:
    """Proxies at rest in one field.

    Attributes:
        title: name of the field.
        potential: the class field, from points (P, 2) to (P,).
        paths: (number of steps + 1, M, 2): each proxy's way from its start to its rest.
        w2: exact 2-Wasserstein distance between proxies at rest and embeddings of the class.
    """

    title: str
    potential: Potential
    paths: NDArray[np.float64]
    w2: float


@dataclass(frozen=True)
class Toy:
    """The two classes and the two equilibria.

    Attributes:
        embeddings: (N, 2), the class whose field is shown.
        others: (K, 2), the other class.
        spread: root mean square distance of the embeddings from their mean.
        equilibria: decaying field, then control.
    """

    embeddings: Tensor
    others: Tensor
    spread: float
    equilibria: tuple[Equilibrium, Equilibrium]


def solve_toy() -> Toy:
    """Place the points and let the proxies come to rest; no argument, one result."""
    random = stream("figures", "field")
    around = torch.tensor([*_CENTRES, _OTHER_CENTRE], dtype=torch.float64).repeat_interleave(_CLUSTER, dim=0)
    points = around + _SPREAD * torch.from_numpy(random.standard_normal(around.shape))
    embeddings, others = points[: len(_CENTRES) * _CLUSTER], points[len(_CENTRES) * _CLUSTER :]

    # The losses' own defaults; the dimension and the number of classes do not matter here.
    field, contrastive = pfml.PotentialFieldLoss(1, 2, 0), CPMLLoss(1, 2, 0)

    def decaying(at: Tensor) -> Tensor:
        attraction = pfml.attraction(_distances(at, embeddings), field.alpha, field.delta).sum(dim=1)
        return attraction + pfml.repulsion(_distances(at, others), field.alpha, field.delta, field.min_distance).sum(
            dim=1
        )

    def control(at: Tensor) -> Tensor:
        attraction = _distances(at, embeddings).square().sum(dim=1)
        return attraction + (contrastive.margin - _distances(at, others)).clamp(min=0).square().sum(dim=1)

    equilibria = []
    for title, potential in (("decaying field", decaying), ("non-decaying control", control)):
        paths = descend(potential, _starts())
        equilibria.append(Equilibrium(title, potential, paths, matched_wasserstein(paths[-1], embeddings.numpy())))
    mean = embeddings.mean(dim=0)
    spread = math.sqrt((embeddings - mean).square().sum(dim=1).mean().item())
    return Toy(embeddings, others, spread, (equilibria[0], equilibria[1]))


def descend(potential: Potential, start: Tensor) -> NDArray[np.float64]:
    """Follow the direction of steepest descent from (P, 2), in steps that shrink; gives (number of steps + 1, P, 2).

    Directions only: forces differ by orders of magnitude along a path and jump at delta. A particle without a force rests.
    """
    at, path = start, [start]
    for step in np.geomspace(_FIRST_STEP, _LAST_STEP, _STEPS):
        moving = at.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(potential(moving).sum(), moving)
        at = at - float(step) * normalize(gradient, eps=1e-30)
        path.append(at)
    return torch.stack(path).numpy()


def matched_wasserstein(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Exact W2 of two uniform measures on as many points each, (N, D): an optimal assignment attains it (Birkhoff)."""
    squares = np.square(a[:, None] - b[None]).sum(axis=2)
    return math.sqrt(squares[linear_sum_assignment(squares)].mean())


def _starts() -> Tensor:
    """A 4 x 3 grid: one start for each embedding, chosen without regard to them."""
    across, up = torch.linspace(-1.5, 1.5, 4), torch.linspace(-1.1, 1.1, 3)
    return torch.cartesian_prod(across, up).double()


def _distances(a: Tensor, b: Tensor) -> Tensor:
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def draw_field_figure(toy: Toy, path: Path) -> None:
    """Write the figure as SVG and PDF; the same toy problem gives the same bytes."""
    with style():
        figure = Figure(figsize=(9.2, 4.9), layout="constrained")
        for axes, equilibrium in zip(figure.subplots(1, 2, sharey=True), toy.equilibria, strict=True):
            contours = _draw_contours(axes, equilibrium)
            _draw_points(axes, toy, equilibrium)
            axes.set(aspect="equal", xlim=(-_HALF_WIDTH, _HALF_WIDTH), ylim=(-_HALF_WIDTH, _HALF_WIDTH))
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
    line = torch.linspace(-_HALF_WIDTH, _HALF_WIDTH, _POINTS, dtype=torch.float64)
    values = equilibrium.potential(torch.cartesian_prod(line, line)).reshape(_POINTS, _POINTS).T.numpy()
    levels = np.quantile(values, np.linspace(0, 1, _LEVELS + 1))
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


def describe_toy(toy: Toy) -> list[str]:
    """What the figure shows, in numbers."""
    lines = [f"W2 of {equilibrium.title}: {equilibrium.w2:.2f}" for equilibrium in toy.equilibria]
    return [*lines, f"standard deviation of the class: {toy.spread:.2f}"]
