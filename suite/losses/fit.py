"""Whether the parts of a loss fit each other: the loss, the one that it wraps, the miner in front of it."""

import inspect
from collections.abc import Mapping

from torch import nn

from suite.errors import SuiteError, allowed
from suite.losses.build import (
    MINER_PREFIX,
    OFFERED,
    TRAINING_SETTINGS,
    WRAPPED,
    WRAPPED_PREFIX,
    Parts,
    constructor_parameters,
    takes_pairs,
)


def check_fit(parts: Parts, classes: Mapping[str, type[nn.Module]], places: Mapping[str, str]) -> None:
    """Refuse parts that do not fit.

    Args:
        parts: targets.
        classes: those of the targets, by the names of the parts; a part that there is not is left out.
        places: what names each part, for error messages.

    Raises:
        SuiteError: a part takes no batch, the loss wraps none or takes no pairs, a part asks for what it is not given where
            it stands, or a parameter would not reach the loss.
    """
    where = {part: f"{places[part]} = {getattr(parts, part)!r}" for part in classes}
    for part, cls in classes.items():
        if not _takes_a_batch(cls):
            raise SuiteError(
                f"{where[part]}: {cls.__name__} takes no batch, its forward is {inspect.signature(cls.forward)}; "
                "allowed: forward(self, embeddings, labels)"
            )
    cls = classes["loss"]
    if parts.wrapped and WRAPPED not in constructor_parameters(cls):
        raise SuiteError(
            f"{where['wrapped']}: {cls.__name__} wraps no loss; allowed: losses whose constructor has a parameter {WRAPPED}"
        )
    if parts.wrapped and constructor_parameters(classes["wrapped"]).get(WRAPPED, "") is inspect.Parameter.empty:
        raise SuiteError(
            f"{where['wrapped']}: {classes['wrapped'].__name__} wraps a loss itself; allowed: losses that wrap none"
        )
    if parts.miner and not takes_pairs(cls):
        raise SuiteError(
            f"{where['miner']}: {cls.__name__} takes no pairs from a miner; allowed: losses whose forward is "
            "(embeddings, labels, indices_tuple)"
        )
    reserved = tuple(
        prefix for part, prefix in (("miner", MINER_PREFIX), ("wrapped", WRAPPED_PREFIX)) if part in classes
    )
    for parameter in constructor_parameters(cls):
        if parameter in TRAINING_SETTINGS or (reserved and parameter.startswith(reserved)):
            raise SuiteError(
                f"{where['loss']}: {cls.__name__} has a parameter {parameter}, which here is a setting of its training, its "
                "miner or what it wraps, and would never reach it; rename it"
            )
    of_miner = _asked(cls) if parts.miner else set[str]()
    lost = {"wrapped": _asked(classes.get("wrapped")) - _asked(cls), "miner": of_miner}
    for part, names in lost.items():
        if names:
            asks = classes["wrapped"] if part == "wrapped" else cls
            raise SuiteError(
                f"{where[part]}: {asks.__name__} asks for {allowed(sorted(names))}, which nothing hands on to it there; "
                "allowed: losses that do not ask for it"
                + (f", or a {cls.__name__} that asks for it and hands it on" if part == "wrapped" else "")
            )


def _takes_a_batch(cls: type[nn.Module]) -> bool:
    """Whether embeddings and labels can be handed to ``forward``; not so with most layers of a network."""
    try:
        inspect.signature(cls.forward).bind("self", "embeddings", "labels", **dict.fromkeys(_asked(cls), 0))
    except TypeError:
        return False
    return True


def _asked(cls: type[nn.Module] | None) -> set[str]:
    """Which of the arguments that the suite offers ``forward`` names."""
    return set() if cls is None else OFFERED & inspect.signature(cls.forward).parameters.keys()
