"""Pages of the data sets: samples, licences, data sheet; and small pictures of images, each written once."""

import io
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from suite.data.catalog import EMBEDDED, user_data_path, verified
from suite.data.split import num_training_classes
from suite.data.table import ImageTable, read_table
from suite.data.user import described
from suite.files import replacing
from suite.randomness import stream
from suite.report.sheets import user_sheet
from suite.report.site.inputs import Inputs
from suite.report.site.pages import Pages, markdown, slug
from suite.settings.params import DatasetSettings
from suite.settings.paths import DATA_FOLDER, SHEETS_FOLDER

SAMPLE_CLASSES, SAMPLE_IMAGES, STRIP = 9, 5, 8
THUMBNAIL_SIDE, THUMBNAIL_QUALITY = 64, 60


class Pictures:
    """Thumbnails of one data set.

    Attributes:
        table: the data set, or what the settings keep of it.
        pattern: path within the site of the thumbnail of a row.
    """

    def __init__(self, folder: str, table: ImageTable, site: Path) -> None:
        """Write into ``site/images/FOLDER``."""
        self.table = table
        self._site = site
        self.pattern = f"images/{folder}/{{row}}.webp"

    def path(self, row: int) -> str:
        """Path within the site of the thumbnail of a row, made when first asked for."""
        name = self.pattern.format(row=row)
        target = self._site / name
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(thumbnail(self.table.images[row]))
        return name

    def class_name(self, row: int) -> str:
        """Name of the class of a row."""
        return self.table.class_names[int(self.table.labels[row])]


def open_pictures(dataset: str, site: Path, max_classes: int | None = None) -> Pictures | None:
    """The pictures of a data set, cut down as ``read_table`` does, or None where its file is not there."""
    path = DATA_FOLDER / f"{dataset}.parquet" if dataset in EMBEDDED else user_data_path(dataset)
    return Pictures(slug(dataset), read_table(verified(dataset).path, max_classes), site) if path.is_file() else None


def thumbnail(encoded: bytes) -> bytes:
    """An encoded image as a WebP of at most ``THUMBNAIL_SIDE`` pixels a side."""
    image = Image.open(io.BytesIO(encoded)).convert("RGB")
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    image.save(written, "WEBP", quality=THUMBNAIL_QUALITY, method=6)
    return written.getvalue()


def first_rows(labels: NDArray[np.int64], classes: NDArray[np.int64], each: int) -> dict[int, list[int]]:
    """The first ``each`` rows of each class."""
    return {int(label): np.flatnonzero(labels == label)[:each].tolist() for label in classes}


def write_datasets(
    pages: Pages, inputs: Inputs, pictures: Mapping[str, Pictures], retrieval: Mapping[str, str]
) -> None:
    """Write ``datasets.html`` and a page a data set; ``retrieval`` names the page of neighbours where there is one."""
    listed = []
    for name in inputs.datasets:
        values: dict[str, Any] = {"name": name, "href": f"dataset-{slug(name)}.html", "counts": "", "strip": []}
        samples: list[dict[str, Any]] = []
        licences: list[list[Any]] = []
        if name in pictures:
            table = pictures[name].table
            samples = [_part(name, pictures[name], "training"), _part(name, pictures[name], "test")]
            licences = _licences(table)
            values["counts"] = (
                f"{table.num_classes:,} classes, {len(table.labels):,} images{_cut(inputs.entries.get(name))}"
            )
            values["strip"] = [group["pictures"][0] for part in samples for group in part["classes"]][:STRIP]
        listed.append(values)
        sheet = inputs.sheets.get(name) or _user_sheet(name, inputs, pictures)
        pages.write(
            values["href"],
            "dataset",
            name,
            "datasets.html",
            counts=values["counts"] + "; classes below were drawn at random.",
            samples=samples,
            missing=_missing(name, inputs),
            licences=licences,
            attachments=_attachments(name, pages.folder),
            sheet=None if sheet is None else markdown(sheet),
            retrieval_href=retrieval.get(name),
            on_board=any(dataset == name for dataset, _ in inputs.on_board),
        )
    pages.write("datasets.html", "datasets", "Data sets", datasets=listed)


def _missing(name: str, inputs: Inputs) -> Markup:
    """Why there are no samples, as HTML."""
    if name in EMBEDDED:
        return Markup("The data file is missing. Fetch it with <code>dvc pull data.dvc</code>.")
    if name in inputs.entries:
        return Markup("The images are not converted yet. Run <code>suite data user {}</code>.").format(name)
    return Markup("This project has no images of the data set.")


def _cut(entry: DatasetSettings | None) -> str:
    return "" if entry is None or entry.max_classes is None else f", cut down by max_classes: {entry.max_classes}"


def _user_sheet(name: str, inputs: Inputs, pictures: Mapping[str, Pictures]) -> str | None:
    """The sheet of a user's images that have none in ``docs/data``."""
    entry, made = inputs.entries.get(name), described(name)
    if entry is None or entry.path is None or made is None or name not in pictures:
        return None
    table = pictures[name].table if entry.max_classes is None else read_table(verified(name).path)
    return user_sheet(name, entry, table, made)


def _part(dataset: str, pictures: Pictures, half: str) -> dict[str, Any]:
    """Random classes of one half of the data set with their first images."""
    table = pictures.table
    boundary = num_training_classes(table.num_classes)
    classes = np.arange(boundary) if half == "training" else np.arange(boundary, table.num_classes)
    chosen = stream("site", "samples", dataset, half).permutation(classes)[:SAMPLE_CLASSES]
    groups = []
    for rows in first_rows(table.labels, chosen, SAMPLE_IMAGES).values():
        name = pictures.class_name(rows[0])
        shown = [{"path": pictures.path(row), "alt": f"{name}, image {n}"} for n, row in enumerate(rows, 1)]
        groups.append({"name": name, "pictures": shown})
    return {"title": f"{half.capitalize()} classes", "classes": groups}


def _licences(table: ImageTable) -> list[list[Any]]:
    """How many images have which licence, by source where sources are few."""
    few = len(set(table.sources)) <= 30
    sources = table.sources if few else ["all sources"] * len(table.sources)
    counts = Counter(zip(sources, table.licences, strict=True))
    return [[source, licence, f"{count:,}"] for (source, licence), count in sorted(counts.items())]


def _attachments(dataset: str, site: Path) -> list[str]:
    """The data sheet and the files beside it, copied into the site: they name each other. JSON loses its spaces."""
    names = []
    for path in sorted(SHEETS_FOLDER.glob(f"{dataset}.*")):
        content = path.read_bytes()
        if path.suffix == ".json":
            content = json.dumps(json.loads(content), ensure_ascii=False, separators=(",", ":")).encode()
        with replacing(site / path.name) as temporary:
            temporary.write_bytes(content)
        names.append(path.name)
    return names
