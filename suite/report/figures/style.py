"""How figures look: one colour and marker a loss, on paper and on web pages. Their bytes depend on their content alone."""

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
BLACK = "#000000"
SHAPES = {
    "o": "M-1,0A1,1 0 1,1 1,0A1,1 0 1,1 -1,0Z",
    "s": "M-.9,-.9H.9V.9H-.9Z",
    "^": "M0,-1.1L1.1,.9H-1.1Z",
    "D": "M0,-1.2L1.2,0L0,1.2L-1.2,0Z",
    "v": "M0,1.1L1.1,-.9H-1.1Z",
    "P": "M-.4,-1.1H.4V-.4H1.1V.4H.4V1.1H-.4V.4H-1.1V-.4H-.4Z",
    "X": "M-1.1,-.6L-.6,-1.1L0,-.5L.6,-1.1L1.1,-.6L.5,0L1.1,.6L.6,1.1L0,.5L-.6,1.1L-1.1,.6L-.5,0Z",
}
"""Matplotlib's markers as SVG paths about the origin: web pages and the figures of papers agree."""


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


def looks(losses: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and SVG path of each loss's marker; black follows the colour of the text, which is light on dark."""
    return {
        loss: ("currentColor" if look.color == BLACK else look.color, SHAPES[look.marker])
        for loss, look in loss_styles(losses).items()
    }


@contextmanager
def style() -> Iterator[None]:
    """Settings under which a figure is drawn and saved."""
    with mpl.rc_context({"svg.hashsalt": "pfml-suite", "svg.fonttype": "none", "pdf.fonttype": 42, "font.size": 10}):
        yield


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as the SVG ``path`` and, for papers, as a PDF beside it.

    Files are replaced atomically and hold no date. Parts that are marked as rasterised have 200 dots an inch.
    """
    for target, date in ((path, "Date"), (path.with_suffix(".pdf"), "CreationDate")):
        with replacing(target) as temporary:
            kind = target.suffix.removeprefix(".") or "svg"
            figure.savefig(temporary, format=kind, dpi=200, metadata={date: None})
