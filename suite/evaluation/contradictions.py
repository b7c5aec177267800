"""What cannot be in a record: numbers that contradict each other, and a run in a file of others."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from suite.evaluation.retrieval import METRICS
from suite.settings.paths import RECORDS_NAME, RUNS_FOLDER, STUDIES

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


def misplaced(path: Path, study: str, dataset: str, name: str) -> str:
    """Why a run cannot be in a file of runs or of a study, whose path names what it holds; empty if it can.

    ``runs/DATASET-LOSS/records.jsonl`` has the runs of a loss, ``studies/KIND/DATASET-NAME.jsonl`` those of a study; files
    elsewhere may hold any.

    Args:
        path: the file.
        study: the kind of study that the run would be of.
        dataset: its data set.
        name: its loss, or the axis of an ablation.
    """
    kind, root = path.parent.name, path.parent.parent.name
    if root == STUDIES and kind != study:
        return f"the run is none of studies/{kind}; allowed: runs of that study"
    there = kind if root == RUNS_FOLDER.name and path.name == RECORDS_NAME else path.stem if root == STUDIES else ""
    mine = f"{dataset}-{name}"
    return f"the run is of {mine}; allowed: runs of {there}" if there not in {"", mine} else ""
