"""The files behind a loss of the user's own: the file itself and, recursively, what it imports from beside itself.

They are found by reading the imports, without running anything, so that the pipeline can look at them in a moment on each
``dvc repro``. Not found: modules imported by a computed name, and data files that a loss reads.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from suite.errors import SuiteError
from suite.hashing import sha256_file, sha256_value


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
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += _imported(file, path.parent, setting)
    return [path, *sorted(found - {path})]


def own_digest(path: Path, setting: str) -> str:
    """SHA-256 over the names and bytes of `own_files`."""
    files = own_files(path, setting)
    return sha256_value([(file.relative_to(path.parent).as_posix(), sha256_file(file)) for file in files])


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
