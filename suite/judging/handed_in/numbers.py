"""Numbers of a record that no run can give: counts, shares and failures that contradict each other or the test classes."""

import math
import re
from collections.abc import Callable, Hashable, Sequence

from suite.errors import SuiteError, allowed
from suite.evaluation.records import Record
from suite.evaluation.retrieval import MEASURED, METRICS
from suite.judging.handed_in.truth import Truth
from suite.settings.plans import SomePlan

_TOLERANCE = 1e-6
"""By how much a number of queries may differ from a whole one, by rounding."""
_FAILURES = re.compile(
    r"the loss became (nan|inf|-inf) in epoch [0-9]+|the embeddings (are not finite|collapsed to one point)"
)


def check_numbers(record: Record, plan: SomePlan, truth: Truth) -> None:
    """Check what a record says that its run gave.

    Args:
        record: the record.
        plan: of its run.
        truth: of its data set.

    Raises:
        SuiteError: it cannot be.
    """
    if record.status == "failed":
        _check_failed(record)
        return
    if record.class_queries != truth.class_queries:
        raise SuiteError(
            f"{record.where}: class_queries are not the sizes of the test classes of {record.dataset}; allowed: those"
        )
    _check_validation_epoch(record, plan)
    if record.failure is not None:
        raise SuiteError(f"{record.where}: failure = {record.failure!r} although status is ok; allowed: null")
    if record.hubness is None:
        raise SuiteError(f"{record.where}: hubness is missing; allowed: a number")
    most = (truth.items - 2) / math.sqrt(truth.items - 1)
    if abs(record.hubness) > most + _TOLERANCE:
        told = f"allowed: from {-most:.6g} to {most:.6g}, as the skewness of {truth.items} counts"
        raise SuiteError(f"{record.where}: hubness = {record.hubness:.6g}; {told}")
    _check_precision(record, truth)
    later = record.validation_epoch
    for metrics in (record.metrics, *([later.metrics] if later else [])):
        if set(metrics) != set(MEASURED):
            raise SuiteError(f"{record.where}: metrics {allowed(metrics) or 'none'}; allowed: {allowed(MEASURED)}")
        for name, value in metrics.items():
            queries = sum(truth.class_queries)
            if METRICS[name].depth and not math.isclose(value * queries, round(value * queries), abs_tol=_TOLERANCE):
                raise SuiteError(
                    f"{record.where}: {name} = {value:.6g} is no share of {queries} queries; allowed: whole numbers of hits"
                )


def check_copies(records: Sequence[Record]) -> None:
    """Refuse an outcome that stands for several runs of a data set, to the last bit.

    Other seeds begin with another network, and other wrong labels lead elsewhere.

    Raises:
        SuiteError: there is one.
    """
    seen: dict[Hashable, Record] = {}
    for record in (record for record in records if record.status == "ok"):
        outcome = (record.track, *sorted(record.metrics.items()), *record.class_hits, record.hubness)
        first = seen.setdefault(outcome, record)
        if (first.seed, first.noise_sha256) != (record.seed, record.noise_sha256):
            raise SuiteError(
                f"{record.where}: the outcome is that of {first.where} to the last bit; allowed: one outcome a run"
            )


def _check_failed(record: Record) -> None:
    if not _FAILURES.fullmatch(record.failure or ""):
        raise SuiteError(f"{record.where}: failure is none of this suite's; allowed: what a run says that failed")
    for field in ("class_hits", "class_queries", "validation_epoch", "hubness"):
        if getattr(record, field):
            raise SuiteError(f"{record.where}: {field} is there although the run failed; allowed: nothing measured")


def _check_validation_epoch(record: Record, plan: SomePlan) -> None:
    later = record.validation_epoch
    if (later and later.epoch) != plan.validation_epoch:
        raise SuiteError(
            f"{record.where}: validation_epoch.epoch = {later and later.epoch}; allowed: {plan.validation_epoch}, "
            "which the search found"
        )
    if later and later.epoch == plan.recipe.epochs and later.metrics != record.metrics:
        raise SuiteError(
            f"{record.where}: validation_epoch.metrics differ from metrics; allowed: the same, since it is the last epoch"
        )


def _check_precision(record: Record, truth: Truth) -> None:
    """Refuse a MAP@R or an R-precision that the hits at rank 1 leave no room for.

    With R others in its class, a query whose nearest item is of its class has at least one hit among R, at rank 1, where
    precision is 1. One whose nearest is of another class has at most R - 1 hits, at ranks 2 to R.
    """
    most: dict[str, Callable[[int], float]] = {
        "r_precision": lambda others: (others - 1) / others,
        "map_at_r": lambda others: sum((rank - 1) / rank for rank in range(2, others + 1)) / others,
    }
    classes = [(hits, size) for hits, size in zip(record.class_hits, truth.class_queries, strict=True) if size]
    queries = sum(truth.class_queries)
    least = sum(hits / (size - 1) for hits, size in classes) / queries
    for name, of_a_miss in most.items():
        greatest = sum(hits + (size - hits) * of_a_miss(size - 1) for hits, size in classes) / queries
        value = record.metrics.get(name, least)
        if not least - _TOLERANCE <= value <= greatest + _TOLERANCE:
            raise SuiteError(
                f"{record.where}: {name} = {value:.6g}; allowed: from {least:.6g} to {greatest:.6g}, by the hits at rank 1"
            )
