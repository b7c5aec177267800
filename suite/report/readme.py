"""Puts what a run printed between markers of the README: the leaderboard's first tables, and the verdicts."""

import json
from pathlib import Path

from suite.errors import SuiteError
from suite.files import write_text
from suite.report.claims.glance import glance
from suite.report.leaderboard.render import DETAILS

README = Path("README.md")


def with_results(readme: str, leaderboard: str, claims: str) -> str:
    """The README's text with the results in it.

    Args:
        readme: text of the README, with the markers of both parts.
        leaderboard: text of ``results/leaderboard.md``; its glance is taken, one heading level lower.
        claims: text of ``results/claims.json``.

    Raises:
        SuiteError: a marker is missing.
    """
    tables = leaderboard.split("\n", 1)[1].split(DETAILS, 1)[0].replace("\n## ", "\n### ")
    return _between(_between(readme, "leaderboard", tables), "claims", "\n" + glance(json.loads(claims)))


def _between(text: str, part: str, content: str) -> str:
    start, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    if start not in text or end not in text:
        raise SuiteError(f"README.md lacks a marker; it must hold {start} and {end}")
    before, rest = text.split(start, 1)
    return f"{before}{start}\n{content}\n{end}{rest.split(end, 1)[1]}"


def update_readme(results: Path, readme: Path = README) -> None:
    """Write the README anew with the results of a folder."""
    leaderboard, claims = (results / name for name in ("leaderboard.md", "claims.json"))
    for path in (leaderboard, claims):
        if not path.is_file():
            raise SuiteError(f"{path} is missing; run: dvc repro")
    texts = (path.read_text(encoding="utf-8") for path in (readme, leaderboard, claims))
    write_text(readme, with_results(*texts))
