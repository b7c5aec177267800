"""The code of a loss in a bundle: which files it is, its digest, what its class declares; read, and not run."""

import ast
import os
import sysconfig
from collections.abc import Mapping
from contextlib import suppress
from importlib.machinery import PathFinder
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from suite.errors import SuiteError
from suite.hashing import PACKAGES, ROOT, sha256_code, sha256_source, sha256_user_code, sha256_value, user_files
from suite.losses.build import load_class, parts_of

LARGEST = 1_000_000
"""Bytes of a source file."""
LONGEST_SHOWN = 1000
"""Characters of a text of a class that a page shows."""
_INSTALLED = sorted({sysconfig.get_path(name) for name in ("purelib", "platlib")})


def files_of(target: str, setting: str) -> dict[str, bytes]:
    """Source files of a user that a target consists of, by their names in the project.

    Raises:
        SuiteError: one is missing, is no Python, or is not named from the project's folder.
    """
    found: dict[str, bytes] = {}
    for part in filter(None, parts_of(target)):
        path = Path(part.rpartition(":")[0])
        if path.suffix != ".py":
            continue
        if path.is_absolute() or ".." in path.parts:
            raise SuiteError(f"{setting}: {path}; allowed: a path from the project's folder, without ..")
        found |= {file.as_posix(): file.read_bytes() for file in user_files(path, setting)}
    return found


def write_code(code: Mapping[str, bytes], folder: Path) -> None:
    """Write source files below a folder by their names, which must be relative and lead nowhere else."""
    for name, content in code.items():
        path = folder / PurePosixPath(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def digest_of(target: str, code: Mapping[str, bytes], where: str) -> str:
    """What ``sha256_target`` gives where these files lie in the project; nothing is imported.

    Args:
        target: of a loss, with what it wraps and its miner.
        code: source files of a user by their names in the project.
        where: what is asked, for error messages.

    Raises:
        SuiteError: a file lacks, is no Python, too long, or imported by none; or a module is not installed.
    """
    for name, content in code.items():
        if len(content) > LARGEST:
            raise SuiteError(f"{where}: code/{name} has {len(content):,} bytes; allowed: up to {LARGEST:,}")
    with TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        write_code(code, folder)
        used: set[str] = set()
        digests = [_digest(part, folder, code, used, where) for part in parts_of(target) if part]
    if unused := sorted(code.keys() - used):
        raise SuiteError(f"{where}: code/{unused[0]} is not imported by {target}; allowed: its own files alone")
    return digests[0] if len(digests) == 1 else sha256_value(digests)


def _digest(part: str, folder: Path, code: Mapping[str, bytes], used: set[str], where: str) -> str:
    place = part.rpartition(":")[0]
    if not place.endswith(".py"):
        return _installed(place, where)
    name = PurePosixPath(place).as_posix()
    if name not in code:
        raise SuiteError(f"{where}: code/{name} is missing, and {part} is in it")
    setting = f"{where}: code/{name}"
    try:
        used |= {file.relative_to(folder).as_posix() for file in user_files(folder / name, setting, folder)}
        return sha256_user_code(folder / name, setting, folder)
    except (RecursionError, MemoryError) as error:
        raise SuiteError(f"{setting} is nested too deeply to be read; allowed: Python that can be imported") from error
    except (ValueError, IndexError) as error:
        raise SuiteError(f"{setting} imports from above the project; allowed: files of the bundle") from error
    except SuiteError as error:  # it names the folder in which it was read
        raise SuiteError(str(error).replace(f"{folder}{os.sep}", "code/")) from error


def _installed(module: str, where: str) -> str:
    """Digest of a module of this repository or of a library."""
    path = _module_file(module)
    if path is None:
        raise SuiteError(
            f"{where}: module {module} is not here; allowed: modules of the suite and of installed libraries"
        )
    if module.partition(".")[0] in PACKAGES:
        return sha256_code(path)
    return sha256_source(path.parent if path.name == "__init__.py" else path)


def _module_file(module: str) -> Path | None:
    """The source file of a module, found by its name: to import its package would run it."""
    first, *others = module.split(".")
    spec = PathFinder.find_spec(first, [str(ROOT)] if first in PACKAGES else _INSTALLED)
    path = Path(spec.origin) if spec is not None and spec.origin else None
    for name in others:
        if path is None or path.name != "__init__.py":
            return None
        places = (path.parent / f"{name}.py", path.parent / name / "__init__.py")
        path = next((place for place in places if place.is_file()), None)
    return path if path is not None and path.suffix == ".py" else None


def declared_of(target: str, code: Mapping[str, bytes], where: str, name: str) -> dict[str, Any]:
    """What the class of a target declares under a name. Classes of this repository are imported, others are read.

    Args:
        target: of a loss, with what it wraps and its miner.
        code: source files of a user by their names in the project.
        where: what is asked, for error messages.
        name: of the class's attribute, e.g. ``search_space``.

    Raises:
        SuiteError: no mapping of plain data stands in the class itself, so that it cannot be read without running it.
    """
    found = _constant(target, code, where, name)
    if isinstance(found, dict):
        return found
    part = parts_of(target).loss
    raise SuiteError(
        f"{where}: {name} of {part} cannot be read without running it; allowed: plain data in its class"
        f"{', or search in its entry of params.yaml' if name == 'search_space' else ''}"
    )


def text_of(target: str, code: Mapping[str, bytes], where: str, name: str) -> str | None:
    """A text that the class of a target declares, e.g. its ``formula``; None if it declares none that can be read or shown.

    Args:
        target: of a loss, with what it wraps and its miner.
        code: source files of a user by their names in the project.
        where: what is asked, for error messages.
        name: of the class's attribute.
    """
    found = _constant(target, code, where, name)
    return found if isinstance(found, str) and len(found) <= LONGEST_SHOWN and found.isprintable() else None


def _constant(target: str, code: Mapping[str, bytes], where: str, name: str) -> Any:
    """Plain data of a class; None where there is none that can be read without running it."""
    part = str(parts_of(target).loss)
    place, _, class_name = part.rpartition(":")
    if place.partition(".")[0] in PACKAGES:
        found = getattr(load_class(part, f"{where}: {part}"), name, {})
        return dict(found) if isinstance(found, Mapping) else found
    path = None if place.endswith(".py") else _module_file(place)
    content = code.get(PurePosixPath(place).as_posix(), b"") if path is None else path.read_bytes()
    for node in ast.parse(content).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            for line in node.body:
                if isinstance(line, ast.Assign | ast.AnnAssign) and name in _assigned(line):
                    with suppress(ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                        return ast.literal_eval(line.value or line)
    return None


def _assigned(line: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = line.targets if isinstance(line, ast.Assign) else [line.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}
