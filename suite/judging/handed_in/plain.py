"""Members of a bundle as plain data: JSON as its schema has it, and text that nothing takes for something else."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from suite.errors import SuiteError, allowed, shortened
from suite.evaluation.records import Record, records_in
from suite.settings.reading import explain_first

CURE = "allowed: a bundle as suite submit writes it"
_MARKUP = re.compile(r"[<>\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]|^\s*[=+@-]")
"""What starts a tag, a formula of a spreadsheet or a sequence of a terminal, turns the direction of text, or is none."""
_LONGEST = 2000
"""Characters of a text in a bundle."""
M = TypeVar("M", bound=BaseModel)


def records_of_member(name: str, member: str, content: bytes) -> list[Record]:
    """The records of a member, a line each.

    Args:
        name: of the bundle, for messages.
        member: of the bundle.
        content: its bytes.

    Raises:
        SuiteError: it is no text, no JSON, or not what the schema of records allows.
    """
    text = _decoded(name, member, content)
    lines = [_plain(name, f"{member}, line {number}", line) for number, line in enumerate(text.splitlines(), 1)]
    records = records_in(text, Path(f"{name}: {member}"), CURE)
    for number, (values, record) in enumerate(zip(lines, records, strict=True), 1):
        _check_types(name, f"{member}, line {number}", values, record)
    return records


def model_of_member(model: type[M], name: str, member: str, content: bytes) -> M:
    """A member that holds one mapping, as ``records_of_member`` reads records.

    Raises:
        SuiteError: as there.
    """
    values = _plain(name, member, _decoded(name, member, content))
    try:
        found = model.model_validate(values)
    except ValidationError as error:
        raise SuiteError(f"{explain_first(error, model, Path(f'{name}: {member}'))}; {CURE}") from error
    _check_types(name, member, values, found)
    return found


def _decoded(name: str, member: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SuiteError(
            f"{name}: {member} is not UTF-8 text ({error.reason} at byte {error.start}); {CURE}"
        ) from error


def _plain(name: str, where: str, text: str) -> Any:
    """The data of a text of JSON in which no key stands twice: readers differ in which of two counts."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise SuiteError(f"{name}: {where}: {shortened(repr(key), 80)} stands twice; allowed: each key once")
            found[key] = value
        return found

    try:
        values = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise SuiteError(f"{name}: {where} is not valid JSON: {shortened(str(error), 200)}; {CURE}") from error
    try:
        texts = list(_texts(values))
    except RecursionError as error:
        raise SuiteError(f"{name}: {where} is nested too deeply; {CURE}") from error
    for each in texts:
        if _MARKUP.search(each) or len(each) > _LONGEST:
            shown = shortened(repr(each), 80)
            raise SuiteError(
                f"{name}: {where} holds the text {shown}; allowed: up to {_LONGEST:,} characters without < and >, "
                f"without control characters, and none of {allowed('=+-@')} in front"
            )
    return values


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _check_types(name: str, where: str, values: Mapping[str, Any], found: BaseModel) -> None:
    """Refuse what was read as another type than it stands there: true as 1, a text as a number."""
    for place, given, read in _other_types(values, found.model_dump(mode="json")):
        raise SuiteError(f"{name}: {where}: {place} = {shortened(repr(given), 80)}; allowed: {_kind(read)}")


def _other_types(given: Any, read: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    if _kind(given) != _kind(read):
        yield place, given, read
    elif isinstance(given, dict):
        for key, value in given.items():
            yield from _other_types(value, read.get(key), f"{place}.{key}" if place else key)
    elif isinstance(given, list):
        for number, (value, other) in enumerate(zip(given, read, strict=False)):
            yield from _other_types(value, other, f"{place}[{number}]")


def _kind(value: Any) -> str:
    """The type of plain data in the words of JSON."""
    if value is None:
        return "null"
    kinds = {bool: "true or false", str: "a text", dict: "a mapping", list: "a list"}
    return next((told for kind, told in kinds.items() if isinstance(value, kind)), "a number")
