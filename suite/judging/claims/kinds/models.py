"""Trained models whose proxies and minima were measured."""

from suite.judging.claims.measured import Measured, NotRunError
from suite.judging.claims.rows import GeometryRow


def models_of(subject: str, dataset: str, measured: Measured) -> list[tuple[int, dict[str, dict[int, GeometryRow]]]]:
    """Models of a data set by number of proxies, where the subject is among them."""
    if dataset in measured.cut:
        raise NotRunError(f"params.yaml cuts {dataset} down (datasets.{dataset}.max_classes)")
    found = [
        (count, by_loss)
        for (name, count), by_loss in sorted(measured.geometry.items())
        if name == dataset and subject in by_loss
    ]
    if not found:
        raise NotRunError(f"no geometry of {subject} on {dataset}")
    return found
