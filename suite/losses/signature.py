"""What the constructor and the forward method of a loss take."""

import inspect
from typing import Any

from torch import nn

GIVEN = ("num_classes", "embedding_dim", "embedding_size")
"""Constructor parameters that the suite gives: C, D, and D as pytorch-metric-learning calls it."""


def takes_pairs(cls: type[nn.Module]) -> bool:
    """Whether ``forward`` takes a third argument besides ``self``, the mined pairs or triplets, and makes use of them.

    A loss that takes the argument for its place alone says so by ``takes_mined_pairs = False``.
    """
    if not getattr(cls, "takes_mined_pairs", True):
        return False
    parameters = list(inspect.signature(cls.forward).parameters.values())
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(places) >= 4 or any(p.kind is p.VAR_POSITIONAL for p in parameters)


def constructor_parameters(cls: type[nn.Module]) -> dict[str, Any]:
    """Hyper-parameters of the constructor with their defaults."""
    return {name: default for name, default in signature(cls).items() if name not in GIVEN}


def signature(cls: type[nn.Module]) -> dict[str, Any]:
    """Named constructor parameters and defaults, those of parents too where the constructor passes ``**kwargs`` on."""
    found: dict[str, Any] = {}
    for base in cls.__mro__:
        if base is nn.Module:
            break
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        named = {p.name: p.default for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        found |= {name: default for name, default in named.items() if name not in found}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return found
