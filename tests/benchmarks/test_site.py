"""Time until the pages of the results can be used, in headless Chromium from disk, and their size.

Not run by default: ``python -m pytest tests/benchmarks/test_site.py`` prints the table. It takes ``results/site`` where
that is there, so run ``suite site`` first, and the small site of the tests otherwise. A page can be used once its tables and
filters are there, the mark ``table`` of ``site.js``; it is ready once its charts are drawn, the mark ``ready``. Both count
from the start of the navigation. Each time is that of a new context.
"""

import sys
from statistics import median

import pytest

from tests.helpers.paths import ROOT
from tests.suite.report.site.conftest import site  # noqa: F401 - a fixture

pytestmark = pytest.mark.benchmark
REAL = ROOT / "results/site"
ROUNDS = 5
MARKS = "['table', 'ready'].map((name) => performance.getEntriesByName(name)[0].startTime)"


def opened(browser, page):
    """Milliseconds until a page can be used and until it is ready, in a context of its own."""
    context = browser.new_context(viewport={"width": 1600, "height": 900})
    try:
        tab = context.new_page()
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-ready=yes]", timeout=120_000)
        return tab.evaluate(MARKS)
    finally:
        context.close()


def test_time_until_pages_can_be_used(browser, site, capsys):  # noqa: F811
    folder = REAL if (REAL / "index.html").is_file() else site
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    rows = {page.name: [opened(browser, page) for _ in range(ROUNDS)] for page in sorted(folder.glob("*.html"))}
    with capsys.disabled():
        sys.stdout.write(
            f"\n{folder}: {size / 1e6:.2f} MB in {len(rows)} pages; ms, median and most of {ROUNDS} rounds\n"
        )
        for name, times in rows.items():
            usable, ready = zip(*times, strict=True)
            told = (
                f"usable {median(usable):5.0f} {max(usable):5.0f}  charts drawn {median(ready):5.0f} {max(ready):5.0f}"
            )
            sys.stdout.write(f"{name:<36} {told}\n")
