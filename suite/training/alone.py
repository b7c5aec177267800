"""Searches that one process does at a time: two at the same search would end each other's trials.

``suite grid``, ``dvc repro`` and single commands may run side by side in one project. The second one waits, and then finds
the trials or the recipe of the first.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console

from suite.files import alone
from suite.settings.paths import LOCKS_FOLDER
from suite.settings.plans import Planned, folder_of


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
            file = f"tuning {name}".replace(" ", "-") + ".lock"
            stack.enter_context(alone(folder_of(regime) / LOCKS_FOLDER / file, console))
        yield
