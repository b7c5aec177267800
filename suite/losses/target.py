"""From a target, ``module:Class`` or ``path/file.py:Class``, to its class and the digest of its code."""

import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

from torch import nn

from suite.errors import SuiteError, allowed
from suite.hashing import sha256_source
from suite.losses.source import OUR_PACKAGES, our_digest, own_digest, own_files

FORMS = "module:Class and path/file.py:Class"
"""What a target may look like."""


def load_class(target: str, setting: str) -> tuple[type[nn.Module], str]:
    """Import a class.

    Args:
        target: ``module:Class`` or ``path/file.py:Class``.
        setting: what names the target, for error messages.

    Returns:
        The class, and the digest of its module or package, or of its file and what that imports from beside itself.

    Raises:
        SuiteError: the target is malformed, cannot be imported, or is no ``nn.Module``.
    """
    where, colon, class_name = target.rpartition(":")
    if not colon or not where or not class_name:
        raise SuiteError(f"{setting}: allowed are {FORMS}")
    if where.endswith(".py"):
        digest = own_digest(Path(where), setting)
        module = _load_file(Path(where), setting)
    else:
        module = _load_module(where, setting)
        digest = None
    cls = getattr(module, class_name, None)
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        classes = [
            key for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, nn.Module)
        ]
        raise SuiteError(f"{setting}: no nn.Module of that name; allowed: {allowed(classes) or 'none there'}")
    return cls, digest or _module_digest(module, setting)


def _load_file(path: Path, setting: str) -> ModuleType:
    """Run a file as a module of its own; it finds the modules beside it by their plain names."""
    helpers = [file.resolve() for file in own_files(path, setting)[1:]]
    _forget(helpers)
    if (folder := str(path.resolve().parent)) not in sys.path:
        sys.path.append(folder)
    spec = importlib.util.spec_from_file_location("own_" + re.sub(r"\W", "_", path.with_suffix("").as_posix()), path)
    if spec is None or spec.loader is None:
        raise SuiteError(f"{setting}: {path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickling look their module up here
    writing, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # bytecode misses an edit within a second
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise SuiteError(f"{setting}: {path} fails on import: {type(error).__name__}: {error}") from error
    finally:
        sys.dont_write_bytecode = writing
    _check_helpers(helpers, Path(folder), setting)
    return module


def _forget(files: list[Path]) -> None:
    """Drop modules that were loaded from these files: they may have been edited since."""
    importlib.invalidate_caches()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file) in files and name.partition(".")[0] not in OUR_PACKAGES:
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


def _load_module(name: str, setting: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SuiteError(f"{setting}: cannot import {name}: {error}") from error


def _module_digest(module: ModuleType, setting: str) -> str:
    """Digest of a module of our packages with all that it uses of them, or of another module's file or package."""
    path = Path(str(getattr(module, "__file__", None)))
    if path.suffix != ".py":
        raise SuiteError(f"{setting}: {module.__name__} has no Python source, whose digest its runs would record")
    if module.__name__.partition(".")[0] in OUR_PACKAGES:
        return our_digest(path)
    return sha256_source(path.parent if path.name == "__init__.py" else path)
