"""Checks of arithmetic and of side effects: precision, derivatives, inputs left alone, repeatability."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from suite.losses.build import Parts, construct
from suite.losses.checks.batches import EPOCH, LATE, NUM_CLASSES, Batch, full, odd, typical
from suite.losses.checks.subject import Broken, Evaluation, Raised, Subject, given_to, raising
from suite.losses.checks.symmetry import Incomparable, check_comparable, compare
from suite.randomness import stream, torch_seed

_PRECISION = 1e-2
_STEP = 1e-6
_SLOPES = 5


def agrees_in_double(subject: Subject) -> str:
    """The same value and gradient in float32 and float64."""
    check_comparable(subject)
    return compare(_in_double(subject), subject.evaluate(typical(subject.dim)), _PRECISION)


def _in_double(subject: Subject) -> Evaluation:
    try:
        return subject.evaluate(typical(subject.dim), dtype=torch.float64)
    except Broken as error:
        raise Incomparable(f"float64: {error}; training uses float32") from error


def gradient_is_the_slope(subject: Subject) -> str:
    """The gradient beside central differences of the value along random directions, in float64."""
    batch, analytic = typical(subject.dim), _in_double(subject)
    directions = stream("checks", "slopes")
    worst = 0.0
    for _ in range(_SLOPES):
        direction = torch.from_numpy(directions.standard_normal(tuple(batch.embeddings.shape)))
        expected = (analytic.gradient * direction).sum().item()
        slope = (_value(subject, direction * _STEP) - _value(subject, direction * -_STEP)) / (2 * _STEP)
        size = max(analytic.gradient.norm().item() * direction.norm().item() / direction.numel() ** 0.5, 1e-9)
        worst = max(worst, abs(slope - expected) / size)
    if worst > _PRECISION:
        raise Broken(f"the gradient differs from the slope of the value by {100 * worst:.2g} % of its size")
    return f"relative difference {worst:.1e}"


def _value(subject: Subject, shift: Tensor) -> float:
    batch = typical(subject.dim)
    moved = Batch(batch.name, batch.embeddings.double() + shift, batch.labels)
    return subject.evaluate(moved, dtype=torch.float64).value


def leaves_inputs_alone(subject: Subject) -> str:
    """Embeddings, labels, indices and the working folder as they were before the call, on any batch and in any epoch."""
    dim = subject.dim
    for batch in (typical(dim), full(dim), *odd(dim)):
        for epoch in (EPOCH, 1, LATE) if "epoch" in given_to(subject.build(), batch) else (EPOCH,):
            try:
                _leaves_alone(subject, batch, epoch)
            except Raised:
                if batch.name == typical(dim).name:
                    raise  # what it raises on others is told by the checks of these
    return "embeddings, labels and indices keep their values"


def _leaves_alone(subject: Subject, batch: Batch, epoch: int) -> None:
    here, entry = Path.cwd(), subject.entry
    given = {"the embeddings": batch.embeddings, "the labels": batch.labels, "the indices": batch.indices}
    embeddings, labels, indices = (each.clone() for each in given.values())
    shown = replace(batch, rows=indices)
    with raising(f"on {batch.name}"), torch.random.fork_rng(devices=[]):
        parts = Parts(entry.cls, entry.wrapped, entry.miner)
        loss = construct(parts, subject.values, NUM_CLASSES, subject.dim, entry.name)
        shown_embeddings = embeddings.requires_grad_() * 1
        loss(shown_embeddings, labels, **given_to(loss, shown, epoch))
        if (moved := Path.cwd()) != here:
            raise Broken(f"it changes the working folder to {moved}")
    for (name, before), after in zip(given.items(), (shown_embeddings, labels, indices), strict=True):
        if not torch.equal(before, after):
            raise Broken(f"on {batch.name} it changes {name} in place")


def is_repeatable(subject: Subject) -> str:
    """The same bits from two new losses under the same seed, which neither sets."""
    before = _other_generators()
    first, second = subject.evaluate(typical(subject.dim)), subject.evaluate(typical(subject.dim))
    used = [name for name, state in _other_generators().items() if state != before[name]]
    drawn = f": it draws from {' and '.join(used)}, which no run seeds" if used else ""
    if first.value != second.value:
        raise Broken(f"two new losses under one seed give {first.value:.9g} and {second.value:.9g}{drawn}")
    if not torch.equal(first.gradient, second.gradient):
        raise Broken(f"two new losses under one seed give different gradients{drawn}")
    _leaves_the_seed_alone(subject)
    return "the same bits twice"


def _other_generators() -> dict[str, str]:
    """The states of generators that are not torch's."""
    of_numpy = np.random.get_state(legacy=False)  # noqa: NPY002 - of the generator that losses may draw from
    return {"random": repr(random.getstate()), "numpy.random": repr(of_numpy)}


def _leaves_the_seed_alone(subject: Subject) -> None:
    batch, seed = typical(subject.dim), torch_seed("checks", "seed")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        loss = subject.entry.build(subject.values, NUM_CLASSES, subject.dim)
        if torch.initial_seed() != seed:
            raise Broken(f"its constructor seeds torch with {torch.initial_seed()}, so that all runs start alike")
        with raising(f"on {batch.name}"):
            loss(batch.embeddings.clone().requires_grad_() * 1, batch.labels.clone(), **given_to(loss, batch))
        if torch.initial_seed() != seed:
            raise Broken(f"forward seeds torch with {torch.initial_seed()}, and with it all that is drawn after it")
