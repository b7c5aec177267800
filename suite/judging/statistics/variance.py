"""Where scatter comes from: variance components of a balanced nested design, by analysis of variance.

A value is mean + effect of its group at the first factor + effect within that at the second + ... + the rest, e.g. class
split, search within split, seed within search. Expected mean squares give the components (Searle, Casella & McCulloch,
Variance Components, 1992, section 3.3); where all estimates are positive they are those of restricted maximum likelihood. An
estimate may be negative, which says that the component is small beside its error; it is given as it is. Bouthillier et al.,
"Accounting for variance in machine learning benchmarks" (MLSys 2021), have reasons to report sources apart.
"""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from suite.judging.statistics.estimates import Array


def nested_components(values: Array) -> list[float]:
    """Variance components of values (a, b, ..., n), outermost factor first, the scatter of the n values within last.

    A component is NaN where its factor has one level.
    """
    table = np.asarray(values, dtype=np.float64)
    squares = []
    for depth in range(table.ndim):
        # Means of the groups of this depth against those of the groups that they lie in.
        means = table.mean(axis=tuple(range(depth + 1, table.ndim)))
        outer = means.mean(axis=-1, keepdims=True)
        freedom = (means.shape[-1] - 1) * int(np.prod(means.shape[:-1]))
        below = int(np.prod(table.shape[depth + 1 :]))
        squares.append(below * float(((means - outer) ** 2).sum()) / freedom if freedom else np.nan)
    components = []
    for depth, square in enumerate(squares):
        below = int(np.prod(table.shape[depth + 1 :]))
        rest = squares[depth + 1] if depth + 1 < len(squares) else 0.0
        # With one level below, the scatter there is part of this component: it cannot be taken off.
        components.append((square - (0.0 if np.isnan(rest) else rest)) / below)
    return components


def balanced(values: Mapping[tuple[Hashable, ...], float]) -> Array | None:
    """Values by their levels at each factor, the last of them unique within the others, as an array of a balanced design.

    Levels of an inner factor need not have the same names in all groups.

    Returns:
        The array (a, b, ..., n); None where groups have different numbers of members, or a value is NaN.
    """
    if not values or any(np.isnan(value) for value in values.values()):
        return None
    return _stacked(list(values.items()))


def _stacked(items: Sequence[tuple[tuple[Hashable, ...], float]]) -> Array | None:
    if not items[0][0]:
        return np.asarray(items[0][1], dtype=np.float64) if len(items) == 1 else None
    groups: dict[Hashable, list[tuple[tuple[Hashable, ...], float]]] = {}
    for levels, value in items:
        groups.setdefault(levels[0], []).append((levels[1:], value))
    parts = [_stacked(mine) for mine in groups.values()]
    if any(part is None or part.shape != parts[0].shape for part in parts if parts[0] is not None) or parts[0] is None:
        return None
    return np.stack([part for part in parts if part is not None])
