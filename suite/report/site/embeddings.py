"""Test embeddings that the train stage kept for seed 0, and what the pages show of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from suite.errors import SuiteError
from suite.randomness import stream

QUERIES, NEIGHBOURS = 8, 5
MAP_POINTS, MAP_CLASSES = 280, 21
"""About how many points a map has, and at most how many classes: four shapes of seven colours."""


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of the test classes.

    Attributes:
        vectors: (N, D) float32.
        labels: (N,) classes.
        rows: (N,) row numbers in the data file.
    """

    vectors: NDArray[np.float32]
    labels: NDArray[np.int64]
    rows: NDArray[np.int64]


def load_embeddings(path: Path) -> Embeddings:
    """Read a file of the train stage.

    Raises:
        SuiteError: it is damaged, or its arrays do not fit each other.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            vectors = file.get_tensor("embeddings").astype(np.float32)
            labels, rows = file.get_tensor("labels"), file.get_tensor("rows")
    except (SafetensorError, ValueError) as error:
        raise SuiteError(f"{path} is damaged: {error}; delete it and run: dvc repro") from error
    if vectors.ndim != 2 or not labels.shape == rows.shape == vectors.shape[:1]:
        raise SuiteError(
            f"{path}: embeddings {vectors.shape}, labels {labels.shape} and rows {rows.shape} do not fit; "
            "allowed are (N, D), (N,) and (N,)"
        )
    if not np.isfinite(vectors).all():
        raise SuiteError(f"{path} holds numbers that are not finite; delete it and run: dvc repro")
    return Embeddings(vectors, labels.astype(np.int64), rows.astype(np.int64))


def choose_queries(dataset: str, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of up to ``QUERIES`` items of different classes, drawn without regard to any result."""
    random = stream("site", "queries", dataset)
    sizes = np.bincount(labels)
    classes = random.permutation(np.flatnonzero(sizes > 1))[:QUERIES]
    return np.array([random.choice(np.flatnonzero(labels == label)) for label in classes], dtype=np.int64)


def nearest_neighbours(
    vectors: NDArray[np.float32], queries: NDArray[np.int64], count: int = NEIGHBOURS
) -> NDArray[np.int64]:
    """Indices (Q, count) of the nearest items by cosine, without the query; the lower index first among equals."""
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = units[queries] @ units.T
    similarity[np.arange(len(queries)), queries] = -np.inf
    return np.argsort(-similarity, axis=1, kind="stable")[:, : min(count, len(vectors) - 1)]


def choose_classes(dataset: str, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Classes of the map: as many as give about ``MAP_POINTS`` points, drawn without regard to any result."""
    present, sizes = np.unique(labels, return_counts=True)
    wanted = int(np.clip(MAP_POINTS // max(1, int(np.median(sizes))), 2, MAP_CLASSES))
    return np.sort(stream("site", "classes", dataset).permutation(present)[:wanted])


def in_plane(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """t-SNE (van der Maaten & Hinton 2008) of (N, D) by cosine; the same input gives the same (N, 2), for N > 3.

    One thread: a sum split over threads rounds differently, and t-SNE magnifies that.
    """
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    perplexity = min(30.0, (len(units) - 1) / 3)
    with threadpool_limits(1):
        plane = TSNE(perplexity=perplexity, init="pca", metric="euclidean", random_state=0).fit_transform(units)
    centred = plane - plane.mean(axis=0)
    return np.asarray(centred / np.abs(centred).max(), dtype=np.float64).round(3)


def shared_by_all(by_loss: Mapping[str, Embeddings], dataset: str) -> Embeddings:
    """The first of the embeddings, for labels and rows, which must be the same for every loss.

    Raises:
        SuiteError: they are not.
    """
    first_name, first = next(iter(by_loss.items()))
    for name, other in by_loss.items():
        if not np.array_equal(first.rows, other.rows):
            raise SuiteError(
                f"{dataset}: embeddings of {name} and {first_name} are of different rows; run again: dvc repro"
            )
    return first
