"""Below the timings, their ratios to the peers in the same group, as a table for docs/dev/speed.md."""

from collections import defaultdict
from typing import Any

from tests.benchmarks.ratios import PEER, SECOND_PEER


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the ratios of the session's timings."""
    session = getattr(terminalreporter.config, "_benchmarksession", None)
    rows: dict[str, dict[str, Any]] = defaultdict(dict)
    for timing in getattr(session, "benchmarks", []):
        if timing.group and "row" in timing.extra_info:
            rows[timing.group][timing.extra_info["row"]] = timing.stats
    if not rows:
        return
    terminalreporter.section(f"ratios to {PEER}")
    terminalreporter.write_line(
        f"| scale | evaluation | median (ms) | ratio of medians to {PEER} | of means | to {SECOND_PEER} |"
    )
    terminalreporter.write_line("|---|---|---:|---:|---:|---:|")
    for group, timings in rows.items():
        for name, stats in timings.items():
            shown = [
                f"{getattr(stats, measure) / getattr(timings[peer], measure):.2f}" if peer in timings else ""
                for peer, measure in ((PEER, "median"), (PEER, "mean"), (SECOND_PEER, "median"))
            ]
            terminalreporter.write_line(f"| {group} | {name} | {1e3 * stats.median:.2f} | {' | '.join(shown)} |")
