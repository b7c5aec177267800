"""Checks of arithmetic and of side effects: precision, derivatives, inputs left alone, repeatability."""

from pathlib import Path

import torch
from torch import Tensor

from suite.losses.build import Parts, construct
from suite.losses.checks.batches import NUM_CLASSES, Batch, crowded, separated, typical
from suite.losses.checks.subject import Broken, Evaluation, Subject, evaluate, given_to, raising
from suite.losses.checks.symmetry import Incomparable, compare
from suite.randomness import stream

_PRECISION = 1e-2
_STEP = 1e-6
_SLOPES = 5


def agrees_in_double(subject: Subject) -> str:
    """The same value and gradient in float32 and float64."""
    if subject.draws_random_numbers:
        raise Incomparable("it draws random numbers, which differ between the two types")
    return compare(_in_double(subject), subject.evaluate(typical(subject.dim)), _PRECISION)


def _in_double(subject: Subject) -> Evaluation:
    try:
        return subject.evaluate(typical(subject.dim), dtype=torch.float64)
    except Broken as error:
        raise Incomparable(f"float64: {error}; training uses float32") from error


def gradient_is_the_slope(subject: Subject) -> str:
    """The gradient beside central differences of the value along random directions, in float64."""
    batch, analytic = typical(subject.dim), _in_double(subject)
    random = stream("checks", "slopes")
    worst = 0.0
    for _ in range(_SLOPES):
        direction = torch.from_numpy(random.standard_normal(tuple(batch.embeddings.shape)))
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
    """Embeddings, labels and the working folder as they were before the call."""
    batch, here, entry = typical(subject.dim), Path.cwd(), subject.entry
    embeddings, labels = batch.embeddings.clone().requires_grad_() * 1, batch.labels.clone()
    with raising(f"on {batch.name}"), torch.random.fork_rng(devices=[]):
        parts = Parts(entry.cls, entry.wrapped, entry.miner)
        loss = construct(parts, subject.values, NUM_CLASSES, subject.dim, entry.name)
        loss(embeddings, labels, **given_to(loss, batch))
        if (moved := Path.cwd()) != here:
            raise Broken(f"it changes the working folder to {moved}")
    if not torch.equal(embeddings, batch.embeddings):
        raise Broken("it changes the embeddings in place")
    if not torch.equal(labels, batch.labels):
        raise Broken("it changes the labels in place")
    return "embeddings and labels keep their values"


def is_repeatable(subject: Subject) -> str:
    """The same bits from two new losses under the same seed."""
    first, second = subject.evaluate(typical(subject.dim)), subject.evaluate(typical(subject.dim))
    if first.value != second.value:
        raise Broken(f"two new losses under one seed give {first.value:.9g} and {second.value:.9g}")
    if not torch.equal(first.gradient, second.gradient):
        raise Broken("two new losses under one seed give different gradients")
    return "the same bits twice"


def keeps_runs_apart(subject: Subject) -> str:
    """The same bits from a new loss whatever other losses of its kind have seen."""
    before = subject.evaluate(typical(subject.dim))
    used = subject.build()
    for batch in (crowded(subject.dim), separated(subject.dim), crowded(subject.dim)):
        evaluate(used, batch)
    after = subject.evaluate(typical(subject.dim))
    if before.value != after.value or not torch.equal(before.gradient, after.gradient):
        raise Broken(
            f"a new loss gives {before.value:.6g}, and {after.value:.6g} once another one has seen batches: they share a "
            "memory, of the class or of the module"
        )
    return "a new loss knows nothing of others"


def draws_nothing(subject: Subject) -> str:
    """No random numbers during an evaluation."""
    if subject.draws_random_numbers:
        raise Broken("its value depends on the seed")
    return "the value does not depend on the seed"


def forgets_batches(subject: Subject) -> str:
    """The same value for a batch whatever came before it."""
    if subject.draws_random_numbers:
        raise Incomparable("it draws random numbers, so that two evaluations differ anyway")
    loss, values = subject.build(), list[float]()
    for batch in (typical, typical, crowded, separated, typical):
        value = evaluate(loss, batch(subject.dim)).value
        if batch is typical:
            values.append(value)
    if len(set(values)) > 1:
        raise Broken(f"the same batch, twice and after others, gives {', '.join(f'{value:.6g}' for value in values)}")
    return "the same value for the same batch each time"


def goes_on_from_its_state(subject: Subject) -> str:
    """The same value from a loss that went on and from a new one that was given its state dict."""
    loss, other = subject.build(), subject.build()
    for batch in (crowded(subject.dim), separated(subject.dim)):
        evaluate(loss, batch)
    with raising("load_state_dict:"):
        other.load_state_dict(loss.state_dict())
    went_on, resumed = (evaluate(each, typical(subject.dim)).value for each in (loss, other))
    if went_on != resumed:
        raise Broken(f"a loss that went on gives {went_on:.6g}, one that was given its state dict {resumed:.6g}")
    return "a state dict holds what it remembers"
