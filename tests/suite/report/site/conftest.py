"""Sites made once, and visitors of their pages."""

import os
from pathlib import Path

import pytest

from suite.report.site.write import write_site
from tests.helpers.browser import Visitor
from tests.suite.report.site.project import settings, write_project, write_two_regimes


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
