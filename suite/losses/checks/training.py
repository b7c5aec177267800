"""A short training on a toy set: what no single evaluation shows.

The set has seven classes. An image is 24 numbers, of which six tell its class and the others are louder. A linear layer
learns an embedding by the loss with Adam; R@1 is measured on other images of the same classes. A loss that pulls and
pushes the right way finds the six numbers; under shuffled labels it cannot. Rates differ from loss to loss, so three are
tried.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from suite.losses.build import scalar
from suite.losses.checks.batches import NUM_CLASSES, PER_CLASS, Batch
from suite.losses.checks.subject import Broken, Subject, given_to, raising
from suite.randomness import stream, torch_seed

INPUTS, TELLING, LOUD = 24, 6, 3.0
IMAGES = 24
STEPS = 60
RATES = ((0.01, 0.03), (0.03, 0.3), (0.003, 0.003))
"""Learning rates of the layer and of the loss's parameters."""
ENOUGH = 0.08
"""By how much R@1 has to rise, as a share of all images; chance at this size is about half of it."""
_FULL = 0.95


@dataclass(frozen=True)
class ToySet:
    """Images (N, INPUTS) to train on, their given labels (N,), and others to test on; classes are the same, in one order."""

    inputs: Tensor
    given: Tensor
    test_inputs: Tensor
    labels: Tensor

    @classmethod
    def draw(cls) -> "ToySet":
        """The same one each time."""
        random = stream("checks", "toy")
        centres = random.standard_normal((NUM_CLASSES, TELLING))
        labels = np.arange(NUM_CLASSES).repeat(IMAGES)
        sets = []
        for _ in range(2):
            inputs = LOUD * random.standard_normal((len(labels), INPUTS))
            inputs[:, :TELLING] = 2 * centres[labels] + 0.7 * random.standard_normal((len(labels), TELLING))
            sets.append(torch.from_numpy(inputs).float() / LOUD)
        true = torch.from_numpy(labels)
        return cls(sets[0], true, sets[1], true)

    def shuffled(self) -> "ToySet":
        """The same with given labels that say nothing, in the same batches."""
        order = torch.from_numpy(stream("checks", "toy", "labels").permutation(len(self.labels)))
        return replace(self, given=self.labels[order])

    def batches(self) -> Iterator[Tensor]:
        """Rows of the batches: of every class, by true labels, four images."""
        random = stream("checks", "toy", "batches")
        members = [np.flatnonzero(self.labels.numpy() == label) for label in range(NUM_CLASSES)]
        for _ in range(STEPS):
            rows = [random.choice(of_class, PER_CLASS, replace=False) for of_class in members]
            yield torch.from_numpy(np.concatenate(rows))


def learns(subject: Subject) -> str:
    """R@1 rises with true labels, and more than with shuffled ones."""
    toy = ToySet.draw()
    start = _recall(_layer(subject.dim), toy)
    learned, rates = _best(subject, toy)
    text = f"R@1 on a toy set {100 * start:.0f} % before, {100 * learned:.0f} % after {STEPS} steps"
    if learned < start + ENOUGH:
        reversed_, _ = _best(subject, toy, sign=-1)
        if reversed_ >= start + ENOUGH and reversed_ > learned:
            raise Broken(f"{text}, and {100 * reversed_:.0f} % where the loss is maximised: its sign is wrong")
        raise Broken(text)
    without = _train(subject, toy.shuffled(), rates)
    text += f", {100 * without:.0f} % with shuffled labels"
    if learned < without + ENOUGH:
        raise Broken(f"{text}: labels make no difference")
    return text


def _best(subject: Subject, toy: ToySet, sign: int = 1) -> tuple[float, tuple[float, float]]:
    """The highest R@1 over the rates, and the rates; no more are tried once nearly all is found."""
    best = -1.0, RATES[0]
    for rates in RATES:
        best = max(best, (_train(subject, toy, rates, sign), rates), key=lambda found: found[0])
        if best[0] > _FULL:
            break
    return best


def _layer(dim: int) -> Tensor:
    values = stream("checks", "toy", "layer").standard_normal((INPUTS, dim)) * INPUTS**-0.5
    return torch.from_numpy(values).float().requires_grad_()


def _train(subject: Subject, toy: ToySet, rates: tuple[float, float], sign: int = 1) -> float:
    """R@1 after a training.

    Raises:
        Raised: the loss raises.
        Broken: it leaves the finite numbers.
    """
    layer, loss = _layer(subject.dim), subject.build()
    adam = _Adam([([layer], rates[0]), ([p for p in loss.parameters() if p.requires_grad], rates[1])])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed("checks", "toy"))
        for step, rows in enumerate(toy.batches(), 1):
            batch = Batch("a toy batch", normalize(toy.inputs[rows] @ layer, dim=1), toy.given[rows], rows)
            with raising(f"in step {step} of a training"):
                epoch = 1 + step * PER_CLASS // IMAGES
                value = scalar(loss(batch.embeddings, batch.labels, **given_to(loss, batch, epoch)), "it")
                torch.autograd.backward(sign * value)
            if not torch.isfinite(value):
                raise Broken(f"in step {step} of a training it gives {value.item()}")
            adam.step()
    return _recall(layer, toy)


def _recall(layer: Tensor, toy: ToySet) -> float:
    with torch.no_grad():
        embeddings = normalize(toy.test_inputs @ layer, dim=1)
        cosines = (embeddings @ embeddings.T).fill_diagonal_(-2)
        found: float = (toy.labels[cosines.argmax(dim=1)] == toy.labels).float().mean().item()
        return found


class _Adam:
    """Kingma & Ba, "Adam", ICLR 2015, Algorithm 1; torch's class takes seconds to load.

    Args:
        groups: parameters and their learning rate.
    """

    def __init__(self, groups: list[tuple[list[Tensor], float]]) -> None:
        self._parts = [
            (p, rate, torch.zeros_like(p), torch.zeros_like(p)) for parameters, rate in groups for p in parameters
        ]
        self._taken = 0

    @torch.no_grad()
    def step(self) -> None:
        self._taken += 1
        for parameter, rate, mean, square in self._parts:
            if parameter.grad is None:
                continue
            mean.lerp_(parameter.grad, 0.1)
            square.lerp_(parameter.grad.square(), 0.001)
            size = (square / (1 - 0.999**self._taken)).sqrt_().add_(1e-8)
            parameter.addcdiv_(mean, size, value=-rate / (1 - 0.9**self._taken))
            parameter.grad = None
