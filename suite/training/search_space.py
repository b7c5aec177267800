"""Search spaces: a mapping from hyper-parameter to a range or a list of values."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import optuna
from pydantic import Field, ValidationError, field_validator, model_validator

from suite.data.split import least_training
from suite.errors import Problems, SuiteError, several
from suite.losses.build import TRAINING_SETTINGS
from suite.losses.by_hand import values_by_hand
from suite.losses.probe import ask
from suite.losses.registry import Hyperparameters, LossEntry, check_hyperparameters
from suite.settings.params import Limits, LossSettings, Recipe
from suite.settings.paths import PARAMS_FILE
from suite.settings.reading import Distinct, Scalar, Strict, explain
from suite.training.batch_checks import LEAST_CLASSES

_MOST = 1e15
"""Of the ends of a range."""
_MOST_VALUES = 100
_ANY = {"embedding_dim": 1, "hidden_dim": 0, "classes_per_batch": 2, "samples_per_class": 2, "weight_decay": 0}
"""Of a recipe, besides what may be searched of it."""


class Range(Strict):
    """``{low, high, log}``: whole numbers if both ends are, else real numbers; ``log`` draws on a logarithmic scale."""

    low: int | float
    high: int | float
    log: Annotated[bool, Field(strict=True)] = False

    @field_validator("low", "high", mode="before")
    @classmethod
    def _is_number(cls, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _MOST:
            raise ValueError(f"allowed: numbers from {-_MOST:g} to {_MOST:g}")
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("low must be below high, and above 0 on a logarithmic scale")
        return self

    @property
    def ends(self) -> tuple[Scalar, ...]:
        """The least and the greatest value."""
        return self.low, self.high

    def within(self, low: float, high: float) -> "Range | Values | None":
        """What of it lies within these ends; None if nothing does."""
        ends = max(self.low, low), min(self.high, high)
        if isinstance(self.low, int) and isinstance(self.high, int):
            ends = math.ceil(ends[0]), math.floor(ends[1])
        if ends[0] > ends[1]:
            return None
        return Values(values=ends[:1]) if ends[0] == ends[1] else Range(low=ends[0], high=ends[1], log=self.log)

    def suggest(self, trial: optuna.Trial, name: str) -> Scalar:
        """Draw a value."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


class Values(Strict):
    """``{values: [...]}``: one of these."""

    values: Annotated[tuple[Scalar, ...], Field(min_length=1, max_length=_MOST_VALUES), Distinct]

    @field_validator("values")
    @classmethod
    def _are_values(cls, values: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
        if any(isinstance(value, float) and not abs(value) <= _MOST for value in values):
            raise ValueError(f"allowed: numbers from {-_MOST:g} to {_MOST:g}, strings, true and false")
        return values

    @property
    def ends(self) -> tuple[Scalar, ...]:
        """All values: they have no order."""
        return self.values

    def within(self, low: float, high: float) -> "Values | None":
        """What of it lies within these ends, and what is no number; None if nothing does."""
        kept = tuple(value for value in self.values if not isinstance(value, int | float) or low <= value <= high)
        return Values(values=kept) if kept else None

    def suggest(self, trial: optuna.Trial, name: str) -> Scalar:
        """Draw a value."""
        return trial.suggest_categorical(name, self.values)


Space = dict[str, Range | Values]
Declared = dict[str, dict[str, Any]]
"""A search space as it is written."""
_FEW_CLASSES = 8
"""At the ends of a search space a loss is asked with so many classes: what it refuses there has nothing to do with them."""


def parse_space(setting: str, declared: Declared, file: Path = PARAMS_FILE) -> Space:
    """Check a declared search space.

    Args:
        setting: where it is declared, for messages.
        declared: it, as it is written.
        file: the file that this setting stands in, for messages.

    Raises:
        SuiteError: an entry is neither a range nor a list of values.
    """
    space, problems = Space(), Problems()
    for name, entry in declared.items():
        model: type[Range | Values] = Values if "values" in entry else Range
        with problems:
            try:
                space[name] = model.model_validate(entry)
            except ValidationError as error:
                raise several(explain(error, model, file, f"{setting}.{name}")) from error
    problems.tell()
    return space


def declared_space(
    entry: LossEntry, settings: LossSettings, shared: Declared, shared_file: Path = PARAMS_FILE
) -> Declared:
    """What a search of a loss varies, as it is written: its search space and the shared one, without what is set by hand.

    A loss without a search space of its own has nothing to search.

    Args:
        entry: the loss.
        settings: its entry in the settings file.
        shared: what the regime searches of each loss, ``tuning.space``.
        shared_file: the settings file of the regime, in which ``tuning.space`` stands.

    Raises:
        SuiteError: an entry is no hyper-parameter of the loss, or neither a range nor a list of values.
    """
    by_hand = values_by_hand(settings)
    own = entry.space(settings)
    space = {name: item for name, item in ((shared | own) if own else {}).items() if name not in by_hand}
    problems = Problems()
    places = (
        (f"{entry.losses}.{entry.name}.search", entry.file, space.keys() & own.keys()),
        ("tuning.space", shared_file, space.keys() - own.keys()),
    )
    for setting, file, names in places:
        mine = {name: item for name, item in space.items() if name in names}
        with problems:
            check_hyperparameters(entry, mine, f"{file}: {setting}")
            for name, item in parse_space(setting, mine, file).items():
                with problems:
                    _check_training(name, item, setting, file)
    problems.tell()
    return space


def space_on(dataset: str, limits: Mapping[str, Limits], declared: Declared) -> Declared:
    """A declared search space within the limits of a data set.

    Raises:
        SuiteError: nothing of an entry is within them.
    """
    space = dict(declared)
    for name, limit in limits.items():
        if name not in declared:
            continue
        (item,) = parse_space("search", {name: declared[name]}).values()
        within = item.within(
            -math.inf if limit.low is None else limit.low, math.inf if limit.high is None else limit.high
        )
        if within is None:
            raise SuiteError(
                f"{PARAMS_FILE}: datasets.{dataset}.limits.{name} leaves nothing of {declared[name]}; "
                "allowed: limits within which each search space has a value"
            )
        if within != item:
            space[name] = within.model_dump(mode="json")
    return space


def _check_training(name: str, item: Range | Values, setting: str, file: Path) -> None:
    """Check that a recipe may have the values of an entry, where it is of its training.

    Raises:
        SuiteError: it may not.
    """
    for value in item.ends if name in TRAINING_SETTINGS else ():
        try:
            Recipe.model_validate(_ANY | dict.fromkeys(TRAINING_SETTINGS, 1) | {name: value})
        except ValidationError as error:
            raise several(explain(error, Recipe, file, setting)) from error


def check_ends(
    entry: LossEntry, values: Hyperparameters, declared: Declared, num_classes: int, embedding_dim: int
) -> None:
    """Check that a loss can be built and asked at the ends of each entry of its search space.

    A value that other values rule out is no fault of the space: an end is refused where the loss takes it with none of the
    defaults, the low ends and the high ends of the others.

    Raises:
        SuiteError: it cannot.
    """
    setting = f"{entry.losses}.{entry.name}.search"
    space = {
        name: item for name, item in parse_space(setting, declared, entry.file).items() if name not in TRAINING_SETTINGS
    }
    lows, highs = ({name: item.ends[place] for name, item in space.items()} for place in (0, -1))
    for name, item in space.items():
        for end in dict.fromkeys(item.ends):
            problem = None
            for others in ({}, lows, highs):
                try:
                    tried = {**others, **values, name: end}
                    entry.check_size(tried, num_classes, embedding_dim)
                    few = min(num_classes, _FEW_CLASSES)
                    ask(entry.place, entry.build(tried, few, embedding_dim), few, embedding_dim)
                    break
                except SuiteError as error:
                    problem = problem or error
            else:
                raise SuiteError(f"{entry.file}: {setting}.{name} = {end!r}: {problem}") from problem


def check_on_folds(
    entry: LossEntry, values: Hyperparameters, num_classes: int, embedding_dim: int, setting: str, folds: int
) -> None:
    """Check that a loss can be built and asked with as few classes as a search trains on while a fold is held out.

    Raises:
        SuiteError: it cannot; the message names the setting of the folds, with its file.
    """
    left = least_training(num_classes, folds)
    if left < LEAST_CLASSES:  # refused by itself
        return
    try:
        entry.must_survive(lambda: ask(entry.place, entry.build(values, left, embedding_dim), left, embedding_dim))
    except SuiteError as error:
        found = f"a search with {setting} = {folds} trains on {left} of {num_classes} training classes"
        raise SuiteError(f"{error}; {found}; allowed: a loss for {left} classes, or more training classes") from error
