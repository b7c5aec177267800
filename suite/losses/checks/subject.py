"""A loss under test, built anew for each evaluation, and what one evaluation gives."""

import contextlib
import inspect
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml
from torch import Tensor, nn

from suite.errors import SuiteError, allowed
from suite.losses.build import (
    OFFERED,
    WITH_MINER,
    WRAPS,
    load_class,
    offered_to,
    parts_of,
    scalar,
)
from suite.losses.by_hand import check_by_hand, values_by_hand
from suite.losses.checks.batches import EMBEDDING_DIM, EPOCH, NUM_CLASSES, Batch, crowded, typical
from suite.losses.influence.curve import influence_curves
from suite.losses.registry import BUILT_IN, Hyperparameters, LossEntry, check_hyperparameters, find_loss, load_target
from suite.processes import guarded
from suite.randomness import torch_seed
from suite.settings.params import LossSettings, load_settings
from suite.settings.paths import PARAMS_FILE

Prepare = Callable[[nn.Module], None]
INFLUENCE_DISTANCES = (0.1, 0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.5, 1.7)
_EVERY = 4
_DIMENSIONS = range(2, 4097)
_KEPT_GRAPH = ("through the graph a second time", "; detach() what it keeps from one batch to the next")
RANDOM, UNREPEATABLE = "it draws random numbers", "two new losses differ under one seed"
_LABELLED = 2
"""Arguments of ``forward`` that every loss is given: embeddings and labels."""


class Broken(Exception):  # noqa: N818 - a finding, not an error
    """The loss fails a check; the message says what it does."""


class Raised(Broken):
    """The loss raised something, which is told as what it is; it says nothing about what the check looks for."""


@dataclass(frozen=True)
class Evaluation:
    """A value, its gradient on the embeddings (B, D), and the loss, whose parameters hold their gradients."""

    value: float
    gradient: Tensor
    loss: nn.Module


@dataclass(frozen=True)
class Subject:
    """A loss, its hyper-parameters and the dimension D of the embeddings that it is shown."""

    entry: LossEntry
    values: Hyperparameters = field(default_factory=dict)
    dim: int = EMBEDDING_DIM

    def build(self) -> nn.Module:
        """A new loss; every one starts from the same random numbers."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed("checks", "loss"))
            return self.entry.build(self.values, NUM_CLASSES, self.dim)

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
    def varies(self) -> str:
        """Why two new losses differ on one batch: ``RANDOM``, or ``UNREPEATABLE``; empty where they do not."""
        first = self.evaluate(typical(self.dim)).value
        if self.bears(crowded(self.dim)) and self.evaluate(typical(self.dim)).value != first:
            return UNREPEATABLE
        return RANDOM if any(self.evaluate(typical(self.dim), seed=seed).value != first for seed in (1, 2)) else ""

    def bears(self, batch: Batch) -> bool:
        """Whether it can be evaluated on a batch."""
        with contextlib.suppress(Broken):
            self.evaluate(batch)
            return True
        return False

    @cached_property
    def influence(self) -> pd.DataFrame:
        """Its influence curves at ``INFLUENCE_DISTANCES``.

        Raises:
            Raised: they cannot be measured.
        """
        try:
            return influence_curves(self.entry, self.values, self.dim, INFLUENCE_DISTANCES, _EVERY)
        except SuiteError as error:
            raise Raised(str(error).partition("its influence cannot be measured: ")[2] or str(error)) from error


def find_subject(target: str, params: str | None = None, miner: str | None = None, wraps: str | None = None) -> Subject:
    """A loss by its name in ``params.yaml``, with the hyper-parameters set there; by its built-in name; or by its target.

    Args:
        target: name or target.
        params: hyper-parameters as YAML, ``{margin: 0.2}``; they win over those of ``params.yaml``.
        miner: target of a miner in front of it.
        wraps: target of the loss that it wraps.

    Raises:
        SuiteError: it cannot be found or built, or changes the working folder on the way.
    """
    asked = f"suite check {target}"
    given = _given(asked, params)
    with _watched(asked):
        entry, values = _found(target, asked, miner, wraps)
        check_hyperparameters(entry, given, f"{asked} --params")
        subject = Subject(entry, values | given)
        if "_modules" not in vars(subject.build()):
            raise SuiteError(
                f"{asked}: its constructor does not call super().__init__(); allowed: one that calls it first"
            )
        return replace(subject, dim=_dimension(subject))


def _found(target: str, asked: str, miner: str | None, wraps: str | None) -> tuple[LossEntry, Hyperparameters]:
    if ":" not in target and target.endswith(".py"):
        raise SuiteError(f"suite check: target = {target!r} names no class; allowed: {target}:CLASS")
    settings = load_settings() if ":" not in target and PARAMS_FILE.is_file() else None
    if settings is not None and target in settings.losses:
        entry, values = find_loss(target, settings.losses[target]), values_by_hand(settings.losses[target])
        check_by_hand(entry, settings.losses[target], f"{PARAMS_FILE}: losses.{target}")
        return (_loaded(target, entry.target, asked, miner, wraps) if miner or wraps else entry), values
    if ":" in target:
        return _loaded(target.rpartition(":")[2], target, asked, miner, wraps), {}
    if target in BUILT_IN:
        return _loaded(target, BUILT_IN[target], asked, miner, wraps), {}
    return find_loss(target, LossSettings()), {}


def _loaded(name: str, target: str, asked: str, miner: str | None, wraps: str | None) -> LossEntry:
    """The loss of a target, with a miner and a wrapped loss in the place of those that it has, if these are given."""
    for option, value in (("target", parts_of(target).loss), ("--wraps", wraps), ("--miner", miner)):
        if value:  # by itself: `load_target` puts the working folder right
            load_class(value, f"suite check: {option} = {value!r}")
    parts = parts_of(target)
    inner, before = wraps or parts.wrapped, miner or parts.miner
    whole = parts.loss + (f"{WRAPS}{inner}" if inner else "") + (f"{WITH_MINER}{before}" if before else "")
    options = {"loss": "target", "wrapped": "--wraps" if wraps else "target", "miner": "--miner" if miner else "target"}
    return replace(load_target(name, whole, entry="suite check: ", options=options), setting=asked)


def _given(asked: str, params: str | None) -> Hyperparameters:
    try:
        given = yaml.safe_load(params or "{}")
    except yaml.YAMLError:
        given = None
    if not isinstance(given, dict) or not all(isinstance(name, str) for name in given):
        raise SuiteError(f"{asked} --params {params!r}: allowed is a mapping, e.g. --params '{{margin: 0.2}}'")
    return given


def _dimension(subject: Subject) -> int:
    """``EMBEDDING_DIM``, or, for a loss that raises on it, the first of its whole numbers that is a dimension it takes."""
    settings = subject.entry.defaults() | dict(subject.values)
    numbers = [each for each in settings.values() if type(each) is int and each in _DIMENSIONS]
    for dim in (EMBEDDING_DIM, *numbers):
        try:
            replace(subject, dim=dim).evaluate(typical(dim))
        except Raised:
            continue
        except (Broken, SuiteError):
            break
        return dim
    return EMBEDDING_DIM


@contextlib.contextmanager
def _watched(where: str) -> Iterator[None]:
    """Turn whatever a loss raises, and a change of the working folder, into one line; what it prints is dropped."""
    here = Path.cwd()
    with silent(), guarded(f"{where}: the loss"):
        try:
            yield
        finally:
            if (moved := Path.cwd()) != here:  # and files are not found any more
                raise SuiteError(f"{where}: the loss changed the working folder to {moved}; allowed is to leave it")


@contextlib.contextmanager
def silent() -> Iterator[io.StringIO]:
    """Keep what is printed within from the terminal."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        yield printed


def check_arguments(loss: nn.Module) -> None:
    """Check that ``forward`` needs nothing but embeddings, labels and what is offered.

    Raises:
        Broken: it does.
    """
    parameters = list(inspect.signature(loss.forward).parameters.values())
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    needed = [p.name for p in named[_LABELLED:] if p.default is p.empty and p.name not in OFFERED]
    if needed:
        raise Broken(
            f"forward needs {allowed(needed)}; allowed: embeddings, labels, and by these names {allowed(sorted(OFFERED))}"
        )


def given_to(loss: nn.Module, batch: Batch, epoch: int = EPOCH) -> dict[str, Any]:
    """What a loss asks for besides the embeddings and labels of a batch."""
    return offered_to(loss)(batch.indices, epoch)


def evaluate(
    loss: nn.Module, batch: Batch, dtype: torch.dtype = torch.float32, seed: int = 0, epoch: int = EPOCH
) -> Evaluation:
    """Evaluate a loss on a batch, forward and backward.

    Raises:
        Broken: see `Subject.evaluate`.
    """
    embeddings, given = batch.embeddings.to(dtype).clone().requires_grad_(), given_to(loss, batch, epoch)
    name = f"{batch.name} in epoch {epoch}" if "epoch" in given else batch.name
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed("checks", "forward", seed))
        with raising(f"on {name}"):
            # A view of the leaf, as a head's output is no leaf either.
            value = loss(embeddings * 1, batch.labels.clone(), **given)
        try:
            value = scalar(value, "it")
        except SuiteError as error:
            raise Broken(f"on {name} {error}") from error
        if not torch.isfinite(value):
            raise Broken(f"on {name} it gives {value.item()}")
        if not value.requires_grad:
            raise Broken(f"on {name} its value has no gradient, so that backward() raises")
        with raising(f"in backward() on {name}"):
            torch.autograd.backward(value)
    gradient = torch.zeros_like(embeddings) if embeddings.grad is None else embeddings.grad
    for place, each in [("the embeddings", gradient), *((place, p.grad) for place, p in loss.named_parameters())]:
        if each is not None and not torch.isfinite(each).all():
            raise Broken(f"on {name} the gradient on {place} is not finite")
    return Evaluation(value.item(), gradient, loss)


@contextlib.contextmanager
def raising(where: str) -> Iterator[None]:
    """Turn whatever a loss raises, an exit too, into `Raised`; a finding passes as it is."""
    found: list[Broken] = []
    try:
        with guarded(f"{where} it"):
            try:
                yield
            except Broken as broken:
                found.append(broken)
    except SuiteError as error:
        raise Raised(f"{error}{_KEPT_GRAPH[1] if _KEPT_GRAPH[0] in str(error) else ''}") from error
    if found:
        raise found[0]
