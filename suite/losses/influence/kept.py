"""Influence curves of a user's losses, kept until the loss, its values or the code that measures changes."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from suite.errors import SuiteError
from suite.files import write_text
from suite.hashing import sha256_code, sha256_value
from suite.losses.influence import curve
from suite.losses.influence.curve import COLUMNS, DISTANCES, influence_curves
from suite.losses.registry import Hyperparameters, LossEntry
from suite.settings.paths import INFLUENCE_CACHE_FOLDER

Measure = Callable[[LossEntry, Hyperparameters, int], pd.DataFrame]


def kept_curves(
    entry: LossEntry, values: Hyperparameters, embedding_dim: int, measure: Measure = influence_curves
) -> pd.DataFrame:
    """Curves as ``influence_curves`` gives them, from a file where they were measured before.

    A loss that cannot be measured is remembered likewise: it took as long.

    Raises:
        SuiteError: the loss cannot be measured.
    """
    code = sha256_code(Path(str(curve.__file__)))
    parts = [code, entry.target, entry.sha256, values, embedding_dim, DISTANCES, version("torch")]
    path = INFLUENCE_CACHE_FOLDER / f"{entry.name}-{sha256_value(parts)[:16]}.csv"
    found = _read(path)
    if found is None:
        try:
            found = measure(entry, values, embedding_dim)
        except SuiteError as error:
            write_text(path.with_suffix(".txt"), str(error))
            raise
        write_text(path, found.to_csv(index=False))
    return found


def _read(path: Path) -> pd.DataFrame | None:
    """The curves of a file that is whole, or None.

    Raises:
        SuiteError: the loss was not to be measured.
    """
    if (reason := path.with_suffix(".txt")).is_file():
        raise SuiteError(reason.read_text(encoding="utf-8", errors="replace"))
    try:
        found = pd.read_csv(path, dtype={"loss": str})
    except (OSError, ValueError):
        return None
    whole = tuple(found.columns) == COLUMNS and len(found) == 2 * len(DISTANCES)
    return found if whole else None
