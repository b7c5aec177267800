"""Wall-clock times of stages, kept apart from results; and what a whole command takes in time and memory."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from suite.errors import SuiteError
from suite.files import read_lines, write_json

TIMES_FOLDER = Path("times")
PROCESS_LOG = "SUITE_PROCESS_LOG"
"""Environment variable: a file to which each process of the suite adds a line with its times."""
_SAMPLE_SECONDS = 2.0

_work_began: float | None = None


def begin_work() -> None:
    """Mark where the start-up of this process ends: after its imports."""
    global _work_began  # noqa: PLW0603 - a process starts once
    _work_began = time.perf_counter()


def log_process() -> None:
    """Add this process to the log of the measurement under way, if any; all of it is start-up without ``begin_work``."""
    path = os.environ.get(PROCESS_LOG)
    if not path:
        return
    worked = 0.0 if _work_began is None else time.perf_counter() - _work_began
    line = {"command": sys.argv[1:], "start_up": _age() - worked, "work": worked}
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


class StageClock:
    """Splits a stage's time into start-up, from the start of the process to the clock's, and work."""

    def __init__(self) -> None:
        begin_work()
        self._started = time.perf_counter()
        self._start_up = _age()

    def write(self, name: str, runs: dict[str, float] | None = None, root: Path = Path()) -> None:
        """Write ``times/NAME.json`` below ``root``: seconds of start-up and work until now, and seconds of each run."""
        rounded = {run: round(seconds, 3) for run, seconds in (runs or {}).items()}
        work = round(time.perf_counter() - self._started, 3)
        seconds = {"start_up": round(self._start_up, 3), "work": work, "runs": rounded}
        write_json(root / TIMES_FOLDER / f"{name}.json", seconds)


def _age() -> float:
    """Seconds since this process was started.

    Linux tells the start since boot to a hundredth of a second, but the time of boot, which psutil adds, to a second only.
    """
    started = psutil.Process().create_time()
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME) - (started - psutil.boot_time())
    return time.time() - started


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a command took.

    Attributes:
        exit_code: of the command.
        seconds: wall-clock time.
        peak_bytes: largest memory of the command and all its descendants together, sampled every two seconds; memory
            that processes share is divided among them where the system tells (Linux).
        processes: of the suite, that the command ran.
        start_up: seconds that they took to start, together.
        work: seconds that they worked, together; they run one after the other.
    """

    exit_code: int
    seconds: float
    peak_bytes: int
    processes: int
    start_up: float
    work: float


def measure(command: Sequence[str]) -> Measurement:
    """Run a command and measure it.

    Raises:
        SuiteError: there is no such command.
    """
    if shutil.which(command[0]) is None:
        raise SuiteError(f"suite measure: there is no command {command[0]!r}")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "processes.jsonl"
        log.touch()
        started = time.perf_counter()
        peak = 0
        with subprocess.Popen(command, env=os.environ | {PROCESS_LOG: str(log)}) as process:
            while process.poll() is None:
                peak = max(peak, _tree_bytes(process.pid))
                _wait(process, _SAMPLE_SECONDS)
        seconds = time.perf_counter() - started
        lines = read_lines(log)
    start_up, work = (sum(line[part] for line in lines) for part in ("start_up", "work"))
    return Measurement(process.returncode, seconds, peak, len(lines), start_up, work)


def _wait(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


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


def report(measured: Measurement) -> str:
    """A few lines: wall-clock time, peak memory, and the share that was start-up and DVC."""
    rest = measured.seconds - measured.work - measured.start_up
    overhead = measured.start_up + rest
    return "\n".join(
        [
            f"wall clock: {measured.seconds:.0f} s ({measured.seconds / 60:.1f} min), exit status {measured.exit_code}",
            f"peak memory of all processes: {measured.peak_bytes / 2**30:.2f} GiB",
            f"work of {measured.processes} processes of the suite: {measured.work:.0f} s",
            f"their start-up, imports above all: {measured.start_up:.0f} s",
            f"DVC, and the ends of processes: {rest:.0f} s",
            f"start-up and DVC together: {overhead:.0f} s, {100 * overhead / measured.seconds:.1f} %",
        ]
    )
