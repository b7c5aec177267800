"""Checks of memory: what a loss keeps of batches, within a run and beyond it.

What it remembers may act late: once a queue is full, or after a warm-up that it counts itself. So it is shown many
batches, and numbers that have changed meanwhile are set far ahead, to see whether the value follows them.
"""

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import cycle, islice

import torch
from torch import nn

from suite.losses.checks.batches import crowded, full, separated, typical
from suite.losses.checks.subject import RANDOM, Broken, Subject, evaluate, raising
from suite.losses.checks.symmetry import check_comparable

_MANY = 64
"""Batches after which a memory of some has filled."""
_FAR = 10_000
"""Batches ahead: further than any run of a check."""
_NOT_OF_LOSSES = {"torch", "builtins"}
_OF_MODULES = set(vars(nn.Module()))
Owners = Mapping[str, object]
"""Modules, classes and files of Python, by what names them in front of a name of theirs."""


def keeps_runs_apart(subject: Subject) -> str:
    """The same bits from a new loss whatever other losses of its kind have seen."""
    large = full(subject.dim)
    shown = [typical(subject.dim), *([large] if subject.bears(large) else [])]
    before, used = [subject.evaluate(batch) for batch in shown], subject.build()
    shared = _shared(used)
    numbers = _numbers(shared)
    with _put_back(shared):
        for batch in (crowded(subject.dim), separated(subject.dim), *shown[1:], crowded(subject.dim)):
            evaluate(used, batch)
        for batch, first in zip(shown, before, strict=True):
            after = subject.evaluate(batch)
            if first.value != after.value or not torch.equal(first.gradient, after.gradient):
                raise Broken(
                    f"a new loss gives {first.value:.9g} on {batch.name}, and {after.value:.9g} once another one has seen "
                    "batches: they share a memory, of the class or of the module, or draw numbers that no seed sets"
                )
        for name in _changed(numbers, _numbers(shared)):
            with _far_ahead(shared, name):
                if _value_of(subject) != before[0].value:
                    raise Broken(f"{name} counts what all losses of its kind have seen, and the value follows it")
    return "a new loss knows nothing of others"


def draws_nothing(subject: Subject) -> str:
    """No random numbers during an evaluation."""
    if subject.varies == RANDOM:
        raise Broken("its value depends on the seed")
    check_comparable(subject)
    return "the value does not depend on the seed"


def forgets_batches(subject: Subject) -> str:
    """The same value for a batch whatever came before it."""
    check_comparable(subject)
    loss, values = subject.build(), list[float]()
    for batch in (typical, typical, crowded, separated, typical):
        value = evaluate(loss, batch(subject.dim)).value
        if batch is typical:
            values.append(value)
    if len(set(values)) > 1:
        raise Broken(f"the same batch, twice and after others, gives {', '.join(f'{value:.6g}' for value in values)}")
    return "the same value for the same batch each time"


def goes_on_from_its_state(subject: Subject) -> str:
    """The same value from a loss that went on and from one with its state dict, after few and many batches."""
    for count in (2, _MANY):
        loss, other = subject.build(), subject.build()
        mine = dict(loss.named_modules(prefix="self"))
        numbers = _numbers(mine)
        for batch in islice(cycle((crowded(subject.dim), separated(subject.dim))), count):
            evaluate(loss, batch)
        with raising("load_state_dict:"):
            other.load_state_dict(loss.state_dict())
        counted = _changed(numbers, _numbers(mine))
        went_on, resumed = (evaluate(each, typical(subject.dim)).value for each in (loss, other))
        if went_on != resumed:
            raise Broken(
                f"after {count} batches a loss that went on gives {went_on:.9g}, one that was given its state dict "
                f"{resumed:.9g}"
            )
    for name in counted:
        with _far_ahead(mine, name):
            with contextlib.suppress(Broken):
                if evaluate(loss, typical(subject.dim)).value == evaluate(other, typical(subject.dim)).value:
                    continue
            raise Broken(f"{name} counts batches, the value follows it, and no state dict holds it")
    return "a state dict holds what it remembers"


def _value_of(subject: Subject) -> float | None:
    """The value of a new loss on a typical batch; None where it gives none."""
    with contextlib.suppress(Broken):
        return subject.evaluate(typical(subject.dim)).value
    return None


def _shared(loss: nn.Module) -> Owners:
    """Classes of a loss and the files that they stand in, where other losses of its kind meet them, too."""
    classes = [
        cls
        for module in loss.modules()
        for cls in type(module).__mro__
        if cls.__module__.partition(".")[0] not in _NOT_OF_LOSSES
    ]
    files = {cls.__module__: sys.modules[cls.__module__] for cls in classes if cls.__module__ in sys.modules}
    return {cls.__qualname__: cls for cls in classes} | files


def _numbers(owners: Owners) -> dict[str, float]:
    """Numbers that stand among the plain attributes of each, by ``OWNER.NAME``."""
    return {
        f"{place}.{name}": value
        for place, owner in owners.items()
        for name, value in vars(owner).items()
        if type(value) in (int, float) and name not in _OF_MODULES
    }


def _changed(before: Mapping[str, float], after: Mapping[str, float]) -> Iterable[str]:
    return [name for name, value in after.items() if before.get(name) != value]


@contextlib.contextmanager
def _far_ahead(owners: Owners, name: str) -> Iterator[None]:
    place, _, attribute = name.rpartition(".")
    value = vars(owners[place])[attribute]
    setattr(owners[place], attribute, value + _FAR)
    try:
        yield
    finally:
        setattr(owners[place], attribute, value)


@contextlib.contextmanager
def _put_back(owners: Owners) -> Iterator[None]:
    """Set numbers back to what they were: further checks begin as this one did."""
    before = _numbers(owners)
    try:
        yield
    finally:
        for name in _changed(before, _numbers(owners)):
            place, _, attribute = name.rpartition(".")
            setattr(owners[place], attribute, before.get(name, 0))
