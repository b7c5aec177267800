"""A quick start and end of a process: the pipeline runs dozens of short ones, and most of what they load they never use."""

import gc
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import NoReturn

POSTPONED = ("scipy.special", "scipy.stats")
"""What pytorch-metric-learning loads at once, and losses hardly ever use; it takes longer than all else that it loads."""
_COLLECTIONS = (100_000, 50, 100)
"""Thresholds of Python's garbage collector."""


class _Postponing(MetaPathFinder):
    """Lets the modules of ``POSTPONED`` be loaded when something of them is first used, not when they are imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a postponed module with a lazy loader; None for every other."""
        spec = PathFinder.find_spec(name, path, target) if name in POSTPONED else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def start_quickly() -> None:
    """Call before anything large is imported."""
    # Else Python looks for garbage again and again among the objects that importing torch makes.
    gc.set_threshold(*_COLLECTIONS)
    sys.meta_path.insert(0, _Postponing())


def end_quickly(code: str | int | None) -> NoReturn:
    """End the process without taking its memory and libraries apart first; what was printed is written out.

    To be called when all files are closed and all threads and processes have ended: no exit handler runs.

    Args:
        code: as ``sys.exit`` takes it: a status, None for 0, or a message for 1.
    """
    if isinstance(code, str):
        sys.stderr.write(code + "\n")
    logging.shutdown()
    with suppress(BrokenPipeError):  # whoever reads the output has seen enough
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
