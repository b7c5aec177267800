"""Times of stages, and measuring a command."""

import json
import sys
import time

import pandas as pd
import pytest

from suite.errors import SuiteError
from suite.timing import Measurement, StageClock, measure, report


def test_a_clock_splits_start_up_from_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clock = StageClock()
    time.sleep(0.05)
    clock.write("cell", {"0": 1.23456})
    times = json.loads((tmp_path / "times/cell.json").read_text())
    assert times["runs"] == {"0": 1.235}
    assert 0.05 <= times["work"] < 5
    assert times["start_up"] > 0


def test_memory_of_children_counts():
    child = "import time; block = bytearray(300 << 20); time.sleep(2)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], check=True); sys.exit(3)"
    measured = measure([sys.executable, "-c", parent])
    assert measured.exit_code == 3
    assert measured.seconds > 2
    assert 300 << 20 < measured.peak_bytes < 600 << 20


def test_the_report_splits_wall_clock():
    times = pd.DataFrame({"work_seconds": [60.0, 20.0], "start_up_seconds": [2.0, 3.0]})
    lines = report(Measurement(0, 100.0, 2**31), times).splitlines()
    assert lines[0] == "wall clock: 100 s (1.7 min), exit status 0"
    assert lines[1] == "peak memory of all processes: 2.00 GiB"
    assert lines[3] == "their start-up: 5 s"
    assert lines[4] == "start-up, DVC and all other stages: 20 s, 20.0 %"


def test_a_command_that_does_not_exist():
    with pytest.raises(SuiteError, match="there is no command 'no-such-command'"):
        measure(["no-such-command"])
