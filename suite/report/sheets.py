"""Data sheets: the measured part of ``docs/data/DATASET.md``, and the whole sheet of a user's own images."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from suite.data.catalog import user_data_path, verified
from suite.data.features import Features, load_features
from suite.data.split import num_training_classes
from suite.data.table import ImageTable, read_table
from suite.data.user import UserData, measured_path
from suite.data.user_images import QUALITY
from suite.errors import SuiteError
from suite.evaluation.frozen import PIXEL_SIDE, baseline_table
from suite.evaluation.retrieval import MAIN_METRIC
from suite.files import read_json, write_text
from suite.hashing import sha256_code, sha256_file, sha256_value
from suite.report.text import markdown_table
from suite.settings.params import BackboneSettings, DatasetSettings
from suite.settings.paths import FEATURES, FROZEN_METRICS, SHEETS_FOLDER

MARKER = "<!-- baselines -->"
END_MARKER = "<!-- end of baselines -->"


def update_sheet(dataset: str, console: Console) -> str:
    """Measure a data set, put the result between the markers of ``docs/data/DATASET.md``, and give it.

    Features are those of the embedded backbone. They are taken from the pipeline's file where it holds them for the whole
    data set, and computed otherwise.

    Raises:
        SuiteError: the data file or the sheet is missing, or the sheet lacks the marker.
    """
    data = verified(dataset)
    table = read_table(data.path)
    sheet = SHEETS_FOLDER / f"{dataset}.md"
    text = sheet.read_text(encoding="utf-8") if sheet.is_file() else ""
    if MARKER not in text:
        raise SuiteError(f"data sheet {sheet} lacks the line {MARKER}")
    measured = measured_part(dataset, table, _features(dataset, table, data.sha256, console))
    before, rest = text.split(MARKER, 1)
    after = rest.split(END_MARKER, 1)[1] if END_MARKER in rest else rest
    write_text(sheet, f"{before}{MARKER}\n{measured}{END_MARKER}{after}")
    return measured


def _features(dataset: str, table: ImageTable, data_sha256: str, console: Console) -> Features:
    backbone = BackboneSettings()
    stored = stored_features(dataset, table, data_sha256)
    if stored is not None and stored[1] == backbone.name:
        return stored[0]
    from suite.training.features import features_of  # with the backbone's library, which the pages do not need

    return features_of(table, dataset, data_sha256, backbone, console)


def stored_features(dataset: str, table: ImageTable, data_sha256: str) -> tuple[Features, str] | None:
    """The pipeline's features of a data set and the name of the backbone that made them.

    None where they are not there, or are of another file or of a part of its classes.

    Raises:
        SuiteError: the file of features is damaged.
    """
    path, made_with = (Path(name.format(dataset=dataset)) for name in (FEATURES, FROZEN_METRICS))
    if not (path.is_file() and made_with.is_file()):
        return None
    stored = load_features(path)
    if stored.data_sha256 != data_sha256 or not np.array_equal(stored.labels, table.labels):
        return None
    return stored, read_json(made_with)["backbone"]


def measured_part(dataset: str, table: ImageTable, features: Features) -> str:
    """The measured part of a sheet: its table, what printed it, and the images a class, as Markdown."""
    counts = np.bincount(table.labels)
    images = f"Images a class: {counts.min()} to {counts.max()}, median {int(np.median(counts))}."
    return f"Printed by `suite data sheet {dataset}`:\n\n{measured_table(table, features)}\n{images}\n"


def measured_table(table: ImageTable, features: Features) -> str:
    """Counts, images with equal pixels, and what is found without training, as a table in Markdown.

    Hubness is the skewness of how often an image is among the nearest of a query, as in the records of runs.
    """
    test = table.labels >= num_training_classes(table.num_classes)
    rows = [
        ["classes", *(str(len(np.unique(table.labels[part]))) for part in (~test, test))],
        ["images", *(str(int(part.sum())) for part in (~test, test))],
    ]
    pixels = digests_of_pixels(table)
    within, across = zip(*(identical_images(pixels, table.labels, part) for part in (~test, test)), strict=True)
    rows.append(["images equal to another of their class", *map(str, within)])
    rows.append(["images equal to one of another class", *map(str, across)])
    rows.append(
        ["images equal to one of the other half", *(str(shared_images(pixels, each)) for each in (~test, test))]
    )
    found = baseline_table(table, features)
    for name, parts in found.items():
        rows.append([f"R@1 of {name} (%)", *(f"{100 * each.metrics[MAIN_METRIC]:.1f}" for each in parts.values())])
    for name, parts in found.items():
        rows.append([f"hubness of {name}", *(f"{each.hubness:.2f}" for each in parts.values())])
    return markdown_table(["", "training classes", "test classes"], rows, ["---", "---:", "---:"])


def digests_of_pixels(table: ImageTable) -> list[bytes]:
    """A digest of the pixels of each image (N,)."""
    rows = range(len(table.labels))
    return [hashlib.sha256(table.decode(np.array([row])).tobytes()).digest() for row in rows]


def shared_images(pixels: Sequence[bytes], chosen: NDArray[np.bool_]) -> int:
    """How many of the chosen images (N,) have the pixels (N,) of one that is not chosen."""
    others = {each for each, mine in zip(pixels, chosen, strict=True) if not mine}
    return sum(each in others for each, mine in zip(pixels, chosen, strict=True) if mine)


def identical_images(pixels: Sequence[bytes], labels: NDArray[np.int64], chosen: NDArray[np.bool_]) -> tuple[int, int]:
    """How many images have the pixels of another one of their class, and how many those of an image of another class.

    Args:
        pixels: (N,) digests of the images' pixels.
        labels: (N,) their classes.
        chosen: (N,) which of them are looked at.
    """
    labels_of: dict[bytes, list[int]] = {}
    for each, label, mine in zip(pixels, labels.tolist(), chosen, strict=True):
        if mine:
            labels_of.setdefault(each, []).append(label)
    copies = [Counter(labels) for labels in labels_of.values() if len(labels) > 1]
    within = sum(count for each in copies for count in each.values() if count > 1)
    return within, sum(each.total() for each in copies if len(each) > 1)


def user_sheet(name: str, settings: DatasetSettings, table: ImageTable, made: UserData) -> str:
    """The sheet of a user's images: where they come from, what was measured, and what is weak about them.

    Images with equal pixels, hubness and what is found without training are measured with the pipeline's features, once
    it has made them.

    Args:
        name: of the data set.
        settings: its entry, which has a path.
        table: its converted images.
        made: what the conversion says of them.
    """
    training = table.labels < num_training_classes(table.num_classes)
    halves = {"training half": training, "test half": ~training, "all": np.ones_like(training)}
    counts = markdown_table(
        ["", "classes", "images", "images a class (min / median / max)"],
        [[half, *_counts(table.labels[chosen])] for half, chosen in halves.items()],
    )
    kind = "a folder of class folders" if Path(str(settings.path)).is_dir() else "a table of image files and labels"
    weaknesses = "\n".join(f"- {_plain(remark)}" for remark in made.remarks) or "The conversion found none."
    return f"""# {name}

Images of your own, from {_plain(str(settings.path))}, {kind}. Licence: {_plain(settings.licence)}.

{counts}
Images are {settings.side} x {settings.side} pixels, scaled to fit and cut at the centre, on white, WebP quality
{QUALITY}. The file `{user_data_path(name)}` has SHA-256 `{made.data_sha256}`.

## Baselines

{_baselines(name, table, made.data_sha256)}
## Weaknesses

{weaknesses}

This text was written from the converted file. To replace it, write a file `docs/data/{name}.md`.
"""


def _baselines(name: str, table: ImageTable, data_sha256: str) -> str:
    stored = stored_features(name, table, data_sha256)
    if stored is None:
        return (
            "Not measured: features of all these images are not there. `dvc repro` makes them, without `max_classes`.\n"
        )
    features, backbone = stored
    return f"""{_kept_table(name, table, features)}
Raw pixels are the image averaged down to {PIXEL_SIDE} x {PIXEL_SIDE}, less its mean; the frozen backbone is
{_plain(backbone)}. Both are compared by cosine. Each half is its own gallery, the query excluded.
"""


def _kept_table(name: str, table: ImageTable, features: Features) -> str:
    """The measured table of a user's images, measured only once for the same images, features and code."""
    path = measured_path(name)
    measured_with = [sha256_file(Path(FEATURES.format(dataset=name))), sha256_code(Path(__file__))]
    first_line = f"<!-- measured with {sha256_value([features.data_sha256, *measured_with])} -->\n"
    kept = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if kept.startswith(first_line):
        return kept.removeprefix(first_line)
    measured = measured_table(table, features)
    write_text(path, first_line + measured)
    return measured


def _counts(labels: NDArray[np.int64]) -> list[str]:
    sizes = np.unique(labels, return_counts=True)[1]
    return [f"{len(sizes):,}", f"{len(labels):,}", f"{sizes.min()} / {np.median(sizes):g} / {sizes.max()}"]


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is."""
    return "".join(f"\\{sign}" if sign in r"\`*_[]<>|#" else sign for sign in text)
