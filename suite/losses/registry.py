"""From a loss's name to its class, its source file and its settings.

A loss is an ``nn.Module`` with ``forward(embeddings, labels) -> scalar``. It may declare, as plain data on the class,
``formula``, ``source``, ``search_space``, ``published`` and ``undisclosed``. Constructor parameters ``num_classes`` and
``embedding_dim`` (or, as pytorch-metric-learning calls it, ``embedding_size``) are given by the suite, the others are its
hyper-parameters. All its parameters are proxies: they train at ``proxy_learning_rate``.
"""

import importlib
import importlib.util
import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from suite.config.settings import LossSettings
from suite.errors import SuiteError, allowed
from suite.hashing import sha256_source

BUILT_IN = {
    "pfml": "pfml:PotentialFieldLoss",
    "cpml": "baselines.cpml:CPMLLoss",
    "proxy_anchor": "baselines.proxy_anchor:ProxyAnchorLoss",
    "triplet": "baselines.triplet:TripletLoss",
    "multi_similarity": "baselines.multi_similarity:MultiSimilarityLoss",
    "soft_triple": "baselines.soft_triple:SoftTripleLoss",
}
OWN_FOLDER = Path("my_losses")
"""Loss files of the user. The pipeline watches this folder, so that an edited loss is run again."""

TRAINING_SETTINGS = ("learning_rate", "proxy_learning_rate")
"""Hyper-parameters of a loss that belong to the optimiser, not to its constructor."""
_GIVEN = ("num_classes", "embedding_dim", "embedding_size")

Hyperparameters = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LossEntry:
    """A loss that was found.

    Attributes:
        name: its name in ``params.yaml`` and on the leaderboard.
        target: ``module:Class`` or ``my_losses/file.py:Class``.
        cls: the class.
        source_sha256: digest of the file or package that defines it.
    """

    name: str
    target: str
    cls: type[nn.Module]
    source_sha256: str

    @property
    def search_space(self) -> dict[str, dict[str, Any]]:
        """The search space that the loss declares; empty if it declares none."""
        return dict(getattr(self.cls, "search_space", {}))

    def space(self, settings: LossSettings) -> dict[str, dict[str, Any]]:
        """The search space that counts: that of ``params.yaml`` if it gives one, else the declared one."""
        return self.search_space if settings.search is None else settings.search

    def hyperparameter_names(self) -> list[str]:
        """Names that may be set for this loss: constructor parameters and optimiser settings."""
        return [*_constructor_parameters(self.cls), *TRAINING_SETTINGS]


def find_loss(name: str, settings: LossSettings) -> LossEntry:
    """Find the class behind an entry of ``losses``.

    Raises:
        SuiteError: unknown name, or a target that cannot be imported or is no ``nn.Module``.
    """
    target = settings.target or BUILT_IN.get(name)
    if target is None:
        raise SuiteError(
            f"params.yaml: losses.{name}: unknown loss; allowed: {allowed(BUILT_IN)}, "
            f"or an entry with target: module:Class or {OWN_FOLDER}/file.py:Class"
        )
    return load_target(name, target)


def load_target(name: str, target: str) -> LossEntry:
    """Import ``module:Class`` or ``my_losses/file.py:Class``.

    Raises:
        SuiteError: the target is malformed, cannot be imported, or is no ``nn.Module``.
    """
    where, colon, class_name = target.rpartition(":")
    setting = f"params.yaml: losses.{name}.target = {target!r}"
    if not colon or not where or not class_name:
        raise SuiteError(f"{setting}: allowed are module:Class and {OWN_FOLDER}/file.py:Class")
    module = _load_file(Path(where), setting) if where.endswith(".py") else _load_module(where, setting)
    cls = getattr(module, class_name, None)
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        classes = [
            key for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, nn.Module)
        ]
        raise SuiteError(f"{setting}: no nn.Module of that name; allowed: {allowed(classes) or 'none there'}")
    return LossEntry(name, target, cls, sha256_source(_source_of(module)))


def _load_file(path: Path, setting: str) -> ModuleType:
    if not path.is_file():
        raise SuiteError(f"{setting}: file {path} does not exist")
    if OWN_FOLDER.resolve() not in path.resolve().parents:
        raise SuiteError(f"{setting}: loss files must lie in {OWN_FOLDER}/, where the pipeline notices their changes")
    spec = importlib.util.spec_from_file_location(f"my_losses_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SuiteError(f"{setting}: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickling look their module up here
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise SuiteError(f"{setting}: {path} fails on import: {type(error).__name__}: {error}") from error
    return module


def _load_module(name: str, setting: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SuiteError(f"{setting}: cannot import {name}: {error}") from error


def _source_of(module: ModuleType) -> Path:
    path = Path(str(module.__file__))
    return path.parent if path.name == "__init__.py" else path


def _constructor_parameters(cls: type[nn.Module]) -> list[str]:
    """Hyper-parameters of the constructor."""
    return [name for name in _signature(cls) if name not in _GIVEN]


def _signature(cls: type[nn.Module]) -> list[str]:
    """Named constructor parameters, those of parent classes too where the constructor passes ``**kwargs`` on."""
    names: list[str] = []
    for base in cls.__mro__:
        if base is nn.Module:
            break
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        names += [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return list(dict.fromkeys(names))


def check_hyperparameters(entry: LossEntry, values: Hyperparameters, origin: str) -> None:
    """Refuse hyper-parameters that the loss does not have; ``origin`` names the file and setting they come from.

    Raises:
        SuiteError: a name is unknown.
    """
    names = entry.hyperparameter_names()
    for name in values:
        if name not in names:
            raise SuiteError(f"{origin}: {name} is no hyper-parameter of loss {entry.name}; allowed: {allowed(names)}")


def preload(entry: LossEntry, values: Hyperparameters) -> None:
    """Build a loss once and drop it, so that what its constructor imports is loaded before workers are forked."""
    build_loss(entry, values, num_classes=2, embedding_dim=2)


def build_loss(entry: LossEntry, values: Hyperparameters, num_classes: int, embedding_dim: int) -> nn.Module:
    """Construct a loss; optimiser settings among ``values`` are left to the optimiser.

    Raises:
        SuiteError: the constructor refuses a value.
    """
    given = dict(zip(_GIVEN, (num_classes, embedding_dim, embedding_dim), strict=True))
    signature = _signature(entry.cls)
    arguments: Hyperparameters = {name: value for name, value in given.items() if name in signature}
    arguments |= {name: value for name, value in values.items() if name not in TRAINING_SETTINGS}
    try:
        return entry.cls(**arguments)
    except (TypeError, ValueError) as error:
        raise SuiteError(f"params.yaml: losses.{entry.name}: {error}") from error
