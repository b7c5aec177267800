"""From a loss's name to its class, the digest of its code and its settings.

A loss is an ``nn.Module`` with ``forward(embeddings, labels) -> scalar``. It may declare, as plain data on the class,
``formula``, ``source``, ``search_space``, ``paper_values`` and ``undisclosed``. All its parameters are proxies: they train
at ``proxy_learning_rate``. Losses and miners of pytorch-metric-learning fit as they are.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from suite.errors import SuiteError, allowed
from suite.hashing import PACKAGES
from suite.losses.apart import must_survive, survive_import
from suite.losses.build import (
    MINER_PREFIX,
    TRAINING_SETTINGS,
    WITH_MINER,
    WRAPPED,
    WRAPPED_PREFIX,
    WRAPS,
    Parts,
    construct,
    constructor_parameters,
    load_class,
    parts_of,
    sha256_target,
)
from suite.losses.fit import check_fit
from suite.processes import guarded
from suite.settings.params import LossSettings
from suite.settings.paths import PARAMS_FILE

BUILT_IN = {
    "pfml": "pfml:PotentialFieldLoss",
    "cpml": "baselines.cpml:CPMLLoss",
    "proxy_anchor": "baselines.proxy_anchor:ProxyAnchorLoss",
    "triplet": "baselines.triplet:TripletLoss",
    "multi_similarity": "baselines.multi_similarity:MultiSimilarityLoss",
    "soft_triple": "baselines.soft_triple:SoftTripleLoss",
    "proxy_nca_pp": "baselines.proxy_nca_pp:ProxyNCAPlusPlusLoss",
    "hist": "baselines.hist:HISTLoss",
    "prism": "baselines.prism:PRISMLoss",
    "sub_center_arcface": "baselines.sub_center_arcface:SubCenterArcFaceLoss",
    "smooth_ap": "baselines.smooth_ap:SmoothAPLoss",
    "recall_at_k": "baselines.recall_at_k:RecallAtKLoss",
    "supcon": "baselines.supcon:SupConLoss",
    "circle": "baselines.circle:CircleLoss",
    "normalized_softmax": "baselines.normalized_softmax:NormalizedSoftmaxLoss",
    "cross_batch_memory": "baselines.cross_batch_memory:CrossBatchMemoryLoss",
    "super_loss": "baselines.super_loss:SuperLoss",
    "smooth_proxy_anchor": "baselines.smooth_proxy_anchor:SmoothProxyAnchorLoss",
    "pfml_constant_force": "baselines.constant_force:ConstantForceLoss",
    "pfml_growing_force": "baselines.constant_force:GrowingForceLoss",
    "pfml_two_radii": "baselines.two_radii:TwoRadiiLoss",
}
DEFAULT = ("pfml", "cpml", "proxy_anchor", "triplet", "multi_similarity", "prism", "sub_center_arcface")
"""Built-in losses that `params.yaml` names as it comes; the others are the extended ones, which run by name."""

Hyperparameters = dict[str, Any]
_OPTIONS = {"loss": ".target", "wrapped": ".wraps.target", "miner": ".miner"}
_LARGE = 200
"""Whole numbers above it may be numbers of proxies that do not fit the memory."""
_MOST_BYTES = 2**28
"""Of a loss's parameters: 256 MiB; its gradients and the optimiser take three times as much again."""


@dataclass(frozen=True, slots=True)
class LossEntry:
    """A loss that was found.

    Attributes:
        name: its name in ``params.yaml`` and on the leaderboard.
        target: ``module:Class`` or ``path/file.py:Class``, with those of a wrapped loss and a miner if it has them.
        cls: the class.
        sha256: digest of the code that defines it: a module or package, or a file and what it imports from beside itself.
        wrapped: class of the loss that it wraps, if it wraps one.
        miner: class of the miner in front of it, if there is one.
        setting: what names the loss, for error messages; by default its entry among the losses of ``params.yaml``.
        file: the settings file that holds its entry, for error messages, below the setting ``losses``.
    """

    name: str
    target: str
    cls: type[nn.Module]
    sha256: str
    wrapped: type[nn.Module] | None = None
    miner: type[nn.Module] | None = None
    setting: str | None = None
    file: Path = PARAMS_FILE
    losses: str = "losses"

    @property
    def place(self) -> str:
        """What names the loss in error messages."""
        return self.setting or entry_of(self.name)

    @property
    def search_space(self) -> dict[str, dict[str, Any]]:
        """The search space that the loss declares; empty if it declares none."""
        return dict(getattr(self.cls, "search_space", {}))

    def space(self, settings: LossSettings) -> dict[str, dict[str, Any]]:
        """The search space in use: that of ``params.yaml`` if it gives one, else the declared one."""
        return self.search_space if settings.search is None else settings.search

    def hyperparameter_names(self) -> list[str]:
        """Names that may be set for this loss: constructor parameters and optimiser settings."""
        return [*self.defaults(), *TRAINING_SETTINGS]

    def defaults(self) -> Hyperparameters:
        """Default of each hyper-parameter of the constructors; ``inspect.Parameter.empty`` where there is none."""
        found = constructor_parameters(self.cls)
        for cls, prefix in ((self.wrapped, WRAPPED_PREFIX), (self.miner, MINER_PREFIX)):
            if cls is not None:
                found |= {prefix + name: default for name, default in constructor_parameters(cls).items()}
        if self.wrapped is not None or found.get(WRAPPED, "") is None:  # None: it can do without one
            del found[WRAPPED]
        return found

    def build(self, values: Hyperparameters, num_classes: int, embedding_dim: int) -> nn.Module:
        """Construct it.

        Raises:
            SuiteError: the constructor refuses a value, or lacks one.
        """
        self.check_size(values, num_classes, embedding_dim)
        try:
            with guarded(f"{self.place}: the constructor"):
                return construct(
                    Parts(self.cls, self.wrapped, self.miner), values, num_classes, embedding_dim, self.place
                )
        except SuiteError as error:
            required = [name for name, default in self.defaults().items() if default is inspect.Parameter.empty]
            missing = [name for name in required if f"'{name.removeprefix(WRAPPED_PREFIX)}'" in str(error)]
            if "missing" not in str(error) or not missing:
                raise
            raise SuiteError(f"{self.place}: {self.cls.__name__} {_needs(missing)}") from error

    def must_survive(self, function: Callable[[], object]) -> None:
        """Call a function that runs this loss; where it is somebody else's, in a process of its own, which it may kill.

        Raises:
            SuiteError: as ``function`` raises it, or the process was killed.
        """
        if all(part is None or part.partition(".")[0].partition(":")[0] in PACKAGES for part in parts_of(self.target)):
            function()
        else:
            must_survive(f"{self.place} ({self.target})", function)

    def check_size(self, values: Hyperparameters, num_classes: int, embedding_dim: int) -> None:
        """Refuse numbers that would fill the memory: large ones are tried without any memory first."""
        large = {name: value for name, value in values.items() if type(value) is int and value > _LARGE}
        if not large:
            return
        parts = Parts(self.cls, self.wrapped, self.miner)
        try:
            with guarded(self.place), torch.device("meta"):
                loss = construct(parts, values, num_classes, embedding_dim, self.place)
        except SuiteError:  # it needs numbers, or refuses a value, which is told when it is built
            return
        size = sum(parameter.numel() * parameter.element_size() for parameter in loss.parameters())
        if size > _MOST_BYTES:
            told = allowed(f"{name} = {value}" for name, value in large.items())
            raise SuiteError(
                f"{self.place}: {told}: its parameters take {size:,} bytes; allowed: up to {_MOST_BYTES:,} bytes"
            )


def entry_of(name: str, losses: str = "losses", file: Path = PARAMS_FILE) -> str:
    """How error messages name a loss of a settings file: ``losses`` is the setting that holds it."""
    return f"{file}: {losses}.{name}"


def find_loss(name: str, settings: LossSettings, losses: str = "losses", file: Path = PARAMS_FILE) -> LossEntry:
    """Find the class behind an entry of ``losses`` or, where that is said, ``tuning.also``, of a settings file.

    Raises:
        SuiteError: unknown name, or a target that cannot be imported or is no ``nn.Module``.
    """
    entry = load_target(name, target_of(name, settings, losses, file), entry=entry_of(name, losses, file))
    return replace(entry, losses=losses, file=file)


def target_of(name: str, settings: LossSettings, losses: str = "losses", file: Path = PARAMS_FILE) -> str:
    """The target of an entry of ``losses``, with what it wraps and its miner.

    Raises:
        SuiteError: it names none, and is no loss that comes with the suite.
    """
    target = settings.target or BUILT_IN.get(name)
    if target is None:
        raise SuiteError(
            f"{entry_of(name, losses, file)}: unknown loss; allowed: {allowed(BUILT_IN)}, "
            "or an entry with target: module:Class or path/file.py:Class"
        )
    wrapped = "" if settings.wraps is None else WRAPS + settings.wraps.target
    miner = "" if settings.miner is None else WITH_MINER + settings.miner
    return target + wrapped + miner


def load_target(
    name: str,
    target: str,
    setting: str | None = None,
    entry: str | None = None,
    options: Mapping[str, str] = _OPTIONS,
) -> LossEntry:
    """Import ``module:Class`` or ``path/file.py:Class``, with what it wraps and its miner.

    Args:
        name: the loss's name.
        target: what to import.
        setting: what names the target, for error messages; by default that of the entry.
        entry: the entry that names it; by default that of the loss among ``losses``.
        options: how the entry names each part of the target, where ``setting`` is not given.

    Raises:
        SuiteError: the target is malformed, cannot be imported or is no ``nn.Module``, or its parts do not fit.
    """
    entry = entry or entry_of(name)
    parts = parts_of(target)
    places = {part: setting or entry + option for part, option in options.items()}
    classes: dict[str, type[nn.Module]] = {}
    for part, value in parts._asdict().items():
        if value:
            where = f"{places[part]} = {value!r}"
            survive_import(value, where)
            with guarded(f"{where}: its import"):
                classes[part] = load_class(value, where)
    check_fit(parts, classes, places)
    digest = sha256_target(target, f"{places['loss']} = {target!r}")
    wrapped, miner = classes.get("wrapped"), classes.get("miner")
    return LossEntry(name, target, classes["loss"], digest, wrapped, miner, setting or entry)


def _needs(missing: Sequence[str]) -> str:
    """What a constructor lacks, and where it is given."""
    if WRAPPED in missing:
        return "wraps another loss; name it: wraps: {target: module:Class} (suite check: --wraps module:Class)"
    values = f"{{{', '.join(f'{name}: ...' for name in missing)}}}"
    return (
        f"needs {allowed(missing)}, which has no default; give it: params: {values} (suite check: --params '{values}')"
    )


def check_hyperparameters(entry: LossEntry, values: Hyperparameters, origin: str) -> None:
    """Refuse hyper-parameters that the loss does not have; ``origin`` names the file and setting they come from.

    Raises:
        SuiteError: a name is unknown.
    """
    names = entry.hyperparameter_names()
    if unknown := [name for name in values if name not in names]:
        raise SuiteError(
            f"{origin}: {unknown[0]} is no hyper-parameter of loss {entry.name}; allowed: {allowed(names)}"
        )
