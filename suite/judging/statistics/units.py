"""The unit of inference: the search, not the seed.

The runs of one search share its hyper-parameters, so they are no independent sample of what tuning a method gives. So
values are averaged over the runs of a search first, and intervals and tests are taken over searches (a two-stage analysis;
it is the mixed model of a balanced nested design: Searle, Casella & McCulloch, Variance Components, 1992, section 3.3).
Variance of seeds is contained in that of the means. Where methods are compared, runs of one seed are paired, and a unit is a
set of seeds on which every method has the values of one search.

Where there are fewer than two searches there is nothing to estimate their variance from: then the seed is the unit, and what
is inferred holds for these hyper-parameters alone.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from suite.judging.statistics.estimates import Array


def units(searches: Sequence[Sequence[int | None]]) -> NDArray[np.int64]:
    """The unit of each seed, from 0.

    Args:
        searches: for each seed the number of the search of each method, None where a method was not searched.
    """
    keys: list[Hashable] = [
        tuple(found) if any(number is not None for number in found) else ("seed", place)
        for place, found in enumerate(searches)
    ]
    if len(set(keys)) < 2:
        keys = list(range(len(keys)))
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], dtype=np.int64)


def by_unit(values: Array, unit: NDArray[np.int64]) -> Array:
    """Means (..., units) of values (..., seeds) over the seeds of each unit; NaN where one is NaN."""
    means: Array = np.empty((*values.shape[:-1], unit.max(initial=-1) + 1))
    for number in range(means.shape[-1]):
        means[..., number] = values[..., unit == number].mean(axis=-1)
    return means
