"""What an entry of ``losses`` sets by hand: of the loss, of what it wraps and of its miner, under one set of names."""

from suite.errors import Problems, SuiteError, allowed
from suite.losses.build import MINER_PREFIX, WRAPPED_PREFIX
from suite.losses.registry import Hyperparameters, LossEntry, check_hyperparameters
from suite.settings.params import LossSettings


def values_by_hand(settings: LossSettings) -> Hyperparameters:
    """``params``, ``wraps.params`` and ``miner_params`` of an entry; names of the latter two have a prefix."""
    values = dict(settings.params)
    for prefix, mine in _of_parts(settings).values():
        values |= {prefix + name: value for name, value in mine.items()}
    return values


def check_by_hand(entry: LossEntry, settings: LossSettings, place: str) -> None:
    """Refuse a value that is set twice, and names that the loss does not have.

    Args:
        entry: the loss.
        settings: its entry.
        place: file and setting of the entry.

    Raises:
        SuiteError: one for each of these.
    """
    problems, parts = Problems(), _of_parts(settings)
    with problems:
        check_hyperparameters(entry, settings.params, f"{place}.params")
    for (setting, (prefix, mine)), cls in zip(parts.items(), (entry.wrapped, entry.miner), strict=True):
        names = {name.removeprefix(prefix) for name in entry.defaults() if name.startswith(prefix)}
        with problems:
            if unknown := [name for name in mine if name not in names]:
                raise SuiteError(
                    f"{place}.{setting}: {unknown[0]} is no hyper-parameter of {cls.__name__ if cls else 'nothing'}; "
                    f"allowed: {allowed(sorted(names)) or 'none'}"
                )
            if twice := [name for name in mine if prefix + name in settings.params]:
                raise SuiteError(
                    f"{place}: {setting}.{twice[0]} and params.{prefix}{twice[0]} set the same; allowed: one of them"
                )
    problems.tell()


def _of_parts(settings: LossSettings) -> dict[str, tuple[str, Hyperparameters]]:
    """By setting: the prefix and the values of what is wrapped and of the miner."""
    return {
        "wraps.params": (WRAPPED_PREFIX, settings.wraps.params if settings.wraps else {}),
        "miner_params": (MINER_PREFIX, settings.miner_params),
    }
