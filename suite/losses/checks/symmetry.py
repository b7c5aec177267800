"""Checks of what must not matter: the order of a batch, the numbers of the classes, the axes of the embedding space."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from suite.losses.checks.batches import NUM_CLASSES, Batch, full, ordinary, typical
from suite.losses.checks.subject import Broken, Evaluation, Raised, Subject
from suite.losses.influence.proxies import find_proxies, unplaced
from suite.randomness import stream

TOLERANCE = 1e-3
"""Largest relative difference of values, and of gradients, that float32 explains."""


class Incomparable(Exception):  # noqa: N818 - a finding, not an error
    """The check says nothing about this loss; the message says why."""


def ignores_order(subject: Subject) -> str:
    """The same value for the images in another order, and the same gradient on each."""
    told = _in_another_order(subject, typical(subject.dim))
    if subject.bears(full(subject.dim)):  # else the check of that says so
        try:
            _in_another_order(subject, full(subject.dim))
        except Broken as error:
            raise Broken(f"on {full(subject.dim).name} {error}") from error
    return told


def _in_another_order(subject: Subject, batch: Batch) -> str:
    order = torch.from_numpy(stream("checks", "order").permutation(len(batch.labels)))
    shuffled = Batch(batch.name, batch.embeddings[order], batch.labels[order], batch.indices[order])
    return _compare(subject, batch, shuffled, lambda gradient: gradient[order])


def ignores_class_numbers(subject: Subject) -> str:
    """The same value where the classes, and the proxies with them, swap their numbers."""
    batch = typical(subject.dim)
    numbers = torch.from_numpy(stream("checks", "numbers").permutation(NUM_CLASSES))
    renamed = Batch(batch.name, batch.embeddings, numbers[batch.labels])
    try:
        return _compare(
            subject, batch, renamed, lambda gradient: gradient, lambda loss: _rename(loss, numbers, subject.dim)
        )
    except Raised:
        raise
    except Broken:
        check_placed(subject)
        raise


def check_placed(subject: Subject) -> None:
    """Check that all proxies of a loss are found, so that they can be moved as a check wants it.

    Raises:
        Incomparable: there may be others.
    """
    if names := unplaced(subject.build(), NUM_CLASSES, subject.dim):
        raise Incomparable(f"{', '.join(names)} may hold proxies, of which classes is not clear: (C * M, D) would be")


def heeds_labels(subject: Subject) -> str:
    """Another value or gradient where the images are of other classes together."""
    changes = []
    for batch in ordinary(subject.dim):
        others = Batch(batch.name, batch.embeddings, torch.arange(len(batch.labels)) % NUM_CLASSES)
        first, second = subject.evaluate(batch), subject.evaluate(others)
        sizes = max(first.gradient.norm().item(), second.gradient.norm().item(), 1e-12)
        changes.append((first.gradient - second.gradient).norm().item() / sizes)
    if max(changes) < TOLERANCE:
        raise Broken("the gradient on the embeddings stays the same where the images get other labels")
    return f"with other labels the gradient changes by {100 * max(changes):.2g} % of its size"


def ignores_axes(subject: Subject) -> str:
    """The same value where embeddings and proxies are rotated together."""
    batch = typical(subject.dim)
    square = torch.from_numpy(stream("checks", "axes").standard_normal((subject.dim, subject.dim)))
    rotation = torch.linalg.qr(square)[0].float()
    turned = Batch(batch.name, batch.embeddings @ rotation, batch.labels)
    return _compare(subject, batch, turned, lambda gradient: gradient @ rotation, lambda loss: _rotate(loss, rotation))


def _compare(
    subject: Subject,
    batch: Batch,
    other: Batch,
    expected: Callable[[Tensor], Tensor],
    prepare: Callable[[nn.Module], None] | None = None,
) -> str:
    check_comparable(subject)
    first, second = subject.evaluate(batch), subject.evaluate(other, prepare=prepare)
    return compare(Evaluation(first.value, expected(first.gradient), first.loss), second, TOLERANCE)


def check_comparable(subject: Subject) -> None:
    """Check that a new loss gives the same whenever it is asked.

    Raises:
        Incomparable: two evaluations differ whatever is compared.
    """
    if subject.varies:
        raise Incomparable(f"{subject.varies}, so that two evaluations differ anyway")


def compare(first: Evaluation, second: Evaluation, tolerance: float) -> str:
    """Describe how far two evaluations differ.

    Raises:
        Broken: by more than the tolerance.
    """
    value = abs(first.value - second.value) / max(abs(first.value), abs(second.value), 1e-6)
    size = max(first.gradient.norm().item(), second.gradient.norm().item(), 1e-6)
    gradient = (first.gradient.double() - second.gradient.double()).norm().item() / size
    if value > tolerance:
        raise Broken(f"the value changes from {first.value:.6g} to {second.value:.6g}")
    if gradient > tolerance:
        raise Broken(f"the value stays, the gradient changes by {100 * gradient:.2g} %")
    return f"relative difference of values {value:.1e}, of gradients {gradient:.1e}"


def _rename(loss: nn.Module, numbers: Tensor, dim: int) -> None:
    """Move what belongs to class c to class ``numbers[c]``: proxies, and parameters with one row or value a class."""
    with torch.no_grad():
        found = list(find_proxies(loss, NUM_CLASSES, dim))
        proxies = {rows.data_ptr() for rows, _ in found}
        per_class = [p for p in loss.parameters() if p.shape[:1] == (NUM_CLASSES,) and p.data_ptr() not in proxies]
        for rows, classes in [*found, *((p, torch.arange(NUM_CLASSES)) for p in per_class)]:
            old = rows.clone()
            for number in range(NUM_CLASSES):
                rows[classes == numbers[number]] = old[classes == number]


def _rotate(loss: nn.Module, rotation: Tensor) -> None:
    with torch.no_grad():
        for rows, _ in find_proxies(loss, NUM_CLASSES, len(rotation)):
            rows.copy_(rows @ rotation)
