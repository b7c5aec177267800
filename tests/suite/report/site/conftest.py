"""A site made once, and a headless Chromium that has no network and tells of every error.

``REQUIRE_BROWSER=1``, which CI sets, turns a missing browser from a skip into a failure.
"""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from suite.report.site.write import write_site
from tests.suite.report.site.project import settings, write_project, write_two_regimes

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def made(folder, write) -> Path:
    """The folder of a site, made in a folder into which ``write`` writes what it shows."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        write()
        return (folder / write_site(settings())).parent
    finally:
        os.chdir(before)


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The folder of a site made from a small project."""
    return made(tmp_path_factory.mktemp("project"), write_project)


@pytest.fixture(scope="session")
def two_regimes(tmp_path_factory) -> Path:
    """The folder of a site with leaderboards of two regimes, computed from records."""
    return made(tmp_path_factory.mktemp("two_regimes"), write_two_regimes)


@pytest.fixture(scope="session")
def browser():
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(f"REQUIRE_BROWSER is set and there is no {', '.join(NAMES)}")
        pytest.skip("there is no Chromium; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found)
        yield opened
        opened.close()


class Visitor:
    """Opens pages of the site from disk; remembers what they complain about and what they ask a network for."""

    def __init__(self, browser, site, width, scheme):
        self.site = site
        self.complaints = []
        self._context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        self._context.set_default_timeout(300_000)  # a busy machine is slow, not wrong
        self.page = self._context.new_page()
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append("dialog"), dialog.dismiss()))
        self.page.on("request", self._on_request)

    def _on_request(self, request):
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.complaints.append(f"request: {request.url}")

    def open(self, name, kept=""):
        self.page.goto((self.site / name).as_uri() + kept)
        self.page.wait_for_selector("html[data-ready=yes]")
        return self.page

    def close(self):
        self._context.close()


@pytest.fixture
def visit(browser, request):
    """Makes visitors of a width and a colour scheme; fails if a page that they saw complained."""
    visitors = []

    def make(width=1280, scheme="light", of=None):
        visitors.append(Visitor(browser, of or request.getfixturevalue("site"), width, scheme))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.close()
    assert [complaint for visitor in visitors for complaint in visitor.complaints] == []
