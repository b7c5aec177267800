"""Which records of the study ``extended``, as they stand in git, are compared with those of the grid."""

from collections import defaultdict
from collections.abc import Hashable, Sequence

from suite.evaluation.records import CONDITION, TABLE, Record
from suite.hashing import sha256_value
from suite.judging.comparable import left_out

_SEARCHED = ("learning_rate", "proxy_learning_rate", "epochs")
"""Parts of a recipe that differ from loss to loss."""


def beside(grid: Sequence[Record], extended: Sequence[Record]) -> list[Record]:
    """Those that can be paired with the grid, condition by condition; ``unpaired`` tells of the others.

    The grid has no run of the condition; its runs are of the grid's recipe, but for what is searched, and of all seeds that
    the grid has on the data set; where the grid has this kind and level of noise, they have its noisy labels too.
    """
    own = {_values(record, CONDITION) for record in grid}
    seeds: dict[Hashable, set[int]] = defaultdict(set)
    draws: dict[Hashable, set[tuple[int, str]]] = defaultdict(set)
    theirs: dict[Hashable, set[tuple[int, str]]] = defaultdict(set)
    for record in grid:
        seeds[_training(record)].add(record.seed)
        draws[_values(record, TABLE)].add((record.seed, record.noise_sha256))
    for record in extended:
        theirs[_condition(record)].add((record.seed, record.noise_sha256))

    def pairs(record: Record) -> bool:
        runs, table = theirs[_condition(record)], _values(record, TABLE)
        return {seed for seed, _ in runs} == seeds.get(_training(record)) and runs == draws.get(table, runs)

    return [record for record in extended if _values(record, CONDITION) not in own and pairs(record)]


def unpaired(grid: Sequence[Record], extended: Sequence[Record]) -> list[str]:
    """A line on the records of each data set that cannot be paired with the grid; those that it has itself need none."""
    own = {_values(record, CONDITION) for record in grid}
    datasets, kept = {record.dataset for record in grid}, {record.where for record in beside(grid, extended)}
    return left_out(
        (record, "have other seeds, noisy labels or training settings than those of the grid")
        for record in extended
        if record.dataset in datasets and record.where not in kept and _values(record, CONDITION) not in own
    )


def _condition(record: Record) -> Hashable:
    """Of a run: seeds that were run by several recipes are as many conditions."""
    return (*_values(record, CONDITION), _training(record))


def _training(record: Record) -> Hashable:
    """The data set, and how all losses are trained on it."""
    shared = {name: value for name, value in record.recipe.items() if name not in _SEARCHED}
    return (record.dataset, sha256_value(shared))


def _values(record: Record, names: Sequence[str]) -> tuple[Hashable, ...]:
    return tuple(getattr(record, name) for name in names)
