"""Checks of hyper-parameters: each error names the setting, the value and what is allowed."""

import math


def checked_integer(name: str, value: object, *, at_least: int) -> int:
    """Return ``value`` if it is an integer of at least ``at_least``.

    Raises:
        ValueError: it is not an ``int`` (``bool`` is none here) or it is too small.
    """
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
    """Return ``value`` as a float if it is a finite number within the bounds given.

    Args:
        name: the setting, as the caller spells it.
        value: what was passed for it.
        above: exclusive lower bound.
        at_least: inclusive lower bound.
        at_most: inclusive upper bound.

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
    """Return ``value`` if it is one of ``choices``.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} = {value!r}: allowed are {', '.join(choices)}")
    return value


def checked_flag(name: str, value: object) -> bool:
    """Return ``value`` if it is ``True`` or ``False``.

    Raises:
        ValueError: it is neither.
    """
    if value is not True and value is not False:
        raise ValueError(f"{name} = {value!r}: allowed are True and False")
    return value
