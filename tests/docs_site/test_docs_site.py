"""The documentation as web pages: built strictly, whole within itself, and without a network.

``DOCS_FOLDER`` names where the pages go and stay, as ``tox -e docs`` wants them; by default a temporary folder.
"""

import os
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from suite.losses.registry import BUILT_IN
from tests.helpers.browser import Visitor, violations
from tests.helpers.paths import ROOT

WAYS = ("You doubt the paper", "You have a loss", "You want the loss in your code")
LOADED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}
"""Elements that a browser loads something for, and the attribute that says what."""


class Page(HTMLParser):
    """What a page loads, where its links lead, and the ids that links may point to."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.links, self.ids = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids |= {found[name] for name in ("id", "name") if found.get(name)}
        if found.get("href") and tag == "a":
            self.links.append(found["href"])
        relation = (found.get("rel") or "").split()
        if LOADED.get(tag) in found and not {"canonical", "prev", "next", "alternate"} & set(relation):
            self.loaded.append(found[LOADED[tag]])


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The folder of the pages; a warning of the build is an error, but only where it is not quiet."""
    target = Path(os.environ.get("DOCS_FOLDER") or tmp_path_factory.mktemp("docs") / "site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target)]
    quiet = {"NO_MKDOCS_2_WARNING": "1"}  # about releases to come
    done = subprocess.run(command, cwd=ROOT, env=os.environ | quiet, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="session")
def pages(folder):
    return {path: Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}


def outside(target):
    return re.match(r"([a-z]+:)?//", target) is not None


def test_nothing_is_loaded_from_elsewhere(folder, pages):
    assert len(pages) > 20
    assert [(path.name, target) for path, page in pages.items() for target in page.loaded if outside(target)] == []
    for path in folder.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", text), path.name


def test_every_link_within_the_pages_leads_somewhere(folder, pages):
    wrong = []
    for path, page in pages.items():
        for target in [*page.links, *page.loaded]:
            if outside(target) or target.startswith(("mailto:", "data:", "javascript:")):
                continue
            name, _, part = target.partition("#")
            # the page of errors is shown anywhere, so its links begin at the root
            base = folder if name.startswith("/") else path.parent
            found = (base / unquote(name.lstrip("/"))).resolve() if name else path
            found = found / "index.html" if found.is_dir() else found
            if not found.is_file() or (part and found in pages and unquote(part) not in pages[found].ids):
                wrong.append((path.name, target))
    assert wrong == []


def test_every_page_is_in_the_navigation():
    listed = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]

    def names(entry):
        if isinstance(entry, str):
            return {entry}
        return set().union(*map(names, entry.values() if isinstance(entry, dict) else entry))

    assert names(listed) == {path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")}


def test_the_start_page_has_three_ways_in_of_three_commands_each():
    text = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    assert tuple(parts[::2]) == WAYS
    for body in parts[1::2]:
        assert len(re.findall(r"^    \S.*$", body, re.MULTILINE)) == 3


@cache
def reference(folder, name):
    return (folder / "reference" / f"{name}.html").read_text(encoding="utf-8")


def test_the_reference_has_the_loss_all_baselines_and_what_the_suite_offers(folder, pages):
    ids = pages[folder / "reference/pfml.html"].ids
    assert ids >= {f"pfml.{name}" for name in ("PotentialFieldLoss", "total_energy", "attraction", "repulsion")}
    assert "pfml.PotentialFieldLoss.forward" in ids
    ids = pages[folder / "reference/baselines.html"].ids
    baselines = {target.replace(":", ".") for target in BUILT_IN.values() if target.startswith("baselines")}
    assert baselines - ids == set()
    ids = pages[folder / "reference/suite.html"].ids
    assert ids >= {"suite.evaluation.records.Record", "suite.evaluation.retrieval.retrieve", "suite.data.noise.corrupt"}
    assert "Raises" in reference(folder, "suite")


READ = ("index.html", "handing-in.html", "benchmarks.html", "reference/pfml.html")
LONG = "reference/suite.html"
"""With the others it has all that pages can have: code, tables that scroll, links in text and code, names that recur."""


def test_pages_open_from_disk_pass_axe_by_all_its_rules_and_ask_no_network(browser, folder):
    for width, scheme in ((400, "dark"), (1600, "light")):
        visitor = Visitor(browser, folder, width, scheme)
        page = visitor.page
        for name in (*READ, LONG) if scheme == "dark" else READ:
            page.goto((folder / name).as_uri())
            page.wait_for_selector("h1")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert violations(page) == "", name
        visitor.close()
        assert [text for text in visitor.complaints if text.startswith("request")] == []


def test_the_search_works_from_disk(browser, folder):
    visitor = Visitor(browser, folder, 1600, "light")
    page = visitor.page
    for name in ("index.html", "reference/pfml.html"):  # from a folder below, too
        page.goto((folder / name).as_uri())
        page.keyboard.press("/")
        page.keyboard.type("tuning budget")
        page.wait_for_selector(".md-search-result__item a")
        assert page.locator(".md-search-result__item").count() > 1
    visitor.close()
    assert visitor.complaints == []
