"""Commands that would do the same work at the same time: the second one waits, and then finds it done.

``suite grid``, ``dvc repro`` and single commands may run side by side in one project. Runs are kept as whole files, so two
commands at the same runs would only waste time; two at the same search would end each other's trials.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from rich.console import Console

from suite.settings.paths import LOCKS_FOLDER
from suite.settings.plans import Planned, Regime, folder_of

if TYPE_CHECKING:
    from suite.training.cache import CachedRun

_LOOK_SECONDS = 0.2
_taking = Lock()
"""Threads of one process share its locks; one at a time takes or gives back."""


@contextmanager
def alone(regime: Regime, name: str, console: Console) -> Iterator[None]:
    """Work that no other process does at the same time; threads of one process may share it.

    The system frees the lock of a process that was killed. Where locks cannot be kept, nothing is waited for.

    Args:
        regime: what learns.
        name: of the work.
        console: where it is said that this process waits.
    """
    path = (folder_of(regime) / LOCKS_FOLDER / f"{name}.lock").resolve()
    lock = FileLock(path, timeout=0, thread_local=False, is_singleton=True)
    told = False
    while (taken := _taken(lock, path.parent)) is False:
        if not told:
            console.print(f"{name}: another command is at it; waiting until that ends", markup=False)
            told = True
        time.sleep(_LOOK_SECONDS)
    try:
        yield
    finally:
        if taken:
            with _taking:
                lock.release()


def alone_in_runs(name: str, places: "Sequence[CachedRun[Any]]", console: Console) -> AbstractContextManager[None]:
    """The runs of a stage that no other process computes at the same time; none where all are in the run cache."""
    missing = [place.run.plan.regime for place in places if not place.path.is_file()]
    return alone(missing[0], name, console) if missing else nullcontext()


@contextmanager
def alone_in_searches(planned: Iterable[Planned], console: Console, label: str = "") -> Iterator[None]:
    """Searches that no other process does at the same time.

    Args:
        planned: plans with the searches before them, if there are any.
        console: where it is said that this process waits.
        label: what tells them from other searches of these plans, as in ``search_recipe``.
    """
    names = {
        (plan.regime, " ".join(filter(None, (label, plan.dataset, plan.loss, plan.track, str(search.number)))))
        for plan, search in planned
        if search is not None
    }
    with ExitStack() as stack:
        for regime, name in sorted(names):  # in one order, so that no two commands wait for each other
            stack.enter_context(alone(regime, f"tuning {name}".replace(" ", "-"), console))
        yield


def _taken(lock: FileLock, folder: Path) -> bool | None:
    """Whether it is this process's now; None where no lock can be kept: the disk is full, read-only, or knows none."""
    with _taking:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            return False
        except (OSError, NotImplementedError):
            return None
    return True
