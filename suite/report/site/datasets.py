"""Pages of the data sets: samples, licences, data sheet."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from suite.data.split import num_training_classes
from suite.data.table import ImageTable
from suite.data.user import described
from suite.files import replacing
from suite.randomness import stream
from suite.report.data_sheet import SHEETS_FOLDER
from suite.report.site.inputs import Inputs
from suite.report.site.names import slug
from suite.report.site.pictures import Pictures, first_rows
from suite.report.site.render import Pages, markdown
from suite.report.user_sheet import user_sheet

SAMPLE_CLASSES, SAMPLE_IMAGES, STRIP = 9, 5, 8


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
            values["counts"] = f"{table.num_classes:,} classes, {len(table.labels):,} images"
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
            licences=licences,
            attachments=_attachments(name, pages.folder),
            sheet=None if sheet is None else markdown(sheet),
            retrieval_href=retrieval.get(name),
        )
    pages.write("datasets.html", "datasets", "Data sets", datasets=listed)


def _user_sheet(name: str, inputs: Inputs, pictures: Mapping[str, Pictures]) -> str | None:
    """The sheet of images of the user's own that have none in ``docs/data``."""
    entry, made = inputs.entries.get(name), described(name)
    if entry is None or entry.path is None or made is None or name not in pictures:
        return None
    return user_sheet(name, entry, pictures[name].table, made)


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
    """Files of notices and credits beside the data sheet, copied into the site."""
    names = []
    for path in sorted(SHEETS_FOLDER.glob(f"{dataset}.*")):
        if path.suffix != ".md":
            with replacing(site / path.name) as temporary:
                temporary.write_bytes(path.read_bytes())
            names.append(path.name)
    return names
