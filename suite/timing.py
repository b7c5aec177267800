"""Wall-clock times of stages, kept apart from results; and what a whole command takes in time and memory."""

import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from suite.errors import SuiteError
from suite.files import write_json

if TYPE_CHECKING:
    import pandas as pd  # half a second that every stage would spend

TIMES_FOLDER = Path("times")
_SAMPLE_SECONDS = 1.0


class StageClock:
    """Splits a stage's time into start-up, from the start of the process to the clock's, and work."""

    def __init__(self) -> None:
        self._started = time.time()
        self._start_up = self._started - psutil.Process().create_time()

    def write(self, name: str, runs: dict[str, float] | None = None) -> None:
        """Write ``times/NAME.json``: seconds of start-up and work until now, and seconds of each run."""
        rounded = {run: round(seconds, 3) for run, seconds in (runs or {}).items()}
        work = round(time.time() - self._started, 3)
        write_json(TIMES_FOLDER / f"{name}.json", {"start_up": round(self._start_up, 3), "work": work, "runs": rounded})


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a command took.

    Attributes:
        exit_code: of the command.
        seconds: wall-clock time.
        peak_bytes: largest memory of the command and all its descendants together, sampled every second; memory
            that processes share is divided among them where the system tells (Linux).
    """

    exit_code: int
    seconds: float
    peak_bytes: int


def measure(command: Sequence[str]) -> Measurement:
    """Run a command and measure it.

    Raises:
        SuiteError: there is no such command.
    """
    if shutil.which(command[0]) is None:
        raise SuiteError(f"suite measure: there is no command {command[0]!r}")
    started = time.perf_counter()
    peak = 0
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            peak = max(peak, _tree_bytes(process.pid))
            time.sleep(_SAMPLE_SECONDS)
    return Measurement(process.returncode, time.perf_counter() - started, peak)


def _tree_bytes(pid: int) -> int:
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(_process_bytes(process) for process in processes)


def _process_bytes(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
    except psutil.Error:
        return 0
    return int(getattr(memory, "pss", memory.rss))


def report(measured: Measurement, times: "pd.DataFrame") -> str:
    """A few lines: wall-clock time, peak memory, and the share that was no work of a features or train stage."""
    work = float(times["work_seconds"].sum())
    overhead = measured.seconds - work
    return "\n".join(
        [
            f"wall clock: {measured.seconds:.0f} s ({measured.seconds / 60:.1f} min), exit status {measured.exit_code}",
            f"peak memory of all processes: {measured.peak_bytes / 2**30:.2f} GiB",
            f"work of {len(times)} features and train stages: {work:.0f} s",
            f"their start-up: {times['start_up_seconds'].sum():.0f} s",
            f"start-up, DVC and all other stages: {overhead:.0f} s, {100 * overhead / measured.seconds:.1f} %",
        ]
    )
