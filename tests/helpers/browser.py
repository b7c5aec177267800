"""A headless Chromium that has no network and tells of every error.

``REQUIRE_BROWSER=1``, which CI sets, turns a missing browser from a skip into a failure.
"""

import os
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium, one for all tests of a process."""
    from playwright.sync_api import sync_playwright

    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(f"REQUIRE_BROWSER is set and there is no {', '.join(NAMES)}")
        pytest.skip("there is no Chromium; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found)
        yield opened
        opened.close()


def violations(page):
    """What axe finds wrong on a page, as text; empty where nothing is. Details of rules that hold take as long again."""
    found = Axe().run(page, options={"preload": False, "resultTypes": ["violations"]})  # preloading asks for files
    return found.generate_report() if found.response["violations"] else ""


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
