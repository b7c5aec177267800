"""Checks of size: of the gradient, of the batch in the value, and of lengths that embeddings do not have."""

import torch

from suite.losses.checks.batches import Batch, doubled, ordinary, typical
from suite.losses.checks.subject import Broken, Subject
from suite.losses.checks.symmetry import Incomparable, check_comparable
from suite.randomness import stream

LEAST, MOST = 1e-5, 1e4
"""Sizes of the gradient on the embeddings of a batch."""
_OF_IMAGES, _OF_PAIRS = 1.6, 3.2
"""By how much gradients of sums grow where each image is there twice: nearly 2 and 4; those of means stay below 1.4."""
_ALMOST_UNIT = 1e-3
_SENSITIVE = 0.2
_RADIAL = 0.99


def is_large_enough(subject: Subject) -> str:
    """A gradient that the optimiser can see."""
    size = max(subject.evaluate(batch).gradient.norm().item() for batch in ordinary(subject.dim))
    if 0 < size < LEAST:
        raise Broken(f"the largest gradient on an ordinary batch has size {size:.1e}; allowed from {LEAST:.0e}")
    return f"gradient of size {size:.1e}"


def is_small_enough(subject: Subject) -> str:
    """A gradient that other optimisers bear."""
    size = subject.evaluate(typical(subject.dim)).gradient.norm().item()
    if size > MOST:
        raise Broken(f"the gradient on a typical batch has size {size:.1e}, above {MOST:.0e}")
    return f"gradient of size {size:.1e}"


def is_a_mean(subject: Subject) -> str:
    """Gradients of all images together that do not grow where the batch holds each image twice."""
    small = subject.evaluate(typical(subject.dim)).gradient.norm(dim=1).sum().item()
    try:
        large = subject.evaluate(doubled(subject.dim)).gradient.norm(dim=1).sum().item()
    except Broken as error:
        raise Incomparable(str(error)) from error
    growth = large / small if small else 0.0
    text = f"with each image twice their gradients together are {growth:.2f} times as large"
    if growth > _OF_IMAGES:
        raise Broken(f"{text}: a sum over {'pairs' if growth > _OF_PAIRS else 'images'}, not a mean")
    return text


def takes_almost_unit_rows(subject: Subject) -> str:
    """Rounding of unit rows changes little, and the gradient has a part that turns them."""
    batch = typical(subject.dim)
    check_comparable(subject)
    first = subject.evaluate(batch)
    signs = torch.from_numpy(stream("checks", "lengths").choice([-1.0, 1.0], size=(len(batch.labels), 1))).float()
    name = f"a batch whose rows have length 1 up to {_ALMOST_UNIT:g}"
    other = subject.evaluate(Batch(name, batch.embeddings * (1 + _ALMOST_UNIT * signs), batch.labels))
    change = abs(first.value - other.value) / max(abs(first.value), abs(other.value), 1e-6)
    if change > _SENSITIVE:
        raise Broken(f"on {name} the value changes from {first.value:.4g} to {other.value:.4g}")
    whole = first.gradient.norm().item()
    radial = (first.gradient * batch.embeddings).sum(dim=1).norm().item()
    if whole > 0 and radial > _RADIAL * whole:
        raise Broken(
            f"{100 * min(radial / whole, 1):.0f} % of the gradient changes the lengths of embeddings, which are 1"
        )
    doubled = subject.evaluate(Batch("a batch of rows of length 2", 2 * batch.embeddings, batch.labels)).value
    alike = abs(doubled - first.value) <= 1e-3 * abs(first.value)
    return "lengths do not matter" if alike else "it measures lengths, and is given unit rows"
