"""A stage: all seeds of one row and noise level, one after the other, resumed run by run and epoch by epoch."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console

from suite.data.archives.cache import open_cache
from suite.settings.benchmarks import BENCHMARKS_FOLDER, BenchmarkCell
from suite.training.whole_network.planner import FinetunePlan
from suite.training.whole_network.batches import BatchPlan
from suite.training.whole_network.checkpoint import Checkpoint
from suite.training.whole_network.engine import Engine, Machine
from suite.training.whole_network.run import finetune_one, finetuning_versions
from suite.training.executors import Message
from suite.training.times import StageClock
from suite.training.runs import check_code
from suite.training.cache import Slot, finished, resume_all, slots_of, write_outputs
from suite.training.outcome import Outcome, Run


def run_stage(cell: BenchmarkCell, plan: FinetunePlan, machine: Machine, console: Console) -> None:
    """Run or resume all seeds; writes ``runs`` and ``times`` below ``published/``.

    Raises:
        SuiteError: the image cache is missing, the loss's code is not the planned one, or the machine does not do.
    """
    clock = StageClock()
    check_code(plan)
    folder = BENCHMARKS_FOLDER
    cache = open_cache(plan.dataset, folder)
    name = cell.name
    runs = [Run(plan, cell.level, seed) for seed in range(plan.seeds)]
    labels = cache.column("label")[cache.column("training")]
    epochs = [BatchPlan(labels, plan.recipe, plan.dataset, run.seed).epochs for run in runs]
    slots = slots_of(name, runs, cache.data_sha256, finetuning_versions(), epochs)
    engine = Engine(machine, plan.precision, part_learns=plan.recipe.schedule.warm_up_epochs > 0)
    work = _Work(slots, engine, folder)
    if engine.rank > 0:
        done = finished(slots)
        for _ in work([number for number in range(len(runs)) if number not in done], lambda _: None):
            pass
        return
    console.print(f"{name}: {engine.world} x {engine.device.type}, {plan.precision}", markup=False)
    outcomes = resume_all(slots, work, console)
    write_outputs(name, runs, outcomes, clock, folder)


class _Work:
    """Runs those that are waiting, in all processes alike."""

    def __init__(self, slots: Sequence[Slot[FinetunePlan]], engine: Engine, folder: Path) -> None:
        self._slots, self._engine, self._folder = slots, engine, folder

    def __call__(self, waiting: Sequence[int], on_message: Callable[[Message], None]) -> Iterator[tuple[int, Outcome]]:
        self._engine.wait()  # all processes have read which runs are done, before one of them adds to these
        for number in waiting:
            slot = self._slots[number]
            path = slot.path.with_suffix(".pt")

            def on_epoch(epoch: int, number: int = number) -> None:
                on_message((number, epoch))

            checkpoint = Checkpoint(path, slot.key)
            yield number, finetune_one(slot.run, self._engine, self._folder, checkpoint, on_epoch)
            if self._engine.rank == 0:
                path.unlink(missing_ok=True)
