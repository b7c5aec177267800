"""Retrieval metrics on unit-norm embeddings: R@K, MAP@R and R-precision.

Sources: R@K as of Oh Song et al., "Deep Metric Learning via Lifted Structured Feature Embedding" (CVPR 2016);
MAP@R and R-precision as of Musgrave et al., "A Metric Learning Reality Check" (ECCV 2020), Eq. 3-4, where R is the number
of other items of the query's class. Every item is a query once and the gallery is all other items: self is excluded by
index, never by rank, so that duplicates of a query count as what they are. Among equal similarities the lower index
wins. Queries whose class has no other item cannot be answered; they are left out and counted. The search runs in blocks
of queries (faiss, exact inner product), so memory does not grow with the square of the number of items.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from suite.errors import SuiteError

_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What a search over all items found.

    Attributes:
        metrics: ``recall_at_K`` for each K, ``map_at_r`` and ``r_precision``, in [0, 1].
        class_hits: for each class, in the order of labels, the answered queries whose nearest item is of their class.
        class_queries: for each class, the number of answered queries.
    """

    metrics: dict[str, float]
    class_hits: list[int]
    class_queries: list[int]


def retrieval_metrics(
    embeddings: NDArray[np.float32], labels: NDArray[np.integer], k_values: Sequence[int] = (1, 2, 4, 8)
) -> dict[str, float]:
    """The ``metrics`` of ``retrieve``, and ``queries``, the number of queries that were answered."""
    found = retrieve(embeddings, labels, k_values)
    return found.metrics | {"queries": float(sum(found.class_queries))}


def retrieve(
    embeddings: NDArray[np.float32], labels: NDArray[np.integer], k_values: Sequence[int] = (1, 2, 4, 8)
) -> Retrieval:
    """Search every item's nearest others and judge them.

    Args:
        embeddings: (N, D) float32, rows of unit norm.
        labels: (N,) integer classes.
        k_values: the K of R@K, each at least 1.

    Raises:
        SuiteError: shapes do not match, embeddings are not finite, or no class has two items.
    """
    embeddings, labels = _checked(embeddings, labels)
    class_sizes = np.bincount(labels)
    relevant = class_sizes[labels] - 1
    depth = min(max(int(relevant.max()), *k_values), len(labels) - 1)
    index = faiss.IndexFlatIP(embeddings.shape[1])
    index.add(embeddings)
    totals = np.zeros(len(k_values) + 2)
    first_hits = np.zeros(len(labels), bool)
    for start in range(0, len(labels), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(labels)))
        rows = rows[relevant[rows] > 0]
        if len(rows):
            neighbours = _nearest_others(index, embeddings, rows, depth)
            hits = labels[neighbours] == labels[rows, None]
            first_hits[rows] = hits[:, 0]
            totals += _summed(hits, relevant[rows], k_values)
    answered = int((relevant > 0).sum())
    names = [f"recall_at_{k}" for k in k_values] + ["map_at_r", "r_precision"]
    metrics = {name: float(total / answered) for name, total in zip(names, totals, strict=True)}
    return Retrieval(
        metrics,
        np.bincount(labels, weights=first_hits).astype(int).tolist(),
        np.bincount(labels, weights=relevant > 0).astype(int).tolist(),
    )


def _checked(
    embeddings: NDArray[np.float32], labels: NDArray[np.integer]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    embeddings = np.ascontiguousarray(embeddings, dtype=np.float32)
    labels = np.asarray(labels)
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        raise SuiteError(
            f"retrieval: labels of shape {labels.shape} do not fit embeddings of shape {embeddings.shape}; "
            "allowed are (N,) and (N, D)"
        )
    if not np.isfinite(embeddings).all():
        raise SuiteError("retrieval: embeddings are not finite")
    codes = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    if len(codes) == 0 or np.bincount(codes).max() < 2:
        raise SuiteError("retrieval: no class has two items, so there is nothing to retrieve")
    return embeddings, codes


def _nearest_others(
    index: faiss.IndexFlatIP, embeddings: NDArray[np.float32], rows: NDArray[np.int64], depth: int
) -> NDArray[np.int64]:
    """Indices (len(rows), depth) of the nearest items other than the query, by similarity, then by index."""
    size = embeddings.shape[0]
    wanted = min(depth + 1, size)
    fetched = min(depth + 9, size)
    while True:
        similarity, found = index.search(embeddings[rows], fetched)
        # A run of equal similarities that reaches the last column may hide a lower index behind it: fetch more.
        cut = (similarity[:, -1] == similarity[:, wanted - 1]) if fetched < size else np.zeros(len(rows), bool)
        if not cut.any():
            break
        fetched = min(fetched * 4, size)
    # Descending as found: only rows with equal similarities need the rule by index. Sorting all takes a tenth of the search.
    tied = np.flatnonzero((similarity[:, 1:] >= similarity[:, :-1]).any(axis=1))
    order = np.lexsort((found[tied], -similarity[tied]), axis=1)
    found[tied] = np.take_along_axis(found[tied], order, axis=1)
    # All but one column of each row: without the query itself, or where it was not found, without the last.
    kept = found != rows[:, None]
    kept[kept.all(axis=1), -1] = False
    others: NDArray[np.int64] = found[kept].reshape(len(rows), -1)[:, :depth]
    return others


def _summed(hits: NDArray[np.bool_], relevant: NDArray[np.int64], k_values: Sequence[int]) -> NDArray[np.float64]:
    """Sums over queries of each R@K, MAP@R and R-precision for hits (Q, depth) and R (Q,)."""
    recalls = [float(hits[:, :k].any(axis=1).sum()) for k in k_values]
    within_r = hits & (np.arange(hits.shape[1]) < relevant[:, None])
    precision = np.cumsum(within_r, axis=1) / np.arange(1, hits.shape[1] + 1)
    map_at_r = ((precision * within_r).sum(axis=1) / relevant).sum()
    r_precision = (within_r.sum(axis=1) / relevant).sum()
    return np.array([*recalls, map_at_r, r_precision])
