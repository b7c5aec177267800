"""Puts the leaderboard's first tables between two markers of the README."""

from pathlib import Path

from suite.errors import SuiteError
from suite.files import write_text
from suite.leaderboard.render import DETAILS

MARKERS = ("<!-- leaderboard -->", "<!-- end of leaderboard -->")


def with_tables(readme: str, leaderboard: str) -> str:
    """The README's text with the leaderboard's glance between the markers, one heading level lower.

    Raises:
        SuiteError: a marker is missing.
    """
    if not all(marker in readme for marker in MARKERS):
        raise SuiteError(f"README.md lacks a marker; it must hold {MARKERS[0]} and {MARKERS[1]}")
    before, rest = readme.split(MARKERS[0], 1)
    after = rest.split(MARKERS[1], 1)[1]
    tables = leaderboard.split("\n", 1)[1].split(DETAILS, 1)[0].replace("\n## ", "\n### ")
    return f"{before}{MARKERS[0]}\n{tables}\n{MARKERS[1]}{after}"


def update_readme(readme: Path, leaderboard: Path) -> None:
    """Write the README anew with the first tables of ``results/leaderboard.md``."""
    write_text(readme, with_tables(readme.read_text(encoding="utf-8"), leaderboard.read_text(encoding="utf-8")))
