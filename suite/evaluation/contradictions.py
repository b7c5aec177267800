"""What the numbers of a run cannot be, whatever was trained: found in every file of records before anything reads it."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from suite.evaluation.retrieval import METRICS

TOLERANCE = 1e-9
"""Of shares that are equal but for rounding."""
_RECALLS = sorted(
    (name for name in METRICS if name.startswith("recall_at_")), key=lambda name: int(name.split("_")[-1])
)


def contradiction(metrics: Mapping[str, float]) -> str:
    """What cannot be in the metrics of one model, shares from 0 to 1; empty if nothing.

    More neighbours find no less: R@K does not fall with K. MAP@R weighs each hit by a precision of at most 1, so it is at
    most R-precision.
    """
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            return f"{name} = {value!r}; allowed: shares from 0 to 1"
    ordered = [name for name in _RECALLS if name in metrics]
    pairs = [*pairwise(ordered), ("map_at_r", "r_precision")]
    for less, more in pairs:
        if less in metrics and more in metrics and metrics[less] > metrics[more] + TOLERANCE:
            return f"{less} = {metrics[less]:.6g} is above {more} = {metrics[more]:.6g}, which cannot be"
    return ""


def miscounted(hits: Sequence[int], queries: Sequence[int]) -> str:
    """What cannot be in the hits and queries of the test classes; empty if nothing."""
    for place, (hit, query) in enumerate(zip(hits, queries, strict=True)):
        if hit > query:
            return f"class_hits[{place}] = {hit} is above class_queries[{place}] = {query}, which cannot be"
    return ""
