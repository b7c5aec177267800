"""The files behind a loss, found by reading imports, without running anything: the pipeline can look at them in a moment.

A loss of the user's own has the file itself and, recursively, what that imports from beside itself; any loss may use modules
of our packages, whose files count as well. Not found: modules imported by a computed name, and data files that a loss reads.
"""

import ast
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from suite.errors import SuiteError
from suite.hashing import sha256_file, sha256_value

OUR_PACKAGES = ("suite", "baselines", "pfml")
_ROOT = Path(__file__).parents[2]
"""The folder that our packages lie in."""


def own_files(path: Path, setting: str) -> list[Path]:
    """A loss file and the Python files beside or below it that it imports, sorted, itself first.

    Args:
        path: the loss file.
        setting: what names it, for error messages.

    Raises:
        SuiteError: it is missing, lies outside the project, or is no Python.
    """
    if not path.is_file():
        raise SuiteError(f"{setting}: file {path} does not exist")
    if Path.cwd() not in path.resolve().parents:
        raise SuiteError(f"{setting}: {path} lies outside the project; allowed are files below {Path.cwd()}")
    found = _closure([path], lambda file: _imported(file, path.parent, setting))
    return [path, *sorted(found - {path})]


def own_digest(path: Path, setting: str) -> str:
    """SHA-256 over the names and bytes of `own_files`, and of what these import from our packages."""
    return _digest(own_files(path, setting), path.parent, setting)


def our_digest(path: Path) -> str:
    """The same of a module of our packages."""
    return _digest([path], _ROOT, str(path))


def _digest(files: list[Path], folder: Path, setting: str) -> str:
    ours = _closure(files, lambda file: filter(_is_ours, _imported(file, _ROOT, setting))) - set(files)
    named = [(file.relative_to(folder), file) for file in files] + [
        (file.relative_to(_ROOT), file) for file in sorted(ours)
    ]
    return sha256_value([(name.as_posix(), sha256_file(file)) for name, file in named])


def _is_ours(file: Path) -> bool:
    return _ROOT in file.parents and file.relative_to(_ROOT).parts[0] in OUR_PACKAGES


def _closure(files: Iterable[Path], imported: Callable[[Path], Iterable[Path]]) -> set[Path]:
    """These files and those that they import, directly or not."""
    found: set[Path] = set()
    waiting = list(files)
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += imported(file)
    return found


def _imported(file: Path, folder: Path, setting: str) -> Iterator[Path]:
    """Files below ``folder`` that a file's import statements may load."""
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        raise SuiteError(f"{setting}: {file} fails on import: {type(error).__name__}: {error}") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _module_files(folder, alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = folder if node.level == 0 else file.parents[node.level - 1]
            for alias in node.names:  # a name may be a module or something inside one
                yield from _module_files(base, ".".join(filter(None, (node.module, alias.name))))


def _module_files(folder: Path, name: str) -> Iterator[Path]:
    """The files that importing a dotted name from a folder runs: each package on the way, then the module."""
    for part in name.split("."):
        if (module := folder / f"{part}.py").is_file():
            yield module
            return
        folder = folder / part
        if (package := folder / "__init__.py").is_file():
            yield package
