"""The figures for papers, as they are, with a text that says what they show."""

import re
from pathlib import Path

from suite.files import replacing
from suite.report.site.render import Pages

KNOWN = {
    "field": (
        "Potential field of a class",
        (
            "A class of three clusters in the plane, the field of its potential as contours, and the ways that its proxies "
            "take downhill. Under the decaying field proxies come to rest among the embeddings; under the control they "
            "gather where the whole class pulls them. W2 is the Wasserstein distance between proxies at rest and embeddings."
        ),
    ),
    "influence": (
        "Influence by distance",
        "How strongly a positive and a negative at a given distance move an anchor, a line a loss, on logarithmic axes.",
    ),
    "noise": (
        "R@1 against label noise",
        (
            "Test R@1 with 95 % intervals against the share of wrong training labels, a panel a data set, a line a loss; "
            "the dashed line is the frozen backbone. The leaderboard has the numbers."
        ),
    ),
}
"""Title and description by the file's stem."""


def write_figures_page(pages: Pages, figures: tuple[Path, ...]) -> None:
    """Write ``figures.html`` and copy the figures beside it."""
    shown = []
    for path in figures:
        title, alt = KNOWN.get(
            path.stem, (_title(path.stem), f"{_title(path.stem)}; the documentation says how to read it.")
        )
        with replacing(pages.folder / "figures" / path.name) as temporary:
            temporary.write_bytes(path.read_bytes())
        shown.append({"path": f"figures/{path.name}", "title": title, "alt": alt})
    pages.write("figures.html", "figures", "Figures", figures=shown)


def _title(stem: str) -> str:
    return re.sub(r"[-_]+", " ", stem).strip().capitalize()
