"""SHA-256 of files, of plain values and of code: what records, caches and resumption compare.

The digest of code covers a file and all that it imports, directly or not, found by reading import statements and without
running anything. So nobody keeps a list. Not found: modules imported by a computed name, and data files that code reads.
"""

import ast
import hashlib
import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from suite.errors import SuiteError

PACKAGES = ("suite", "baselines", "pfml")
"""The packages of this repository."""
ROOT = Path(__file__).parents[1]
"""The folder that they lie in."""
NEUTRAL = ("suite/errors.py", "suite/files.py", "suite/hashing.py", "suite/settings/")
"""They report, store, digest and read settings, whose values have a digest of their own; so they decide no outcome."""
_parsing = threading.Lock()
"""The parser of Python 3.11 fails where two threads use it at once."""


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_bytes(content: bytes) -> str:
    """SHA-256 of bytes, as hex digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_value(value: Any) -> str:
    """SHA-256 of a JSON-serialisable value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def sha256_source(path: Path) -> str:
    """SHA-256 of a Python file, or of all Python files below a folder with their relative names."""
    if path.is_file():
        return sha256_file(path)
    files = sorted(path.rglob("*.py"))
    return sha256_value([(file.relative_to(path).as_posix(), sha256_file(file)) for file in files])


def code_files(path: Path, setting: str = "") -> list[Path]:
    """A file of this repository's packages and those of their files that it imports, sorted; without the neutral ones.

    Args:
        path: the file.
        setting: what names it, for error messages.

    Raises:
        SuiteError: a file is no Python.
    """
    found = _closure([path], ROOT, setting or str(path), _is_packaged)
    return sorted(file for file in found if not file.relative_to(ROOT).as_posix().startswith(NEUTRAL))


def sha256_code(path: Path, setting: str = "") -> str:
    """SHA-256 over the names and bytes of ``code_files``.

    Raises:
        SuiteError: a file is no Python.
    """
    return _digest(code_files(path, setting), ROOT)


def user_files(path: Path, setting: str, project: Path | None = None) -> list[Path]:
    """A user's Python file and the files beside or below it that it imports, sorted, itself first.

    Args:
        path: the file, anywhere in the project.
        setting: what names it, for error messages.
        project: the project's folder; by default the current one.

    Raises:
        SuiteError: it is missing, lies outside the project, is no Python, or imports other files of the project.
    """
    if not path.is_file():
        raise SuiteError(f"{setting}: file {path} does not exist")
    project = project or Path.cwd()
    if project.resolve() not in path.resolve().parents:
        raise SuiteError(f"{setting}: {path} lies outside the project; allowed are files below {project}")
    found = _closure([path], path.parent, setting)
    _refuse_others(found, path.parent, project.resolve(), setting)
    return [path, *sorted(found - {path})]


def _refuse_others(files: set[Path], folder: Path, project: Path, setting: str) -> None:
    """Refuse imports of files of the project that do not lie beside a user's file: an edit of one would go unnoticed."""
    if project not in {Path(place).resolve() for place in sys.path}:
        return  # they would fail
    known = {file.resolve() for file in files}
    for file in sorted(files):
        beside = {
            _top(found, folder) for found in _imported(file, folder, setting)
        }  # loaded before others of that name
        for other in _imported(file, project, setting):
            seen = other.resolve() in known or _is_packaged(other.resolve())
            if not seen and _top(other, project) not in beside:
                raise SuiteError(
                    f"{setting}: {file} imports {other.relative_to(project)} of the project, so that an edit of it would go "
                    "unnoticed; allowed: modules that lie beside the loss, by their plain names (import helper)"
                )


def _top(file: Path, folder: Path) -> str:
    """The module or package of a folder that a file belongs to; empty where an import has left the folder."""
    return file.relative_to(folder).parts[0].removesuffix(".py") if file.is_relative_to(folder) else ""


def sha256_user_code(path: Path, setting: str, project: Path | None = None) -> str:
    """SHA-256 over the names and bytes of ``user_files``, and of what these import from this repository's packages.

    Raises:
        SuiteError: as ``user_files``.
    """
    files = user_files(path, setting, project)
    ours = _closure(files, ROOT, setting, _is_packaged) - set(files)
    named = [(file.relative_to(path.parent).as_posix(), sha256_file(file)) for file in files]
    return sha256_value(named + [(file.relative_to(ROOT).as_posix(), sha256_file(file)) for file in sorted(ours)])


def _digest(files: Iterable[Path], folder: Path) -> str:
    return sha256_value([(file.relative_to(folder).as_posix(), sha256_file(file)) for file in files])


def _is_packaged(file: Path) -> bool:
    return ROOT in file.parents and file.relative_to(ROOT).parts[0] in PACKAGES


def _closure(
    files: Iterable[Path], folder: Path, setting: str, wanted: Callable[[Path], bool] = lambda _: True
) -> set[Path]:
    """These files and those wanted below ``folder`` that they import, directly or not."""
    found, waiting = set[Path](), list(files)

    @cache  # most files import what others have imported, too
    def loaded(place: Path, name: str) -> list[Path]:
        return [file for file in _module_files(place, name) if wanted(file)]

    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += _imported(file, folder, setting, loaded)
    return found


def _imported(
    file: Path, folder: Path, setting: str, loaded: Callable[[Path, str], Iterable[Path]] | None = None
) -> Iterator[Path]:
    """Files below ``folder`` that a file's import statements may load; imports for type checkers alone load nothing."""
    try:
        with _parsing:
            statements = _statements(file.read_bytes(), str(file))
    except (SyntaxError, ValueError) as error:
        raise SuiteError(f"{setting}: {file} fails on import: {type(error).__name__}: {error}") from error
    for level, name in statements:
        yield from (loaded or _module_files)(folder if level == 0 else file.parents[level - 1], name)


@lru_cache(maxsize=1024)
def _statements(source: bytes, name: str) -> tuple[tuple[int, str], ...]:
    """The import statements of a file, each as a level (0 is absolute) and a dotted name; a source is parsed once."""
    found: list[tuple[int, str]] = []
    for node in _walk(ast.parse(source, name)):
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):  # a name may be a module or something inside one
            found += [(node.level, ".".join(filter(None, (node.module, alias.name)))) for alias in node.names]
    return tuple(found)


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those below ``if TYPE_CHECKING``."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _module_files(folder: Path, name: str) -> Iterator[Path]:
    """The files that importing a dotted name from a folder runs: each package on the way, then the module."""
    for part in name.split("."):
        if (module := folder / f"{part}.py").is_file():
            yield module
            return
        folder = folder / part
        if (package := folder / "__init__.py").is_file():
            yield package
