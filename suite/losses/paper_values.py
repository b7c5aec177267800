"""The values that a loss's paper gives as they stand, for a data set with large or small classes.

A loss declares ``paper_values``: hyper-parameters and learning rates. Where the paper's value depends on the data, it is a
mapping ``{"large_classes": ..., "small_classes": ...}``: the benchmarks fall into CUB and Cars (59 and 82 training images a
class) and SOP (5). ``undisclosed`` says what the paper leaves open, so that nobody takes our reading for the paper's.
"""

from collections.abc import Mapping
from typing import Any

from suite.errors import SuiteError
from suite.losses.registry import Hyperparameters, LossEntry, check_hyperparameters

LARGE_CLASS = 17
"""Training images a class from which classes are large: the geometric mean of SOP's 5 and CUB's 59."""
_CHARACTERS = {"large_classes", "small_classes"}


def paper_values(entry: LossEntry, images_per_class: float) -> Hyperparameters | None:
    """The paper's values of a loss for a data set with that many training images a class on average.

    Returns:
        Hyper-parameters and learning rates, or None where the loss declares none.

    Raises:
        SuiteError: a value is declared for other characters than the two, or is no hyper-parameter of the loss.
    """
    declared: dict[str, Any] = getattr(entry.cls, "paper_values", {})
    origin = f"{entry.target}: paper_values"
    check_hyperparameters(entry, declared, origin)
    return values_for(declared, images_per_class, origin) or None


def values_for(declared: Mapping[str, Any], images_per_class: float, origin: str) -> Hyperparameters:
    """What a declaration of ``paper_values`` says for a data set with that many training images a class on average.

    Args:
        declared: the declaration.
        images_per_class: of the data set.
        origin: where it stands, for messages.

    Raises:
        SuiteError: a value is declared for other characters than the two.
    """
    character = "large_classes" if images_per_class >= LARGE_CLASS else "small_classes"
    values: Hyperparameters = {}
    for name, value in declared.items():
        if isinstance(value, dict) and set(value) != _CHARACTERS:
            raise SuiteError(
                f"{origin}.{name} = {value}: allowed is one value, or a mapping of large_classes and small_classes"
            )
        values[name] = value[character] if isinstance(value, dict) else value
    return values


def undisclosed(entry: LossEntry) -> tuple[str, ...]:
    """What the paper of a loss leaves open, in the loss's own words."""
    return tuple(getattr(entry.cls, "undisclosed", ()))
