"""Figures of the executor on a Dask cluster, printed as they are quoted in docs/dev/measured.md.

``python -m tests.benchmarks.cluster throughput``: a scheduler and two worker processes against the local executor with two
processes, in turns on the same runs. ``python -m tests.benchmarks.cluster scale``: 100,000 runs of no work over 200
simulated workers, which share one process; scheduler and driver are processes of their own. ``delivery``: memory of the
scheduler while an array goes to such workers.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import chdir, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console

from suite.data.features import save_features
from suite.processes import in_parallel
from suite.settings.plans import runs_of
from suite.training.cache import clear
from suite.training.cluster.connection import Where, connected
from suite.training.cluster.executor import Cluster
from suite.training.cluster.parcels import pack_files
from suite.training.cluster.workers import Demand
from suite.training.stage import run_frozen_stage
from tests.helpers.dask_cluster import DaskCluster, wait_for
from tests.helpers.paths import ROOT
from tests.helpers.synthetic import RECIPE, features_path, frozen_plan, make_features, silent

_OUT = Console(soft_wrap=True)
_say = partial(_OUT.print, markup=False, highlight=False)


def nothing(_: Any, task: int) -> int:
    """A run of no work."""
    return task


def _executing(cluster: Cluster, function: Any, shared: Any, tasks: Any) -> Iterator[Any]:
    for task, result, _ in cluster.execute(function, shared, tasks):
        yield task, result


def _runs(seeds: int) -> list[Any]:
    recipe = RECIPE.model_copy(
        update={"embedding_dim": 128, "epochs": 15, "classes_per_batch": 30, "samples_per_class": 4}
    )
    return runs_of(frozen_plan("contrastive", recipe=recipe, seeds=seeds))


def _seconds(seeds: int, execute: Any) -> float:
    """Of a stage whose runs are all missing."""
    runs = _runs(seeds)
    clear("emoji", "contrastive")
    started = time.perf_counter()
    run_frozen_stage("emoji-contrastive", runs, silent(), execute=execute)
    return time.perf_counter() - started


def local(seeds: int) -> None:
    """Seconds of the local executor, in a process of its own."""
    os.environ["SUITE_WORKERS"] = "2"
    _seconds(2, in_parallel)  # modules are loaded, and shared through the fork
    _say(f"{_seconds(seeds, in_parallel):.3f}")


def _seconds_of_local(seeds: int) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.cluster", "local", str(seeds)]
    here = os.environ | {"PYTHONPATH": str(ROOT)}
    return float(subprocess.run(command, check=True, capture_output=True, text=True, env=here).stdout)


def throughput(seeds: int = 24, turns: int = 3) -> None:
    """Runs a second of both executors, in turns; then what the driver adds to a run."""
    from tests.benchmarks.cluster import nothing as importable

    with tempfile.TemporaryDirectory() as name, chdir(name):
        save_features(features_path(), make_features(classes=400, images=7, dim=512))
        dask = DaskCluster(Path(name) / "dask")
        try:
            with connected(Where(address=dask.address)) as client:
                wait_for(lambda: len(client.scheduler_info()["workers"]) == 2)
                with closing(Cluster(client, Demand("frozen", [], pack_files({})), _say)) as cluster:
                    _seconds(4, partial(_executing, cluster))  # modules are loaded
                    ratios = []
                    for turn in range(1, turns + 1):
                        one, other = (
                            seeds / _seconds_of_local(seeds),
                            seeds / _seconds(seeds, partial(_executing, cluster)),
                        )
                        ratios.append(other / one)
                        told = f"local, 2 processes {one:.2f} runs/s, 2 workers {other:.2f} runs/s"
                        _say(f"turn {turn}: {told}, ratio {ratios[-1]:.3f}")
                    _say(f"ratio, median of {turns}: {sorted(ratios)[turns // 2]:.3f}")
                    count = 2000
                    started, busy = time.perf_counter(), time.process_time()
                    assert len(list(cluster.execute(importable, None, range(count)))) == count
                    wall, busy = time.perf_counter() - started, time.process_time() - busy
                    each, mine = 1000 * wall / count, 1000 * busy / count
                    _say(f"{count} runs of no work: {each:.2f} ms a run, of these {mine:.2f} ms work of the driver")
        finally:
            dask.close()


@contextmanager
def _simulated(workers: int) -> Iterator[tuple[Cluster, dict[str, psutil.Process]]]:
    """A scheduler and simulated workers, and the processes that they and the driver are."""
    with tempfile.TemporaryDirectory() as name, chdir(name):
        dask = DaskCluster(Path(name) / "dask", workers=0)
        command = [sys.executable, "-m", "tests.benchmarks.cluster", "simulate", dask.address, str(workers)]
        simulation = subprocess.Popen(command, env=os.environ | {"TMPDIR": name}, stderr=subprocess.DEVNULL)
        try:
            with connected(Where(address=dask.address)) as client:
                wait_for(lambda: len(client.scheduler_info(n_workers=-1)["workers"]) == workers, 600)
                with closing(Cluster(client, Demand("frozen", [], pack_files({})), _say)) as cluster:
                    wait_for(lambda: len(cluster.workers.addresses) == workers, 600)
                    yield (
                        cluster,
                        {
                            "driver": psutil.Process(),
                            "scheduler": psutil.Process(dask.scheduler.pid),
                            "workers": psutil.Process(simulation.pid),
                        },
                    )
        finally:
            simulation.kill()
            simulation.wait()
            dask.close()


def delivery(mebibytes: int = 20, workers: int = 30) -> None:
    """Memory of the scheduler while an array goes to simulated workers."""
    from tests.benchmarks.cluster import nothing as importable

    array = np.random.default_rng(0).integers(0, 255, mebibytes << 20, dtype=np.uint8)
    with _simulated(workers) as (cluster, processes):
        memory = processes["scheduler"].memory_info
        seen, ended = [memory().rss], threading.Event()

        def watch() -> None:
            while not ended.wait(0.01):
                seen.append(memory().rss)

        watcher = threading.Thread(target=watch)
        watcher.start()
        started = time.perf_counter()
        cluster.workers.pack(importable, array)
        ended.set()
        watcher.join()
        before, most = seen[0] / 2**20, max(seen) / 2**20
        _say(
            f"{mebibytes} MiB to {workers} workers in {time.perf_counter() - started:.1f} s: memory of the scheduler "
            f"{before:.0f} MiB before, {most:.0f} at most"
        )


def scale(tasks: int = 100_000, workers: int = 200) -> None:
    """Tasks a second, processor time and memory of driver, scheduler and workers, each a process of its own."""
    from tests.benchmarks.cluster import nothing as importable

    with _simulated(workers) as (cluster, processes):
        _say(f"{workers} simulated workers, {tasks} runs of no work")
        _scaled(tasks, cluster.execute(importable, None, range(tasks)), processes)


def _scaled(tasks: int, results: Iterator[Any], processes: dict[str, psutil.Process]) -> None:
    memory = {name: process.memory_info().rss for name, process in processes.items()}
    busy = {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}
    started, seen = time.perf_counter(), bytearray(tasks)
    for number, (task, _, _) in enumerate(results, 1):
        seen[task] += 1
        if number % (tasks // 10) == 0:
            told = f"{number} runs, {number / (time.perf_counter() - started):.0f} a second"
            for name, process in processes.items():
                each = 1000 * (sum(process.cpu_times()[:2]) - busy[name]) / number
                more = (process.memory_info().rss - memory[name]) / 2**20
                told += f"; {name} {each:.2f} ms a run, {memory[name] / 2**20:.0f} MiB and {more:.0f} more"
            _say(told)
    assert seen == b"\1" * tasks, "a task was lost or doubled"


def simulate(address: str, workers: int) -> None:
    """Many workers in one process: they do all that workers do, on one interpreter lock."""
    import dask
    from distributed import Worker

    async def run() -> None:
        settings = {"distributed.worker.profile.enabled": False, "distributed.admin.system-monitor.interval": "60 s"}
        with dask.config.set(settings):
            options = {"nthreads": 1, "memory_limit": 0, "dashboard": False}
            running = [await Worker(address, name=f"{number}", **options) for number in range(workers)]
            await asyncio.gather(*(worker.finished() for worker in running))

    asyncio.run(run())


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    if command == "simulate":
        simulate(arguments[0], int(arguments[1]))
    else:
        {"throughput": throughput, "local": local, "scale": scale, "delivery": delivery}[command](*map(int, arguments))
