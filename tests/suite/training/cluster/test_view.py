"""The bar of a grid."""

import io

from rich.console import Console

from suite.training.cluster.view import GridView


def test_a_terminal_shows_what_is_done_running_and_failed():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with GridView(console, 10, lambda: 2) as view:
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
