"""Files of settings, read and checked: an error is one line: the file, the setting and what is allowed."""

from collections.abc import Iterable
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from suite.errors import SuiteError, allowed, several
from suite.files import shown
from suite.settings.yaml_files import read_yaml

M = TypeVar("M", bound=BaseModel)
_LONGEST = 80
"""Characters of a value in a message."""


def _filled(entries: Any) -> Any:
    if isinstance(entries, dict):
        return {name: {} if value is None else value for name, value in entries.items()}
    return entries


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) != len(values):
        raise ValueError("a value is named twice; allowed: each value once")
    return values


Filled = BeforeValidator(_filled)
"""``emoji:`` with nothing behind it means ``emoji: {}``."""
Distinct = AfterValidator(_distinct)
Scalar = bool | int | float | str | None
Number = Annotated[float, Field(strict=True)]
"""A whole or real number; true and false are none."""
Positive = Annotated[Number, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
Dimension = Annotated[int, Field(ge=1, le=65_536, strict=True)]
Seeds = Annotated[int, Field(ge=1, le=1_000, strict=True)]
LEAST_LEVEL = 0.001
"""Of label noise, besides none."""
NoiseLevel = Annotated[Number, Field(ge=0, lt=1)]
AtLeastTwo = Annotated[int, Field(ge=2, le=10_000, strict=True)]
Rate = Annotated[Number, Field(gt=0, le=1_000, allow_inf_nan=False)]
"""A learning rate."""
Chord = Annotated[Number, Field(gt=0, le=2, allow_inf_nan=False)]
"""A distance of unit vectors."""
# Names become parts of stage and file names.
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]


class Strict(BaseModel):
    """Base of all settings: unknown names raise, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_settings(path: Path, model: type[M], missing: str = "file {} is missing") -> M:
    """Read a YAML file into a model.

    Args:
        path: the file.
        model: what it must fit.
        missing: what to say where there is no such file, with a place for its path.

    Raises:
        SuiteError: it is missing, no YAML, or a setting is unknown or out of range.
    """
    if not path.is_file():
        raise SuiteError(missing.format(shown(path)))
    try:
        return model.model_validate(read_yaml(path))
    except ValidationError as error:
        raise several(explain(error, model, path)) from error


_ALLOWED = {
    "bool_parsing": "true or false",
    "bool_type": "a number, a string, true, false or null",  # the first of the types that a Scalar may have
    "dict_type": "a mapping",
    "finite_number": "finite numbers",
    "float_parsing": "numbers",
    "float_type": "numbers",
    "int_from_float": "whole numbers",
    "int_type": "whole numbers",
    "literal_error": "{expected}",
    "model_type": "a mapping",
    "string_pattern_mismatch": "up to 64 letters, digits and _, a letter first",
    "string_type": "a string",
    "too_long": "at most {max_length} entries",
    "too_short": "at least {min_length} entry",
    "tuple_type": "a list",
}
"""What is allowed in place of a value, by pydantic's kind of error."""


def explain(error: ValidationError, model: type[BaseModel], path: Path, below: str = "") -> list[str]:
    """The problems of a validation error, a line each: file, setting, what is wrong, what is allowed.

    Args:
        error: the validation error.
        model: the model that was validated.
        path: the file that the values come from.
        below: the setting in that file whose value was validated; empty for the whole file.
    """
    problems: dict[str, str] = {}
    for problem in error.errors():
        if problem["type"] == "too_short" and problems:
            continue  # an entry was wrong, which stands there already
        location = [str(part) for part in problem["loc"] if part != "[key]"]
        if problem["type"] == "extra_forbidden":
            text = f" is not a setting; allowed: {allowed(_names_at(model, location[:-1])) or 'none'}"
        else:
            text = _explain_value(problem, model)
        if problem["type"] in _SCALAR_ERRORS and location[-1] in _SCALAR_TYPES:
            location.pop()
        setting = ".".join([below, *location] if below else location)
        if not setting and problem["type"] == "value_error":  # about several settings, which the message names
            text = text.removeprefix(": ")
        elif not setting:
            setting = "the file"
            text = f" holds no settings; write one a line, NAME: VALUE, of {allowed(model.model_fields)}"
        problems.setdefault(setting, text)
    return [f"{shown(path)}: {setting}{text}" for setting, text in problems.items()]


def explain_first(error: ValidationError, model: type[BaseModel], path: Path, below: str = "") -> str:
    """The first problems of a validation error of a file that nobody writes by hand, in one line."""
    lines = explain(error, model, path, below)[:3]
    return "; ".join([lines[0], *(line.removeprefix(f"{shown(path)}: ") for line in lines[1:])])


def damage(error: ValidationError) -> str:
    """The first field of a file between stages that is not as it was written, e.g. ``seeds = '3' cannot be``."""
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))
    if not field or first["type"] == "missing":
        return f"{field} is missing" if field else "it holds no fields"
    return field + ("" if isinstance(first["input"], dict | list) else f" = {_short(first['input'])}") + " cannot be"


_SCALAR_TYPES = ("bool", "int", "float", "str")
_SCALAR_ERRORS = tuple(f"{name}_{kind}" for name in ("bool", "int", "float", "string") for kind in ("type", "parsing"))


def _explain_value(problem: Any, model: type[BaseModel]) -> str:
    given = "" if isinstance(problem["input"], dict) else f" = {_short(problem['input'])}"
    if problem["type"] == "missing":
        return " is missing"
    if problem["type"] in _OUT_OF_RANGE or problem["type"] == "int_type":
        return f"{given}; allowed: {_range(model, problem)}"
    if problem["type"] in _ALLOWED:
        return f"{given}; allowed: {_ALLOWED[problem['type']].format(**problem.get('ctx', {}))}"
    message = _plain(problem["msg"].removeprefix("Value error, "))
    wanted = message.removeprefix("Input should be ")
    return f"{given}; allowed: {wanted}" if wanted != message else f"{given}: {message}"


_OUT_OF_RANGE = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")
_BOUNDS = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "to below {}"}


def _range(model: type[BaseModel], problem: Any) -> str:
    """All that bounds a number, e.g. ``numbers from 0 to below 1``."""
    whole, bounds = _constraints(model, [part for part in problem["loc"] if part != "[key]"])
    bounds = bounds or {name: value for name, value in problem.get("ctx", {}).items() if name in _BOUNDS}
    told = [text.format(_number(bounds[name])) for name, text in _BOUNDS.items() if name in bounds]
    text = (", up " if "gt" in bounds else " ").join(told)
    if not any(name in bounds for name in ("ge", "gt")):
        text = text.removeprefix("to ") if text.startswith("to below") else text.replace("to ", "up to ", 1)
    return f"{'whole numbers' if whole else 'numbers'} {text}".strip()


def _number(bound: float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"


def _constraints(annotation: Any, location: list[Any]) -> tuple[bool, dict[str, Any]]:
    """Whether the number at a location within an annotation is a whole one, and its bounds by pydantic's names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(location[0])) if location else None
        if field is None:
            return False, {}
        whole, bounds = _constraints(field.annotation, location[1:])
        return whole, bounds | _bounds_in(field.metadata)
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        whole, bounds = _constraints(arguments[0], location)
        return whole, bounds | (_bounds_in(arguments[1:]) if not location else {})
    if get_origin(annotation) in (Union, UnionType):
        found = [_constraints(each, location) for each in arguments]
        return next(((whole, bounds) for whole, bounds in found if bounds), (False, {}))
    if location and arguments:  # a list, a tuple of one type, or a mapping
        return _constraints(arguments[-1] if arguments[-1] is not Ellipsis else arguments[0], location[1:])
    return annotation is int, {}


def _bounds_in(metadata: Iterable[Any]) -> dict[str, Any]:
    """Bounds among what annotates a type; each is an object with one of these names."""
    bounds: dict[str, Any] = {}
    for item in metadata:
        bounds |= _bounds_in(item.metadata) if isinstance(item, FieldInfo) else {}
        bounds |= {name: getattr(item, name) for name in _BOUNDS if getattr(item, name, None) is not None}
    return bounds


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def _plain(message: str) -> str:
    """A message of pydantic's own without the address of a page about it."""
    return " ".join(message.partition("For further information")[0].split())


def _names_at(model: type[BaseModel], location: list[Any]) -> list[str]:
    """Names of the settings that may stand at a location within nested models and mappings of models."""
    for part in location:
        if part in model.model_fields:
            annotation = model.model_fields[part].annotation
            nested = _models_in(annotation)
            if nested:
                model = nested[0]
    return list(model.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    found: list[type[BaseModel]] = []
    for inner in getattr(annotation, "__args__", ()):
        found += _models_in(inner)
    return found
