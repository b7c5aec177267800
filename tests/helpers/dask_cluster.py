"""A real Dask cluster for tests: a scheduler and workers, each a process in a folder of its own."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.helpers.paths import ROOT

_DASK = [str(Path(sys.executable).with_name("dask"))]


class DaskCluster:
    """Processes on this machine that share nothing but the network.

    Args:
        folder: a new one, below which each process has its own.
        workers: how many to start, one thread each.
    """

    def __init__(self, folder: Path, workers: int = 2) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.file = folder / "scheduler" / "scheduler.json"
        self.scheduler = self._start(
            "scheduler", "scheduler", "--scheduler-file", str(self.file), "--port", "0", "--dashboard-address", ":0"
        )
        wait_for(lambda: self.file.is_file() and self.file.read_text().endswith("}"))
        self.address = json.loads(self.file.read_text())["address"]
        self.workers = [self.add_worker() for _ in range(workers)]

    def add_worker(self, *options: str, root: Path = ROOT, nanny: bool = True) -> "subprocess.Popen[bytes]":
        """Start a worker; its nanny starts it again when it was killed."""
        name = f"worker-{len(self.processes)}"
        threads = () if "--nthreads" in options else ("--nthreads", "1")
        keep = () if nanny else ("--no-nanny",)
        command = ("worker", self.address, *threads, "--memory-limit", "0", "--no-dashboard", *keep, *options)
        return self._start(name, *command, root=root)

    def kill_scheduler(self) -> None:
        """End the scheduler at once."""
        self.scheduler.kill()
        self.scheduler.wait()

    def close(self) -> None:
        """End all processes."""
        for process in self.processes:
            if process.poll() is None:
                for each in (*psutil.Process(process.pid).children(recursive=True), process):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        each.kill()
            process.wait()

    def _start(self, name: str, *command: str, root: Path = ROOT) -> "subprocess.Popen[bytes]":
        folder = self.folder / name
        folder.mkdir(parents=True)
        environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}
        with (folder / "log.txt").open("wb") as log:
            process = subprocess.Popen([*_DASK, *command], cwd=folder, env=environment, stdout=log, stderr=log)
        self.processes.append(process)
        return process


def wait_for(condition, seconds: float = 120.0):
    """Wait until a condition holds; gives what it gave."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("nothing happened in time")
