"""From a target, ``module:Class`` or ``path/file.py:Class``, to an instance of the loss.

Constructor parameters ``num_classes`` and ``embedding_dim`` (``embedding_size`` in pytorch-metric-learning) are given by the
suite, the others are hyper-parameters. A loss may wrap another, which its constructor takes as ``loss``, and may have a
miner in front of it: ``LOSS wraps INNER + MINER``, each part as above. Hyper-parameters of the inner loss have ``wrapped_``
before their names, those of the miner ``miner_``.
"""

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from torch import Tensor, nn

from suite.errors import SuiteError, allowed, told
from suite.hashing import PACKAGES, sha256_code, sha256_source, sha256_user_code, sha256_value, user_files

FORMS = "module:Class and path/file.py:Class"
"""What a target may look like."""
WITH_MINER, WRAPS = " + ", " wraps "
MINER_PREFIX, WRAPPED_PREFIX = "miner_", "wrapped_"
"""Before the names of hyper-parameters of a miner and of a wrapped loss, where they stand among those of the loss."""
WRAPPED = "loss"
"""Constructor parameter of a wrapping loss that is given the wrapped one."""
OFFERED = {"indices", "epoch"}
"""Arguments that ``forward`` may ask for by name: rows of the batch in the training set, number of the epoch."""
GIVEN = ("num_classes", "embedding_dim", "embedding_size")
"""Constructor parameters that the suite gives: C, D, and D as pytorch-metric-learning calls it."""
TRAINING_SETTINGS = ("learning_rate", "proxy_learning_rate", "epochs")
"""Hyper-parameters of a loss that belong to its training, not to its constructor."""


class Parts(NamedTuple):
    """What a loss consists of, all targets or all classes: the loss, the one that it wraps, the miner in front of it."""

    loss: Any
    wrapped: Any = None
    miner: Any = None


def parts_of(target: str) -> Parts:
    """The targets of which a target consists."""
    losses, _, miner = target.partition(WITH_MINER)
    loss, _, wrapped = losses.partition(WRAPS)
    return Parts(loss, wrapped or None, miner or None)


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
        target: ``LOSS``, ``LOSS wraps INNER``, ``LOSS + MINER`` or ``LOSS wraps INNER + MINER``.
        values: hyper-parameters.
        num_classes: C.
        embedding_dim: D.
        setting: what names the loss, for error messages.

    Raises:
        SuiteError: the target cannot be loaded, or the constructor refuses a value.
    """
    classes = Parts(*(part and load_class(part, f"{setting} = {part!r}") for part in parts_of(target)))
    return construct(classes, values, num_classes, embedding_dim, setting)


def construct(classes: Parts, values: dict[str, Any], num_classes: int, embedding_dim: int, setting: str) -> nn.Module:
    """Construct a loss from its classes; otherwise like ``build_loss``.

    Raises:
        SuiteError: the constructor refuses a value.
    """
    given: dict[str, Any] = dict(zip(GIVEN, (num_classes, embedding_dim, embedding_dim), strict=True))
    own = {name: value for name, value in values.items() if name not in TRAINING_SETTINGS}
    mining = _taken(own, MINER_PREFIX) if classes.miner else {}
    inner = _taken(own, WRAPPED_PREFIX) if classes.wrapped else {}
    try:
        if classes.wrapped:
            given[WRAPPED] = _construct(classes.wrapped, given, inner)
        loss = _construct(classes.loss, given, own)
        if classes.miner is None:
            return loss
        mined = _construct(classes.miner, given, mining)
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


def offered_to(loss: nn.Module) -> Callable[[Tensor, int], dict[str, Any]]:
    """What a loss is given besides embeddings and labels: those of ``OFFERED`` that its ``forward`` names.

    Returns:
        A function of the rows (B,) of a batch in the training set and of the number of the epoch, from 1, which gives the
        named arguments.
    """
    names = inspect.signature(loss.forward).parameters.keys() & OFFERED
    return lambda rows, epoch: {name: {"indices": rows, "epoch": epoch}[name] for name in names}


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
    """Digest of the code behind a target; where it has several parts, of all.

    A file counts together with what it imports from beside itself; a module of this repository together with what it imports
    from these packages; any other module as its file or package.

    Raises:
        SuiteError: it cannot be imported, or has no Python source.
    """
    parts = [part for part in parts_of(target) if part]
    if len(parts) > 1:
        return sha256_value([sha256_target(part, setting) for part in parts])
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


def _taken(values: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Take out the values whose names have a prefix, and give them without it."""
    names = [name for name in values if name.startswith(prefix)]
    return {name.removeprefix(prefix): values.pop(name) for name in names}


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
