"""Retrieval metrics on unit-norm embeddings: R@K, MAP@R and R-precision.

Sources: R@K as of Oh Song et al., "Deep Metric Learning via Lifted Structured Feature Embedding" (CVPR 2016);
MAP@R and R-precision as of Musgrave et al., "A Metric Learning Reality Check" (ECCV 2020), Eq. 3-4, where R is the number
of other items of the query's class. Every item is a query once and the gallery is all other items: self is excluded by
index, never by rank, so that duplicates of a query count as what they are. Among equal similarities the lower index
wins. Queries whose class has no other item cannot be answered; they are left out and counted. The search runs in blocks
of queries (faiss, exact inner product), so memory does not grow with the square of the number of items.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import faiss
import numpy as np
from numpy.typing import NDArray

from suite.errors import SuiteError, allowed

_BLOCK = 1024
HUB_DEPTH = 10
"""Nearest others of a query that count for hubness."""

Hits = NDArray[np.bool_]
"""(Q, depth): whether the neighbour of a rank is of the query's class."""
Relevant = NDArray[np.int64]
"""(Q,): R, the number of other items of the query's class."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A retrieval metric.

    Attributes:
        label: how tables and charts call it.
        total: its sum over queries, from hits (Q, depth) and R (Q,).
        depth: ranks that it needs besides the R of each query.
        by_default: whether every run is measured by it.
    """

    label: str
    total: Callable[[Hits, Relevant], float]
    depth: int = 0
    by_default: bool = True


def _recall(hits: Hits, _: Relevant, *, k: int) -> float:
    return float(hits[:, :k].any(axis=1).sum())


def _map_at_r(hits: Hits, relevant: Relevant) -> float:
    within_r = _within_r(hits, relevant)
    precision = np.cumsum(within_r, axis=1) / np.arange(1, hits.shape[1] + 1)
    return float(((precision * within_r).sum(axis=1) / relevant).sum())


def _r_precision(hits: Hits, relevant: Relevant) -> float:
    return float((_within_r(hits, relevant).sum(axis=1) / relevant).sum())


def _within_r(hits: Hits, relevant: Relevant) -> Hits:
    within: Hits = hits & (np.arange(hits.shape[1]) < relevant[:, None])
    return within


def _recall_at(k: int, *, by_default: bool) -> Metric:
    return Metric(f"R@{k}", partial(_recall, k=k), k, by_default)


METRICS = {
    **{f"recall_at_{k}": _recall_at(k, by_default=True) for k in (1, 2, 4, 8)},
    "map_at_r": Metric("MAP@R", _map_at_r),
    "r_precision": Metric("R-precision", _r_precision),
    **{f"recall_at_{k}": _recall_at(k, by_default=False) for k in (10, 100, 1000)},
}
"""All metrics by name: what records, tables and claims may name."""
MEASURED = tuple(name for name, metric in METRICS.items() if metric.by_default)
"""What every run is measured by."""
MAIN_METRIC = "recall_at_1"
"""What the leaderboard ranks by."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What a search over all items found.

    Attributes:
        metrics: by name, in [0, 1].
        class_hits: for each class, in the order of labels, the answered queries whose nearest item is of their class.
        class_queries: for each class, the number of answered queries.
        hubness: skewness of how often an item is among the ``HUB_DEPTH`` nearest of a query (Radovanovic et al., JMLR 2010);
            0 where all are equally often.
    """

    metrics: dict[str, float]
    class_hits: list[int]
    class_queries: list[int]
    hubness: float = 0.0


def retrieve(
    embeddings: NDArray[np.float32], labels: NDArray[np.integer], metrics: Sequence[str] = MEASURED
) -> Retrieval:
    """Search every item's nearest others and judge them.

    Args:
        embeddings: (N, D) float32, rows of unit norm.
        labels: (N,) integer classes.
        metrics: names of metrics.

    Raises:
        SuiteError: shapes do not match, embeddings are not finite, no class has two items, or a metric is unknown.
    """
    for name in metrics:
        if name not in METRICS:
            raise SuiteError(f"metric {name!r} is unknown; allowed: {allowed(METRICS)}")
    chosen = [METRICS[name] for name in metrics]
    embeddings, labels = _checked(embeddings, labels)
    class_sizes = np.bincount(labels)
    relevant = class_sizes[labels] - 1
    depth = min(max(int(relevant.max()), HUB_DEPTH, *(metric.depth for metric in chosen)), len(labels) - 1)
    index = faiss.IndexFlatIP(embeddings.shape[1])
    index.add(embeddings)
    totals = np.zeros(len(chosen))
    first_hits, occurrences = np.zeros(len(labels), bool), np.zeros(len(labels))
    for start in range(0, len(labels), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(labels)))
        rows = rows[relevant[rows] > 0]
        if len(rows):
            neighbours = _nearest_others(index, embeddings, rows, depth)
            hits = labels[neighbours] == labels[rows, None]
            first_hits[rows] = hits[:, 0]
            occurrences += np.bincount(neighbours[:, :HUB_DEPTH].ravel(), minlength=len(labels))
            totals += [metric.total(hits, relevant[rows]) for metric in chosen]
    answered = int((relevant > 0).sum())
    return Retrieval(
        {name: float(total / answered) for name, total in zip(metrics, totals, strict=True)},
        np.bincount(labels, weights=first_hits).astype(int).tolist(),
        np.bincount(labels, weights=relevant > 0).astype(int).tolist(),
        _skewness(occurrences),
    )


def _skewness(values: NDArray[np.float64]) -> float:
    """Third central moment over the cube of the standard deviation; 0 where all values are equal."""
    centred = values - values.mean()
    spread = float(np.sqrt((centred**2).mean()))
    return float((centred**3).mean()) / spread**3 if spread > 0 else 0.0


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
