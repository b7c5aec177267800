"""What ``suite losses`` shows."""

import inspect
from typing import Any

from suite.losses.build import TRAINING_SETTINGS
from suite.losses.by_hand import values_by_hand
from suite.losses.registry import BUILT_IN, LossEntry, find_loss
from suite.settings.params import LossSettings, load_settings
from suite.settings.paths import PARAMS_FILE

UNSAID = "not declared"


def list_losses() -> list[dict[str, Any]]:
    """The built-in losses and those of ``params.yaml``, if it is there, as plain data.

    Raises:
        SuiteError: a loss of ``params.yaml`` cannot be found.
    """
    entries = {name: LossSettings() for name in BUILT_IN}
    chosen = load_settings().losses if PARAMS_FILE.is_file() else {}
    return [_describe(find_loss(name, each), each, chosen=name in chosen) for name, each in (entries | chosen).items()]


def _describe(entry: LossEntry, settings: LossSettings, *, chosen: bool) -> dict[str, Any]:
    space = entry.search_space if settings.search is None else settings.search
    return {
        "name": entry.name,
        "in params.yaml": chosen,
        "target": entry.target,
        "formula": getattr(entry.cls, "formula", UNSAID),
        "source": getattr(entry.cls, "source", UNSAID),
        "hyper-parameters": {name: _plain(value) for name, value in entry.defaults().items()},
        "set by hand": values_by_hand(settings),
        "learning rates": [name for name in TRAINING_SETTINGS if name in space] or f"those of recipe in {PARAMS_FILE}",
        "search space": space,
    }


def _plain(value: Any) -> Any:
    if value is inspect.Parameter.empty:
        return "required"
    return value if isinstance(value, bool | int | float | str | None) else str(value)
