"""Times of stages, and measuring a command."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from suite.errors import SuiteError
from suite.training.times import PROCESS_LOG, Measurement, StageClock, log_process, measure, report
from tests.helpers.paths import ROOT



def test_a_clock_splits_start_up_from_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clock = StageClock()
    time.sleep(0.05)
    clock.write("cell", {"0": 1.23456})
    times = json.loads((tmp_path / "times/cell.json").read_text())
    assert times["runs"] == {"0": 1.235}
    assert 0.05 <= times["work"] < 5
    assert times["start_up"] > 0


def test_start_up_is_counted_from_the_start_of_the_process(tmp_path):
    code = "import time; time.sleep(0.5); from suite.training.times import StageClock; StageClock().write('cell')"
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": ROOT}, check=True)
    # Whole seconds, to which the time of boot is known, would be too coarse here.
    assert (
        0.49
        <= json.loads((tmp_path / "times/cell.json").read_text())["start_up"]
        <= time.perf_counter() - started + 0.01
    )


def test_memory_of_children_counts():
    child = "import time; block = bytearray(300 << 20); time.sleep(2)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True); sys.exit(3)"
    measured = measure([sys.executable, "-c", parent])
    assert measured.exit_code == 3
    assert measured.seconds > 2
    assert 300 << 20 < measured.peak_bytes < 600 << 20


def test_the_report_splits_wall_clock():
    lines = report(Measurement(0, 100.0, 2**31, processes=7, start_up=5.0, work=80.0)).splitlines()
    assert lines == [
        "wall clock: 100 s (1.7 min), exit status 0",
        "peak memory of all processes: 2.00 GiB",
        "work of 7 processes of the suite: 80 s",
        "their start-up, imports above all: 5 s",
        "DVC, and the ends of processes: 15 s",
        "start-up and DVC together: 20 s, 20.0 %",
    ]


def test_processes_of_the_suite_are_measured_from_their_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stage = (
        "import time; time.sleep(0.3); from suite.training.times import begin_work, log_process; "
        "begin_work(); time.sleep(0.2); log_process()"
    )
    unmarked = "import time; time.sleep(0.3); from suite.training.times import log_process; log_process()"
    both = (
        f"import subprocess, sys; [subprocess.run([sys.executable, '-c', c], check=True) for c in {[stage, unmarked]}]"
    )
    measured = measure([sys.executable, "-c", both])
    assert measured.processes == 2
    assert 0.2 <= measured.work < measured.seconds - 0.6
    assert 0.58 <= measured.start_up <= measured.seconds - measured.work


def test_outside_a_measurement_nothing_is_logged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(PROCESS_LOG, raising=False)
    log_process()
    assert not list(tmp_path.iterdir())


def test_a_command_that_does_not_exist():
    with pytest.raises(SuiteError, match="there is no command 'no-such-command'"):
        measure(["no-such-command"])
