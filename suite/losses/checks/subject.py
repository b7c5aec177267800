"""A loss under test, built anew for each evaluation, and what one evaluation gives."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor, nn

from suite.losses.build import scalar
from suite.losses.checks.batches import EMBEDDING_DIM, NUM_CLASSES, Batch, typical
from suite.losses.registry import (
    BUILT_IN,
    Hyperparameters,
    LossEntry,
    check_hyperparameters,
    find_loss,
    load_target,
    values_by_hand,
)
from suite.randomness import torch_seed
from suite.settings.params import LossSettings, load_settings
from suite.settings.paths import PARAMS_FILE

Prepare = Callable[[nn.Module], None]


class Broken(Exception):  # noqa: N818 - a finding, not an error
    """The loss fails a check; the message says what it does."""


@dataclass(frozen=True)
class Evaluation:
    """A value, its gradient on the embeddings (B, D), and the loss, whose parameters hold their gradients."""

    value: float
    gradient: Tensor
    loss: nn.Module


@dataclass(frozen=True)
class Subject:
    """A loss and its hyper-parameters."""

    entry: LossEntry
    values: Hyperparameters = field(default_factory=dict)

    def build(self) -> nn.Module:
        """A new loss; every one starts from the same random numbers."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed("checks", "loss"))
            return self.entry.build(self.values, NUM_CLASSES, EMBEDDING_DIM)

    def evaluate(
        self, batch: Batch, *, prepare: Prepare | None = None, dtype: torch.dtype = torch.float32, seed: int = 0
    ) -> Evaluation:
        """Evaluate a new loss on a batch.

        Args:
            batch: embeddings and labels.
            prepare: changes the loss before.
            dtype: type of the embeddings and the loss's parameters.
            seed: seed of torch's random numbers during the evaluation.

        Raises:
            Broken: the loss raises, or gives no finite scalar with a finite gradient.
        """
        loss = self.build().to(dtype)
        if prepare is not None:
            prepare(loss)
        return evaluate(loss, batch, dtype, seed)

    @cached_property
    def draws_random_numbers(self) -> bool:
        """Whether the value depends on torch's random numbers at the time of the evaluation."""
        return len({self.evaluate(typical(), seed=seed).value for seed in range(3)}) > 1


def find_subject(target: str) -> Subject:
    """A loss by its name in ``params.yaml``, with the hyper-parameters set there; by its built-in name; or by its target.

    Raises:
        SuiteError: it cannot be found or built.
    """
    settings = load_settings() if ":" not in target and PARAMS_FILE.is_file() else None
    if settings is not None and target in settings.losses:
        entry = find_loss(target, settings.losses[target])
        values = values_by_hand(settings.losses[target])
        check_hyperparameters(entry, values, f"{PARAMS_FILE}: losses.{target}.params")
        subject = Subject(entry, values)
    elif ":" in target:
        name = target.rpartition(":")[2]
        subject = Subject(load_target(name, target, "suite check: target"))
    else:
        subject = Subject(find_loss(target, LossSettings(target=BUILT_IN.get(target))))
    subject.build()
    return subject


def evaluate(loss: nn.Module, batch: Batch, dtype: torch.dtype = torch.float32, seed: int = 0) -> Evaluation:
    """Evaluate a loss on a batch, forward and backward.

    Raises:
        Broken: see `Subject.evaluate`.
    """
    embeddings = batch.embeddings.to(dtype).clone().requires_grad_()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed("checks", "forward", seed))
        try:
            # A view of the leaf, as a head's output is no leaf either.
            value = scalar(loss(embeddings * 1, batch.labels.clone()), "it")
        except Exception as error:
            raise Broken(f"on {batch.name} {_reason(error)}") from error
        if not torch.isfinite(value):
            raise Broken(f"on {batch.name} it gives {value.item()}")
        if not value.requires_grad:
            raise Broken(f"on {batch.name} its value has no gradient, so that backward() raises")
        try:
            torch.autograd.backward(value)
        except Exception as error:
            raise Broken(f"on {batch.name} backward() raises {type(error).__name__}: {error}") from error
    gradient = torch.zeros_like(embeddings) if embeddings.grad is None else embeddings.grad
    for name, each in [("the embeddings", gradient), *((name, p.grad) for name, p in loss.named_parameters())]:
        if each is not None and not torch.isfinite(each).all():
            raise Broken(f"on {batch.name} the gradient on {name} is not finite")
    return Evaluation(value.item(), gradient, loss)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if text.startswith("it gave") else f"it raises {type(error).__name__}: {text}"
