"""How figures look: one colour and marker a loss, on paper and on web pages. Their bytes depend on their content alone."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from suite.files import replacing
from suite.hashing import sha256_value

# Okabe & Ito's palette, distinguishable for all common kinds of colour blindness; markers differ besides.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_FIXED = (
    "cpml",
    "multi_similarity",
    "pfml",
    "proxy_anchor",
    "triplet",
    "prism",
    "sub_center_arcface",
    "soft_triple",
    "proxy_nca_pp",
    "hist",
    "smooth_ap",
    "recall_at_k",
    "supcon",
    "circle",
    "normalized_softmax",
    "cross_batch_memory",
    "super_loss",
    "smooth_proxy_anchor",
    "pfml_constant_force",
    "pfml_growing_force",
    "pfml_two_radii",
)
"""Built-in losses, in the order of their styles; the registry itself would load torch, which takes seconds."""
GRID_COLOUR = "0.9"
BLACK = "#000000"
_ENTRY, _CHARACTER = 0.6, 0.08
"""Inches of a legend's handle with its gaps, and of a character at the size of the figures' text."""
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
    """A style for each loss, in the order given; no two of up to 49 losses have the same.

    Built-in losses always look the same. Another one has the style that follows from its name; only where a loss before it
    has that already, it takes the next one. So no style changes when a loss is added behind the others.
    """
    names = list(dict.fromkeys(losses))
    free = [place for place in range(len(COLOURS) * len(MARKERS)) if place >= len(_FIXED)]
    places: dict[str, int] = {}
    for name in names:
        if name in _FIXED:
            places[name] = _FIXED.index(name)
            continue
        start = int(sha256_value(name), 16) % len(free)
        wanted = free[start:] + free[:start]
        taken = set(places.values())
        places[name] = next((place for place in wanted if place not in taken), wanted[0])
    return {name: _style(places[name]) for name in names}


def _style(place: int) -> LossStyle:
    """Neighbouring places differ in colour and marker."""
    return LossStyle(COLOURS[place % len(COLOURS)], MARKERS[(place + place // len(COLOURS)) % len(MARKERS)])


def looks(losses: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and SVG path of each loss's marker; black follows the colour of the text, which is light on dark."""
    return {
        loss: ("currentColor" if look.color == BLACK else look.color, SHAPES[look.marker])
        for loss, look in loss_styles(losses).items()
    }


def legend_columns(names: Iterable[str], width: float) -> int:
    """How many entries of a legend stand side by side in a figure of this width in inches, so that none is cut off."""
    widest = max(map(len, names), default=1)
    return max(1, min(6, int(width / (_ENTRY + _CHARACTER * widest))))


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
