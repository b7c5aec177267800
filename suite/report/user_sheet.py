"""The data sheet of a user's own images, written from what the conversion knows."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from suite.data.catalog import user_data_path
from suite.data.split import num_training_classes
from suite.data.table import ImageTable
from suite.data.user import UserData
from suite.data.user_images import QUALITY
from suite.settings.params import DatasetSettings

_LINE = "\n"


def user_sheet(name: str, settings: DatasetSettings, table: ImageTable, made: UserData) -> str:
    """Where the images come from, how many there are in each half, and what is weak about them, as Markdown.

    Args:
        name: of the data set.
        settings: its entry, which has a path.
        table: its converted images.
        made: what the conversion says of them.
    """
    training = table.labels < num_training_classes(table.num_classes)
    parts = {"training half": training, "test half": ~training, "all": np.ones_like(training)}
    rows = [f"| {part} | {_counts(table.labels[chosen])} |" for part, chosen in parts.items()]
    kind = "a folder of class folders" if Path(str(settings.path)).is_dir() else "a table of image files and labels"
    weaknesses = [f"- {_plain(remark)}" for remark in made.remarks] or ["The conversion found none."]
    return f"""# {name}

Images of your own, from {_plain(str(settings.path))}, {kind}. Licence: {_plain(settings.licence)}.

| | classes | images | images a class (min / median / max) |
|---|---|---|---|
{_LINE.join(rows)}

Images are {settings.side} x {settings.side} pixels, scaled to fit and cut at the centre, on white, WebP quality
{QUALITY}. The file `{user_data_path(name)}` has SHA-256 `{made.data_sha256}`.

## Weaknesses

{_LINE.join(weaknesses)}

Written from the converted file; a file `docs/data/{name}.md` takes the place of this text.
"""


def _counts(labels: NDArray[np.int64]) -> str:
    sizes = np.unique(labels, return_counts=True)[1]
    return f"{len(sizes):,} | {len(labels):,} | {sizes.min()} / {np.median(sizes):g} / {sizes.max()}"


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is."""
    return "".join(f"\\{sign}" if sign in r"\`*_[]<>|#" else sign for sign in text)
