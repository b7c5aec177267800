"""From a target, ``module:Class`` or ``path/file.py:Class``, to an instance of the loss.

Constructor parameters ``num_classes`` and ``embedding_dim`` (``embedding_size`` in pytorch-metric-learning) are given by the
suite, the others are hyper-parameters. A target with a miner is spelt ``LOSS + MINER``; the miner's
hyper-parameters have ``miner_`` before their names.
"""

import importlib
import importlib.util
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import Tensor, nn

from suite.errors import SuiteError, allowed, told
from suite.hashing import PACKAGES, sha256_code, sha256_source, sha256_user_code, sha256_value, user_files

FORMS = "module:Class and path/file.py:Class"
"""What a target may look like."""
WITH_MINER = " + "
MINER_PREFIX = "miner_"
"""Before the names of a miner's hyper-parameters where they stand among those of its loss."""
GIVEN = ("num_classes", "embedding_dim", "embedding_size")
"""Constructor parameters that the suite gives: C, D, and D as pytorch-metric-learning calls it."""
TRAINING_SETTINGS = ("learning_rate", "proxy_learning_rate")
"""Hyper-parameters of a loss that belong to the optimiser, not to its constructor."""


class MinedLoss(nn.Module):
    """``loss(embeddings, labels, miner(embeddings, labels))``, as pytorch-metric-learning combines the two.

    Args:
        loss: takes embeddings (B, D), labels (B,) and what the miner gives.
        miner: gives index tuples for embeddings and labels: the pairs or triplets on which the loss is taken.
    """

    def __init__(self, loss: nn.Module, miner: nn.Module) -> None:
        super().__init__()
        self.loss = loss
        self.miner = miner

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss on the mined part of a batch: embeddings (B, D), labels (B,); gives a scalar."""
        value: Tensor = self.loss(embeddings, labels, self.miner(embeddings, labels))
        return value


def build_loss(
    target: str, values: dict[str, Any], num_classes: int, embedding_dim: int, setting: str = "losses"
) -> nn.Module:
    """Construct a loss; optimiser settings among ``values`` are left to the optimiser.

    Args:
        target: ``LOSS`` or ``LOSS + MINER``, each ``module:Class`` or ``path/file.py:Class``.
        values: hyper-parameters.
        num_classes: C.
        embedding_dim: D.
        setting: what names the loss, for error messages.

    Raises:
        SuiteError: the target cannot be loaded, or the constructor refuses a value.
    """
    loss_target, _, miner_target = target.partition(WITH_MINER)
    cls = load_class(loss_target, f"{setting} = {loss_target!r}")
    miner = load_class(miner_target, f"{setting} = {miner_target!r}") if miner_target else None
    return construct(cls, miner, values, num_classes, embedding_dim, setting)


def construct(
    cls: type[nn.Module],
    miner: type[nn.Module] | None,
    values: dict[str, Any],
    num_classes: int,
    embedding_dim: int,
    setting: str,
) -> nn.Module:
    """Construct a loss from its class, and the class of its miner if it has one; otherwise like ``build_loss``.

    Raises:
        SuiteError: the constructor refuses a value.
    """
    given = dict(zip(GIVEN, (num_classes, embedding_dim, embedding_dim), strict=True))
    wanted = {name: value for name, value in values.items() if name not in TRAINING_SETTINGS}
    mining = {name for name in wanted if miner and name.startswith(MINER_PREFIX)}
    try:
        loss = _construct(cls, given, {name: wanted[name] for name in wanted.keys() - mining})
        if miner is None:
            return loss
        mined = _construct(miner, given, {name.removeprefix(MINER_PREFIX): wanted[name] for name in mining})
    except (TypeError, ValueError) as error:
        raise SuiteError(f"{setting}: {error}") from error
    except (Exception, SystemExit) as error:
        raise SuiteError(f"{setting}: the constructor raised {told(error)}") from error
    return MinedLoss(loss, mined)


def scalar(value: object, where: str) -> Tensor:
    """The value, if it is a scalar tensor.

    Raises:
        SuiteError: it is not.
    """
    if not isinstance(value, Tensor):
        raise SuiteError(f"{where} gave {type(value).__name__}; allowed is a scalar tensor")
    if value.ndim != 0:
        raise SuiteError(f"{where} gave a tensor of shape {tuple(value.shape)}; allowed is a scalar tensor, shape ()")
    if not value.is_floating_point():
        raise SuiteError(f"{where} gave a tensor of type {value.dtype}; allowed are real numbers")
    return value


def takes_pairs(cls: type[nn.Module]) -> bool:
    """Whether ``forward`` takes a third argument besides ``self``, the mined pairs or triplets, and makes use of them.

    A loss that takes the argument for its place alone says so by ``takes_mined_pairs = False``.
    """
    if not getattr(cls, "takes_mined_pairs", True):
        return False
    parameters = list(inspect.signature(cls.forward).parameters.values())
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(places) >= 4 or any(p.kind is p.VAR_POSITIONAL for p in parameters)


def constructor_parameters(cls: type[nn.Module]) -> dict[str, Any]:
    """Hyper-parameters of the constructor with their defaults."""
    return {name: default for name, default in _signature(cls).items() if name not in GIVEN}


def load_class(target: str, setting: str) -> type[nn.Module]:
    """Import a class.

    Args:
        target: ``module:Class`` or ``path/file.py:Class``.
        setting: what names the target, for error messages.

    Raises:
        SuiteError: the target is malformed, cannot be imported, or is no ``nn.Module``.
    """
    module = load_module(target, setting)
    cls = getattr(module, target.rpartition(":")[2], None)
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        classes = [
            key for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, nn.Module)
        ]
        raise SuiteError(f"{setting}: no nn.Module of that name; allowed: {allowed(classes) or 'none there'}")
    return cls


def load_module(target: str, setting: str) -> ModuleType:
    """Import the module or run the file of a target.

    Raises:
        SuiteError: the target is malformed or cannot be imported.
    """
    where, colon, class_name = target.rpartition(":")
    if not colon or not where or not class_name:
        raise SuiteError(f"{setting}: allowed are {FORMS}")
    if where.endswith(".py"):
        return _load_file(Path(where), setting)
    try:
        return importlib.import_module(where)
    except ImportError as error:
        raise SuiteError(f"{setting}: cannot import {where}: {error}") from error
    except (Exception, SystemExit) as error:
        raise SuiteError(f"{setting}: {where} fails on import: {told(error)}") from error


def sha256_target(target: str, setting: str) -> str:
    """Digest of the code behind a target; with a miner, of both.

    A file counts together with what it imports from beside itself; a module of this repository together with what it imports
    from these packages; any other module as its file or package.

    Raises:
        SuiteError: it cannot be imported, or has no Python source.
    """
    loss_target, _, miner_target = target.partition(WITH_MINER)
    if miner_target:
        return sha256_value([sha256_target(loss_target, setting), sha256_target(miner_target, setting)])
    where = target.rpartition(":")[0]
    if where.endswith(".py"):
        return sha256_user_code(Path(where), setting)
    module = load_module(target, setting)
    path = Path(str(getattr(module, "__file__", None)))
    if path.suffix != ".py":
        raise SuiteError(f"{setting}: {module.__name__} has no Python source; records need the digest of the source")
    if module.__name__.partition(".")[0] in PACKAGES:
        return sha256_code(path, setting)
    return sha256_source(path.parent if path.name == "__init__.py" else path)


def _construct(cls: type[nn.Module], given: dict[str, Any], values: dict[str, Any]) -> nn.Module:
    wanted = _signature(cls)
    return cls(**{name: value for name, value in given.items() if name in wanted} | values)


def _signature(cls: type[nn.Module]) -> dict[str, Any]:
    """Named constructor parameters and defaults, those of parents too where the constructor passes ``**kwargs`` on."""
    found: dict[str, Any] = {}
    for base in cls.__mro__:
        if base is nn.Module:
            break
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        named = {p.name: p.default for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        found |= {name: default for name, default in named.items() if name not in found}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return found


def _load_file(path: Path, setting: str) -> ModuleType:
    """Run a file as a module of its own; it finds the modules beside it by their plain names."""
    helpers = [file.resolve() for file in user_files(path, setting)[1:]]
    _forget(helpers)
    if (folder := str(path.resolve().parent)) not in sys.path:
        sys.path.append(folder)
    spec = importlib.util.spec_from_file_location("user_" + re.sub(r"\W", "_", path.with_suffix("").as_posix()), path)
    if spec is None or spec.loader is None:
        raise SuiteError(f"{setting}: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickling look their module up here
    writing, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # bytecode misses an edit within a second
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise SuiteError(f"{setting}: {path} fails on import: {told(error)}") from error
    finally:
        sys.dont_write_bytecode = writing
    _check_helpers(helpers, Path(folder), setting)
    return module


def _forget(files: list[Path]) -> None:
    """Drop modules that were loaded from these files: they may have been edited since."""
    importlib.invalidate_caches()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file) in files and name.partition(".")[0] not in PACKAGES:
            del sys.modules[name]


def _check_helpers(files: list[Path], folder: Path, setting: str) -> None:
    """Check that the names of files beside a loss lead to these files, not to another module of the same name."""
    for file in files:
        name = file.relative_to(folder).with_suffix("").parts[0]
        spec = importlib.util.find_spec(name)
        places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]
        if not any(place and folder in Path(place).resolve().parents for place in places):
            raise SuiteError(
                f"{setting}: its import of {name} finds {places[0] if places else 'nothing'} instead of {file}; "
                "rename the file beside the loss"
            )
