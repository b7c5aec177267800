"""Whole networks on a cluster: a run a worker, on one GPU where it has one, from the worker's own image cache."""

import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from suite.data.archives.cache import open_cache
from suite.errors import SuiteError
from suite.processes import processor_kind
from suite.settings.benchmarks import WholeNetworkPlan
from suite.settings.paths import BENCHMARKS_FOLDER, RUN_CACHE_FOLDER
from suite.settings.plans import Run
from suite.training.cache import alone_in_runs, run_missing
from suite.training.cluster.stages import Load, Services, StageOfPlan
from suite.training.cluster.worker import HOME
from suite.training.run.frozen import Outcome
from suite.training.stage import mixed_processors
from suite.training.whole_network.checkpoint import Checkpoint
from suite.training.whole_network.engine import Accelerator, Engine, Machine
from suite.training.whole_network.run import run_network
from suite.training.whole_network.stage import network_places


@dataclass(frozen=True, slots=True)
class Networks:
    """What the runs of a row share.

    Attributes:
        runs: the runs, with their keys.
        data_sha256: digest of the images.
        accelerator: what trains.
    """

    runs: list[tuple[Run[WholeNetworkPlan], str]]
    data_sha256: str
    accelerator: Accelerator


def run_on_worker(shared: Networks, number: int) -> tuple[Outcome, float, str]:
    """Train and evaluate a network; a state after each epoch is kept in the folder where the worker was started.

    Raises:
        SuiteError: the image cache is missing or another one, or as ``run_network``.
    """
    (run, key), folder = shared.runs[number], HOME / BENCHMARKS_FOLDER
    started = time.perf_counter()
    found = open_cache(run.plan.dataset, folder).data_sha256
    if found != shared.data_sha256:
        raise SuiteError(
            f"image cache of {run.plan.dataset} in {folder} holds other images ({found[:8]}) than the driver's "
            f"({shared.data_sha256[:8]}); make it again with: suite data add {run.plan.dataset} FILE..."
        )
    readers = 0 if multiprocessing.current_process().daemon else int(os.environ.get("SUITE_READERS", "4"))
    machine = Machine(shared.accelerator, devices=1, workers=readers)  # a daemon may have no processes of its own
    engine = Engine(machine, run.plan.precision, part_learns=run.plan.recipe.schedule.warm_up_epochs > 0)
    path = HOME / RUN_CACHE_FOLDER / f"{run.plan.dataset}-{run.plan.loss}" / f"{key}.pt"
    outcome = run_network(run, engine, folder, Checkpoint(path, key), lambda _: None)
    path.unlink(missing_ok=True)
    return outcome, time.perf_counter() - started, engine.gpu or processor_kind()


@dataclass(frozen=True, slots=True)
class NetworkStage(StageOfPlan):
    """Whole networks of one row on a benchmark, trained on GPUs of workers, or on their CPUs.

    Attributes:
        plan: of the row.
        accelerator: what trains.
    """

    plan: WholeNetworkPlan
    accelerator: Accelerator = "gpu"

    def check(self, load: Load) -> None:
        """Check code and image cache.

        Raises:
            SuiteError: the image cache is missing or damaged, or code is not the planned one.
        """
        network_places(self.plan, load(open_cache, self.plan.dataset))

    def run(self, grid: Services) -> None:
        """Run what is missing."""
        cache = grid.load(open_cache, self.plan.dataset)
        places = network_places(self.plan, cache)

        def compute(missing: Sequence[int]) -> Iterator[tuple[int, Outcome, float, str]]:
            shared = Networks([(place.run, place.key) for place in places], cache.data_sha256, self.accelerator)
            for number, (outcome, seconds, processor) in grid.execute_runs(run_on_worker, shared, missing):
                yield number, outcome, seconds, processor

        alone = alone_in_runs(self.name, places, grid.view.as_console())
        with alone, grid.view.stage(self.name, places, grid.view.console) as shown:
            finished = run_missing(places, compute, shown.finish)
        for line in mixed_processors(places, finished):
            grid.view.say(f"{self.name} {line}")
