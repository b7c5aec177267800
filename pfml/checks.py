"""Checks of hyper-parameters and of batches: each error names the setting, the value and what is allowed."""

import math

import torch
from torch import Tensor


def checked_integer(name: str, value: object, *, at_least: int) -> int:
    """Return ``value`` if it is an ``int`` (``bool`` is none here) of at least ``at_least``; else raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise ValueError(f"{name} = {value!r}: allowed are integers >= {at_least}")
    return value


def checked_number(
    name: str,
    value: object,
    *,
    above: float = -math.inf,
    at_least: float = -math.inf,
    at_most: float = math.inf,
) -> float:
    """Return ``value`` as a float if it is a finite number within the bounds given, of which ``above`` is exclusive.

    Raises:
        ValueError: it is not a number (``bool`` is none here), not finite, or out of bounds.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        number = float(value)
        if above < number <= at_most and number >= at_least:
            return number
    bounds = [
        f"{sign} {bound:g}" for sign, bound in ((">", above), (">=", at_least), ("<=", at_most)) if math.isfinite(bound)
    ]
    raise ValueError(f"{name} = {value!r}: allowed are finite numbers {' and '.join(bounds)}".rstrip())


def checked_choice(name: str, value: object, choices: tuple[str, ...]) -> str:
    """Return ``value`` if it is one of ``choices``; else raise ValueError."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} = {value!r}: allowed are {', '.join(choices)}")
    return value


def checked_flag(name: str, value: object) -> bool:
    """Return ``value`` if it is ``True`` or ``False``; else raise ValueError."""
    if value is not True and value is not False:
        raise ValueError(f"{name} = {value!r}: allowed are True and False")
    return value


def checked_batch(
    embeddings: Tensor, labels: object, *, num_classes: int | None = None, embedding_dim: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return embeddings (B, D) and labels (B,) as int64 on one device.

    Args:
        embeddings: (B, D) floating point, B >= 1.
        labels: (B,) integers of any type, a tensor or what `torch.as_tensor` makes one of, such as an array of numpy.
        num_classes: if given, labels must lie in [0, num_classes).
        embedding_dim: if given, D must equal it.

    Raises:
        ValueError: a shape, a type or a label is not as above.
    """
    if embeddings.ndim != 2 or len(embeddings) == 0 or not embeddings.is_floating_point():
        raise ValueError(
            f"embeddings must be floating point of shape (B, D), B >= 1, not {tuple(embeddings.shape)} "
            f"of {embeddings.dtype}"
        )
    if embedding_dim is not None and embeddings.shape[1] != embedding_dim:
        raise ValueError(f"embeddings have dimension {embeddings.shape[1]}, the loss embedding_dim = {embedding_dim}")
    try:
        labels = torch.as_tensor(labels)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"labels must be integers, not {type(labels).__name__}: {error}") from error
    if labels.shape != embeddings.shape[:1]:
        raise ValueError(f"labels must have shape ({len(embeddings)},), one a row, not {tuple(labels.shape)}")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(f"labels must be integers, not {labels.dtype}")
    labels = labels.to(device=embeddings.device, dtype=torch.int64)
    if num_classes is not None:
        low, high = (int(bound) for bound in torch.aminmax(labels))
        if low < 0 or high >= num_classes:
            raise ValueError(f"labels span [{low}, {high}]: allowed is [0, {num_classes - 1}] (num_classes - 1)")
    return embeddings, labels
