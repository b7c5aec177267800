"""From names to file names and colours."""

import hashlib
import re
from collections.abc import Iterable

from suite.report.figures.style import loss_styles

SHAPES = {
    "o": "M-1,0A1,1 0 1,1 1,0A1,1 0 1,1 -1,0Z",
    "s": "M-.9,-.9H.9V.9H-.9Z",
    "^": "M0,-1.1L1.1,.9H-1.1Z",
    "D": "M0,-1.2L1.2,0L0,1.2L-1.2,0Z",
    "v": "M0,1.1L1.1,-.9H-1.1Z",
    "P": "M-.4,-1.1H.4V-.4H1.1V.4H.4V1.1H-.4V.4H-1.1V-.4H-.4Z",
    "X": "M-1.1,-.6L-.6,-1.1L0,-.5L.6,-1.1L1.1,-.6L.5,0L1.1,.6L.6,1.1L0,.5L-.6,1.1L-1.1,.6L-.5,0Z",
}
"""Matplotlib's markers as SVG paths about the origin: charts, legends and the figures of papers agree."""
BLACK = "#000000"


def slug(name: str) -> str:
    """A file name for a data set or loss: the name itself where settings allow it, else its safe part and a digest."""
    safe = re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-")
    return name if safe == name and name else f"{safe or 'x'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def looks(losses: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and SVG path of each loss's marker; black follows the colour of the text, which is light on dark."""
    return {
        loss: ("currentColor" if look.color == BLACK else look.color, SHAPES[look.marker])
        for loss, look in loss_styles(losses).items()
    }
