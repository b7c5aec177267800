"""YAML files, read without running anything that they name; an error is one line: the file, the place and what is wrong."""

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor

from suite.errors import SuiteError, told
from suite.files import shown


class _Rules(SafeConstructor):
    """Reads ``1e-3`` as a number, as YAML 1.2 and DVC do, and refuses a key that stands twice in one mapping."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - as in the parent
        """A mapping.

        Raises:
            YAMLError: a key stands twice.
        """
        seen: list[Any] = []
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} stands twice", key.start_mark)
            seen.append(key.value)
        return super().construct_mapping(node, deep)


class _Loader(_Rules, yaml.SafeLoader):
    """Its errors show the line that is wrong."""


class _FastLoader(_Rules, Composer, yaml.CSafeLoader):
    """Splits text in C, which is faster; puts it together in Python: in C, deep nesting ends the process."""

    def __init__(self, text: str) -> None:
        yaml.CSafeLoader.__init__(self, text)
        Composer.__init__(self)


for _loader in (_Loader, _FastLoader):
    _loader.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
    )


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        SuiteError: it is no YAML.
    """
    try:
        return _loaded(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise SuiteError(
            f"{shown(path)} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error
    except yaml.YAMLError as error:
        raise SuiteError(f"{shown(path)} is not valid YAML: {_problem(error)}") from error
    except (RecursionError, ValueError, OverflowError) as error:  # too deep, or a date that there is not
        raise SuiteError(f"{shown(path)} is not valid YAML: {told(error)}") from error


def _loaded(text: str) -> Any:
    try:
        return yaml.load(text, _FastLoader)  # noqa: S506 - a safe loader
    except yaml.YAMLError:
        return yaml.load(text, _Loader)  # noqa: S506 - likewise


def _problem(error: yaml.YAMLError) -> str:
    """What is wrong and in which line, without a picture of the place."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if problem is None or mark is None:
        return " ".join(str(error).split())
    lines = (mark.buffer or "").splitlines() if isinstance(getattr(mark, "buffer", None), str) else []
    text = lines[mark.line].strip().rstrip("\0")[:80] if mark.line < len(lines) else ""
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}{f': {text}' if text else ''}"
