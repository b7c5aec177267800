"""The bar of a grid."""

import io
import time
from queue import SimpleQueue

from rich.console import Console

from suite.training.cluster.items import Item
from suite.training.cluster.view import GridView


def test_a_terminal_shows_what_is_done_running_and_failed():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with GridView(console, 10, lambda: [1, 2]) as view:
        view.count(cached=4, computed=3, failed=1)
        assert view.told().startswith("runs, 2 running, 1 failed, ")
        assert "a minute, " in view.told()
        assert view.told().endswith("min left")
        view.as_console().print("a line of a search")
        view.refresh()
    printed = console.file.getvalue()
    assert "8/10" in printed
    assert "a line of a search" in printed
    assert view.conclusion().startswith("grid: 10 runs: 4 from the run cache, 3 computed, 1 failed, 2 not run; ")


def test_a_silence_without_a_terminal_ends_in_a_line_that_names_the_longest_runs(monkeypatch):
    monkeypatch.setattr("suite.training.cluster.view._SILENCE_SECONDS", 0.0)
    began = time.monotonic() - 7200
    running = [Item(0, each, "", each, "run {}".format, SimpleQueue(), since=began) for each in range(5)]
    console = Console(file=io.StringIO(), width=200)
    with GridView(console, 10, lambda: running) as view:
        view.refresh_now()
    line = console.file.getvalue().splitlines()[0]
    assert line.startswith(
        "grid: runs, 5 running, 0 failed, 0.0 a minute, time left unknown; under way: run 0, 7200 s; "
    )
    assert line.endswith("run 2, 7200 s; 2 more")
