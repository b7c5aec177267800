"""Pages of retrieval: the same queries and their nearest neighbours under every loss, and maps of the embeddings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from suite.data.split import num_training_classes
from suite.data.table import ImageTable
from suite.errors import SuiteError
from suite.report.figures.style import looks
from suite.report.site.charts import Spec, plane_chart
from suite.report.site.datasets import Pictures
from suite.report.site.embeddings import (
    NEIGHBOURS,
    Embeddings,
    choose_classes,
    choose_queries,
    in_plane,
    load_embeddings,
    nearest_neighbours,
    shared_by_all,
)
from suite.report.site.pages import Pages, slug
from suite.settings.paths import EMBEDDINGS, RUNS_FOLDER

FEWEST = 8
"""A map of fewer points shows nothing."""
MOST_LOSSES = 6
"""Losses that a page shows: more cannot be compared by eye, and make a page of megabytes."""


def retrieval_page(dataset: str) -> str:
    """File name of the page of a data set."""
    return f"retrieval-{slug(dataset)}.html"


def find_embeddings(dataset: str, losses: Sequence[str], level: float) -> dict[str, Embeddings]:
    """Embeddings of a data set by loss at one noise level; none of items for a loss whose first run failed."""
    name = EMBEDDINGS.format(noise_level=level)
    paths = {loss: RUNS_FOLDER / f"{dataset}-{loss}" / name for loss in losses}
    return {loss: load_embeddings(path) for loss, path in paths.items() if path.is_file()}


def write_retrieval(
    pages: Pages,
    dataset: str,
    by_loss: Mapping[str, Embeddings],
    pictures: Pictures,
    level: float,
    losses: tuple[str, ...],
) -> None:
    """Write the page of one data set; at least one of ``by_loss`` must not be of a failed run.

    Raises:
        SuiteError: the embeddings are of other data.
    """
    failed = [loss for loss, embeddings in by_loss.items() if not len(embeddings.rows)]
    finished = [loss for loss in by_loss if loss not in failed]
    shown, left_out = finished[:MOST_LOSSES], finished[MOST_LOSSES:]
    by_loss = {loss: by_loss[loss] for loss in shown}
    shared = shared_by_all(by_loss, dataset)
    if not _of_test_classes(shared, pictures.table):
        raise SuiteError(f"{dataset}: the embeddings in {RUNS_FOLDER}/ are of other images; run again: dvc repro")
    look = looks(losses)
    queries = choose_queries(dataset, shared.labels)
    found = {loss: nearest_neighbours(embeddings.vectors, queries) for loss, embeddings in by_loss.items()}
    gallery = []
    for place, query in enumerate(queries):
        row = int(shared.rows[query])
        answers = [
            {"loss": loss, "look": look[loss], "found": _items(shared, pictures, int(query), neighbours[place])}
            for loss, neighbours in found.items()
        ]
        gallery.append({"name": pictures.class_name(row), "path": pictures.path(row), "answers": answers})
    charts: dict[str, Spec] = {}
    classes, maps = _maps(dataset, by_loss, shared, pictures, charts)
    pages.write(
        retrieval_page(dataset),
        "retrieval",
        f"Retrieval on {dataset}",
        "datasets.html",
        gallery=gallery,
        depth=min(NEIGHBOURS, len(shared.labels) - 1),
        note=_note(shared, level, failed, left_out),
        map_note=(
            f"A t-SNE map of the test images of {len(classes)} classes drawn at random. Neighbours on the map are "
            "neighbours in the embedding. Distances between groups and the sizes of groups mean little. Point at a mark to "
            "see its image."
        ),
        classes=classes,
        maps=maps,
        charts=charts,
    )


def _of_test_classes(embeddings: Embeddings, table: ImageTable) -> bool:
    """Whether embeddings are of rows of the test classes of a table, by number and label."""
    if embeddings.rows.max() >= len(table.labels) or embeddings.labels.min() < num_training_classes(table.num_classes):
        return False
    return np.array_equal(table.labels[embeddings.rows], embeddings.labels)


def _note(shared: Embeddings, level: float, failed: Sequence[str], left_out: Sequence[str]) -> str:
    text = (
        f"Embeddings of seed 0 at label noise {level:g}: {len(shared.labels):,} test images of "
        f"{len(np.unique(shared.labels)):,} classes that no loss was trained on, each searched among all others."
    )
    if failed:
        text += f" The run of {', '.join(failed)} failed and left no embeddings."
    return f"{text} Left out, for want of room: {', '.join(left_out)}." if left_out else text


def _items(shared: Embeddings, pictures: Pictures, query: int, neighbours: Any) -> list[dict[str, Any]]:
    items = []
    for rank, index in enumerate(neighbours.tolist(), 1):
        row, right = int(shared.rows[index]), bool(shared.labels[index] == shared.labels[query])
        alt = f"neighbour {rank}, {'right' if right else 'wrong'}: {pictures.class_name(row)}"
        items.append({"path": pictures.path(row), "alt": alt, "right": right})
    return items


def _maps(
    dataset: str,
    by_loss: Mapping[str, Embeddings],
    shared: Embeddings,
    pictures: Pictures,
    charts: dict[str, Spec],
) -> tuple[list[str], list[tuple[str, str]]]:
    chosen = np.flatnonzero(np.isin(shared.labels, choose_classes(dataset, shared.labels)))
    rows = shared.rows[chosen].tolist()
    classes = list(dict.fromkeys(pictures.class_name(row) for row in rows))
    maps: list[tuple[str, str]] = []
    if len(chosen) < FEWEST:
        return classes, maps
    for loss, embeddings in by_loss.items():
        plane = in_plane(embeddings.vectors[chosen]).tolist()
        points = [
            {"x": x, "y": y, "class": pictures.class_name(row), "row": row}
            for (x, y), row in zip(plane, rows, strict=True)
            if pictures.path(row)  # the image is made
        ]
        name = f"map-{slug(loss)}"
        charts[name] = plane_chart(points, loss, classes, pictures.pattern)
        maps.append((name, f"{len(points)} test images of {len(classes)} classes under {loss}."))
    return classes, maps
