"""The default grid, cut to a few classes, on this machine and on a cluster: the same bytes, however many workers are killed.

``python -m tests.benchmarks.cluster_grid 100 10`` runs ``params.yaml`` with ``max_classes: 100`` in a temporary folder:
first by ``suite train`` for each data set and loss; then, with an empty run cache, by ``suite grid`` on a scheduler and two
workers in folders of their own; then once more while ten workers are killed (SIGKILL) at random moments. It ends with an
error if a byte of ``runs/`` differs, or a run is lost or doubled.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import chdir
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import yaml
from rich.console import Console

from suite.settings.paths import DATA_FOLDER, PARAMS_FILE, RUN_CACHE_FOLDER, RUNS_FOLDER
from tests.helpers.dask_cluster import DaskCluster
from tests.helpers.paths import ROOT

_say = partial(Console(soft_wrap=True).print, markup=False, highlight=False)
_STARTING_SECONDS = 20.0
_SUITE = [sys.executable, "-c", "from suite.cli.main import main; main()"]


def grid(classes: int = 100, kills: int = 0) -> None:
    """Compare the files of all runs, and say what each way took."""
    with tempfile.TemporaryDirectory() as name, chdir(name):
        settings = yaml.safe_load((ROOT / PARAMS_FILE).read_text(encoding="utf-8"))
        settings["datasets"] = {dataset: {"max_classes": classes} for dataset in settings["datasets"]}
        PARAMS_FILE.write_text(yaml.safe_dump(settings), encoding="utf-8")
        DATA_FOLDER.symlink_to(ROOT / DATA_FOLDER)
        shutil.copytree(ROOT / "recipes", "recipes")
        pairs = [(dataset, loss) for dataset in settings["datasets"] for loss in settings["losses"]]
        _suite("plan")
        for dataset in settings["datasets"]:
            _suite("features", dataset)
        for pair in pairs:
            _suite("tune", *pair)
        started = time.perf_counter()
        for pair in pairs:
            _suite("train", *pair)
        _say(f"suite train, {len(pairs)} commands, 2 processes each: {time.perf_counter() - started:.0f} s")
        expected = _files()
        size = sum(map(len, expected.values()))
        for turn in sorted({0, kills}):
            shutil.rmtree(RUN_CACHE_FOLDER)
            shutil.rmtree(RUNS_FOLDER)
            printed = _on_a_cluster(Path(name) / f"dask-{turn}", turn)
            runs = re.findall(r"^(\S+ .*noise \S+ seed \d+): R@1", printed, re.MULTILINE)
            _say(printed.splitlines()[-1])
            cached = len(list(RUN_CACHE_FOLDER.glob("*/*.json")))
            for pair in pairs:
                _suite("train", *pair)
            found = _files()
            differing = [path for path in expected.keys() | found.keys() if expected.get(path) != found.get(path)]
            _say(f"{len(runs)} runs told, {len(set(runs))} different ones, {cached} in the run cache")
            _say(f"{len(expected)} files of runs, {size} bytes: {len(differing)} differ")
            assert len(runs) == len(set(runs)) == cached
            assert not differing, differing


def _on_a_cluster(folder: Path, kills: int) -> str:
    """Run the grid; gives what it printed."""
    dask = DaskCluster(folder)
    random = np.random.default_rng(kills)
    log = folder / "grid.txt"
    try:
        with log.open("wb") as output:
            process = subprocess.Popen([*_SUITE, "grid", "--address", dask.address], env=_environment(), stdout=output)
        killed = 0
        while process.poll() is None:
            time.sleep(random.uniform(1.0, 20.0))
            workers = _workers(dask)
            if killed < kills and workers and process.poll() is None:
                random.choice(workers).kill()
                killed += 1
        _say(
            f"{killed} workers killed; {log.read_text().count('is gone')} told as gone; exit status {process.returncode}"
        )
        assert (killed, process.returncode) == (kills, 0), log.read_text()
        return log.read_text()
    finally:
        dask.close()


def _workers(dask: DaskCluster) -> list[psutil.Process]:
    """The processes that compute, whose nannies start them again; not those that were started just now."""
    nannies = [psutil.Process(process.pid) for process in dask.workers]
    found = [child for nanny in nannies for child in nanny.children() if "spawn_main" in " ".join(child.cmdline())]
    return [worker for worker in found if time.time() - worker.create_time() > _STARTING_SECONDS]


def _suite(*words: str) -> None:
    subprocess.run([*_SUITE, *words], env=_environment(), check=True, stdout=subprocess.DEVNULL)


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "SUITE_WORKERS": "2"}


def _files() -> dict[str, bytes]:
    return {path.as_posix(): path.read_bytes() for path in sorted(RUNS_FOLDER.rglob("*")) if path.is_file()}


if __name__ == "__main__":
    grid(*map(int, sys.argv[1:]))
