"""A train stage: all seeds of one data set, loss and noise level.

Stages run one after the other, five runs each by default, and a process takes as long to load torch as some runs take. So
a stage may also train the other noise levels of its loss, ahead of their stages: these find their runs kept, as after an
interruption, and write them down without loading torch. With many cores this also keeps more of them at work.
"""

from collections.abc import Sequence

from rich.console import Console

from suite.settings.plans import CellPlan
from suite.settings.grid import EMBEDDINGS_NAME, Cell
from suite.settings.feature_paths import features_path, require
from suite.hashing import sha256_file
from suite.training.times import StageClock
from suite.training.cache import Slot, finished, partial_folder, slots_of, write_outputs
from suite.training.outcome import Run, versions


def run_cell(cell: Cell, plan: CellPlan, console: Console, ahead: Sequence[Cell] = ()) -> None:
    """Run or resume all seeds of a cell; writes ``runs/NAME`` and ``times/NAME.json``.

    The first seed's embeddings of the test classes are kept.

    Args:
        cell: what to run.
        plan: its plan, and that of the cells ahead.
        console: where progress is shown.
        ahead: cells to train besides, for their own stages to write down.

    Raises:
        SuiteError: features are missing, or the loss's code is not the planned one.
    """
    path = require(features_path(plan.dataset))
    data = sha256_file(path)
    slots = _slots(cell, plan, data)
    done = finished(slots)
    if len(done) == len(slots):
        clock = StageClock()
        console.print(f"{cell.name}: all runs were done before", markup=False)
        outcomes = [done[place] for place in range(len(slots))]
    else:
        # Imported late: a stage whose runs are all done should not wait for torch.
        from suite.data.features import load_features
        from suite.training.runs import run_slots

        clock = StageClock()
        others = [slot for other in ahead for slot in _slots(other, plan, data) if slot.kept() is None]
        outcomes = run_slots(slots, load_features(path), console, ahead=others)
    write_outputs(cell.name, [slot.run for slot in slots], outcomes, clock)


def _slots(cell: Cell, plan: CellPlan, data: str) -> list[Slot[CellPlan]]:
    first = partial_folder(cell.name) / EMBEDDINGS_NAME
    runs = [Run(plan, cell.level, seed, None if seed else first) for seed in range(plan.seeds)]
    return slots_of(cell.name, runs, data, versions(), [plan.recipe.epochs] * plan.seeds)
