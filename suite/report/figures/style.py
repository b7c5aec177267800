"""How figures look: one colour and marker a loss, and SVG and PDF whose bytes depend on their content alone."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from suite.files import replacing

# Okabe & Ito's palette, distinguishable for all common kinds of colour blindness; markers differ besides.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GRID_COLOUR = "0.9"


@dataclass(frozen=True)
class LossStyle:
    """Colour and marker of a loss."""

    color: str
    marker: str


def loss_styles(losses: Iterable[str]) -> dict[str, LossStyle]:
    """A style for each loss, in alphabetical order: the same losses look the same in every figure."""
    return {
        loss: LossStyle(COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)])
        for place, loss in enumerate(sorted(set(losses)))
    }


@contextmanager
def style() -> Iterator[None]:
    """Settings under which a figure is drawn and saved."""
    with mpl.rc_context({"svg.hashsalt": "pfml-suite", "svg.fonttype": "none", "pdf.fonttype": 42, "font.size": 10}):
        yield


def save_svg(figure: Figure, path: Path) -> None:
    """Write a figure as SVG without a date, atomically; parts that are marked as rasterised have 200 dots an inch."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="svg", dpi=200, metadata={"Date": None})


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as the SVG ``path`` and, for papers, as a PDF beside it; both without a date."""
    save_svg(figure, path)
    with replacing(path.with_suffix(".pdf")) as temporary:
        figure.savefig(temporary, format="pdf", dpi=200, metadata={"CreationDate": None})
